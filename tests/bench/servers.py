"""Which server fans out for least: `python tests/bench/servers.py` prints a table (docs/decisions/0012). It needs the group `bench`.

One ready frame goes to all clients five times a second, from an application of three lines, bare or through Quart, on each server; and
past ASGI, as `taskscope_api.ws_protocol` does it.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from quart import Quart, websocket
from rig import free_port
from taskscope_api.hub import Client
from taskscope_api.ws_protocol import OUTLET, WebSocketProtocol, wire

CLIENTS = int(os.environ.get("BENCH_CLIENTS", "500"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
FRAMES_A_SECOND = 5
SIZE = int(os.environ.get("BENCH_SIZE", "5000"))
SERVERS = ("websockets-sansio", "wsproto", "hypercorn", "granian")
TEXT = "x" * SIZE


class Fan:
    """All clients, and the task that sends to them."""

    def __init__(self) -> None:
        self.clients: set[Any] = set()
        self.task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def __call__(self, client: Any) -> Iterator[None]:
        self.clients.add(client)
        self.task = self.task or asyncio.create_task(self.run())
        try:
            yield
        finally:
            self.clients.discard(client)

    async def run(self) -> None:
        ready = wire(TEXT.encode())
        while True:
            await asyncio.sleep(1 / FRAMES_A_SECOND)
            for client in list(self.clients):
                if isinstance(client, Client):
                    client.offer(TEXT)
                elif client.is_free:
                    client.write(ready)


fan = Fan()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """ASGI itself."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    client = Client()
    await receive()
    await send({"type": "websocket.accept"})
    with fan(client):
        sending = asyncio.create_task(_sent(client, send))
        while (await receive())["type"] != "websocket.disconnect":
            pass
        sending.cancel()


async def _sent(client: Client, send: Any) -> None:
    async for text in client.frames():
        await send({"type": "websocket.send", "text": text})


async def direct(scope: Any, receive: Any, send: Any) -> None:
    """Past ASGI: no task for sending."""
    if scope["type"] == "lifespan":
        await bare(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    with fan(scope["extensions"][OUTLET]):
        while (await receive())["type"] != "websocket.disconnect":
            pass


quart = Quart("servers")


@quart.websocket("/api/ws")
async def _push() -> None:
    client = Client()
    with fan(client):

        async def sent() -> None:
            async for text in client.frames():
                await websocket.send(text)

        sending = asyncio.create_task(sent())
        try:
            while True:
                await websocket.receive()
        finally:
            sending.cancel()


def serving(server: str, way: str, port: int) -> None:
    """Serve one way on one server until killed."""
    app: Any = {"bare": bare, "quart": quart, "direct": direct}[way]
    if server == "hypercorn":
        import hypercorn.asyncio
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        asyncio.run(hypercorn.asyncio.serve(app, config))
    elif server == "granian":
        os.chdir(Path(__file__).parent)
        options = ["--interface", "asgi", "--loop", "asyncio", "--no-log", "--port", str(port)]
        os.execv(sys.executable, [sys.executable, "-m", "granian", *options, f"servers:{way}"])  # noqa: S606 - it needs none
    else:
        import uvicorn

        protocol: Any = WebSocketProtocol if way == "direct" else server
        uvicorn.run(app, port=port, ws=protocol, ws_per_message_deflate=False, log_config=None, access_log=False)


def measure(server: str, way: str) -> tuple[float, float]:
    """CPU microseconds of the server a frame, and KB of memory a client."""
    port = free_port()
    process = subprocess.Popen([sys.executable, __file__, "serve", server, way, str(port)], stderr=subprocess.DEVNULL)
    crowd = None
    try:
        _await_port(port)
        time.sleep(0.5)
        began = _used(process.pid)[1]
        plan = {"port": port, "seconds": SECONDS, "groups": [{"clients": CLIENTS}]}
        crowd = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "crowd.py"), json.dumps(plan)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert crowd.stdout is not None
        crowd.stdout.readline()
        time.sleep(1)
        cpu = _used(process.pid)[0]
        out, _ = crowd.communicate("\n")
        used, memory = _used(process.pid)
        seen = json.loads(out)
        return (used - cpu) / max(seen["frames"], 1) * 1e6, (memory - began) / CLIENTS / 1024
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        if crowd is not None:
            crowd.kill()


def _used(pid: int) -> tuple[float, float]:
    """Seconds of CPU and bytes of memory of a process and its children."""
    of = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    times = [process.cpu_times() for process in of]
    return sum(one.user + one.system for one in times), sum(process.memory_info().rss for process in of)


def _await_port(port: int) -> None:
    import socket

    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError("the server did not start")


def main() -> None:
    """All of them, for small and large frames."""
    print("| server | application | frame | CPU a frame | memory a client |\n|---|---|---|---|---|")
    ways = [(server, way) for server in SERVERS for way in ("bare", "quart")] + [("websockets-sansio", "direct")]
    for size in (5_000, 60_000):
        os.environ["BENCH_SIZE"] = str(size)
        for server, way in ways:
            try:
                cpu, memory = measure(server, way)
                print(f"| {server} | {way} | {size // 1000} KB | {cpu:.0f} µs | {memory:.0f} KB |", flush=True)
            except Exception as error:  # noqa: BLE001 - one that cannot be measured is said, and the others go on
                print(f"| {server} | {way} | {size // 1000} KB | {error!r} | |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serving(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()

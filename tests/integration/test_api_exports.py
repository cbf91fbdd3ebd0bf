"""Exports over a real server: readers that are slow, stand still or leave, and what everybody else notices of them."""

import asyncio
import csv
import gc
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import httpx
import pytest
from quart import Quart
from support.access import Seeing
from support.api import START, Writing, served, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.export_rows import CsvWriter
from taskscope_api.exports import CHUNK_BYTES, Exports
from taskscope_api.principals import Principal
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import State
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

CLOCK = SystemClock()
TASKS = 30_000
HELD_BYTES = 2 * CHUNK_BYTES + 64 * 1024
"""By a connection at most: a chunk that is being made, one that is being sent, and what the reader did not take."""
KERNEL_BYTES = 8 * 1024 * 1024
"""What the two ends of a connection may hold outside of the process."""
HOLD_SECONDS = 0.02
"""Of CPU without a turn for anybody else; an export's own turns take some 2 ms."""


class Ending(Seeing):
    """Who asks has rights until `ended`."""

    ended = False

    def holds(self, principal: Principal) -> bool:
        return super().holds(principal) and not self.ended


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(
        *(
            task(f"{number:05}", state=State.SUCCEEDED, updated_at=START + number, args="x" * 300, result="y" * 300)
            for number in range(TASKS)
        )
    )
    return store


@pytest.fixture
def app(store: MemoryStore) -> Quart:
    return create_app(Settings(), store, CLOCK)


@asynccontextmanager
async def serving(app: Quart) -> AsyncIterator[tuple[int, Exports]]:
    async with served(app) as port:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and "s" in services.live.replicas, seconds=30)
        yield port, services.exports


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each piece of CSV that is made."""
    sizes: list[int] = []
    original = CsvWriter.rows

    def rows(self: CsvWriter, rows: Any) -> bytes:
        piece = original(self, rows)
        sizes.append(len(piece))
        return piece

    monkeypatch.setattr(CsvWriter, "rows", rows)
    return sizes


class Reader:
    """A client that reads when it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(0)
        self.data = bytearray()

    async def ask(self, path: str) -> None:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(self.socket, request.encode())

    async def read(self, until: Callable[[bytearray], bool] = lambda _: False) -> bool:
        """Read until the end (False) or until `until` holds of what was read (True)."""
        loop = asyncio.get_running_loop()
        while not until(self.data):
            try:
                part = await loop.sock_recv(self.socket, 65536)
            except ConnectionResetError:
                return False
            if not part:
                return False
            self.data += part
        return True

    @property
    def is_whole(self) -> bool:
        """Whether the last chunk of the transfer came."""
        return self.data.endswith(b"\r\n0\r\n\r\n")


async def settled(sizes: list[int]) -> int:
    """Bytes made, once no more are made."""
    last = -1
    while last != len(sizes):
        last = len(sizes)
        await asyncio.sleep(0.2)  # the measured window
    return sum(sizes)


def body_of(answer: bytearray) -> bytes:
    """What came in chunks."""
    at, body = answer.index(b"\r\n\r\n") + 4, bytearray()
    while at < len(answer):
        end = answer.index(b"\r\n", at)
        length = int(answer[at:end], 16)
        body += answer[end + 2 : end + 2 + length]
        at = end + length + 4
    return bytes(body)


async def test_a_reader_that_pauses_holds_up_neither_memory_nor_others_and_gets_everything(app: Quart, made: list[int]) -> None:
    async with serving(app) as (port, exports):
        reader = Reader(port)
        await reader.ask("/api/tasks?format=csv")
        await reader.read(lambda data: len(data) > 100_000)
        held = await settled(made) - len(reader.data)
        assert held <= HELD_BYTES + KERNEL_BYTES
        assert held < sum_of_all(app) / 2, "there is more to come: this test is of a reader that pauses"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            page = (await client.get("/api/tasks?limit=1")).json()
            other = await client.get("/api/tasks?format=csv&limit=1000&fields=id", timeout=30)
        assert (page["total"], len(other.text.splitlines())) == (TASKS, 1001)
        await reader.read()
        assert reader.is_whole
        rows = list(csv.DictReader(StringIO(body_of(reader.data).decode(), newline="")))
        assert [row["id"] for row in rows] == [f"{number:05}" for number in reversed(range(TASKS))]
        await eventually(lambda: exports.running == 0)


def sum_of_all(app: Quart) -> int:
    return sum(len(held.packed) for held in app.extensions["taskscope"].live.replicas["s"].tasks.values())


async def test_a_reader_that_leaves_ends_the_work(app: Quart, made: list[int]) -> None:
    async with serving(app) as (port, exports):
        reader = Reader(port)
        await reader.ask("/api/tasks?format=csv")
        await reader.read(lambda data: len(data) > 100_000)
        assert exports.running == 1
        reader.socket.close()
        await eventually(lambda: exports.running == 0)
        assert await settled(made) < sum_of_all(app)
        assert exports.stalled == 0


async def test_a_reader_that_stands_still_is_cut_off_and_can_tell(app: Quart) -> None:
    async with serving(app) as (port, exports):
        exports.stall_seconds = 0.3
        reader = Reader(port)
        await reader.ask("/api/tasks?format=csv")
        await eventually(lambda: exports.stalled == 1)
        await eventually(lambda: exports.running == 0)
        assert not await reader.read()
        assert not reader.is_whole


async def test_an_export_ends_when_its_readers_rights_are_taken_away_and_does_not_look_whole(store: MemoryStore) -> None:
    access = Ending("s")
    async with serving(create_app(Settings(), store, CLOCK, access=access)) as (port, exports):
        reader = Reader(port)
        await reader.ask("/api/tasks?format=csv")
        await reader.read(lambda data: len(data) > 100_000)
        access.ended = True
        assert not await reader.read()
        assert not reader.is_whole
        assert exports.rights_ended == 1
        await eventually(lambda: exports.running == 0)


async def test_an_export_that_fails_half_way_does_not_look_whole(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = CsvWriter.rows, iter(range(1000))

    def rows(self: CsvWriter, rows: Any) -> bytes:
        if next(calls) > 200:
            raise ValueError("a test's own")
        return original(self, rows)

    monkeypatch.setattr(CsvWriter, "rows", rows)
    async with serving(app) as (port, exports):
        reader = Reader(port)
        await reader.ask("/api/tasks?format=csv")
        assert not await reader.read()
        assert reader.data.startswith(b"HTTP/1.1 200")
        assert not reader.is_whole
        assert exports.running == 0


@pytest.fixture
def without_collections() -> Iterator[None]:
    """Of garbage: this process holds much that is not of the api."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("format_", ["csv", "ndjson"])
async def test_an_export_gives_everything_else_its_turn(app: Quart, format_: str) -> None:
    """In CPU time of this thread, so that it does not matter what else the machine does."""
    async with serving(app) as (port, exports):
        holds: list[float] = []

        async def watch() -> None:
            last = time.thread_time()
            while True:
                await asyncio.sleep(0)
                now = time.thread_time()
                holds.append(now - last)
                last = now

        watching = asyncio.create_task(watch())
        readers = [Reader(port) for _ in range(3)]
        await asyncio.gather(
            *(reader.ask(f"/api/tasks?format={format_}&fields=id,state,args&limit=10000") for reader in readers)
        )
        await asyncio.gather(*(reader.read() for reader in readers))
        watching.cancel()
        assert all(reader.is_whole for reader in readers)
        assert max(holds) < HOLD_SECONDS
        assert exports.running == 0


async def test_a_compressed_export_is_streamed_and_whole(app: Quart) -> None:
    async with serving(app) as (port, _), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        async with client.stream("GET", "/api/tasks?format=ndjson", headers={"Accept-Encoding": "gzip"}) as response:
            lines = [json.loads(line) async for line in response.aiter_lines()]
        assert len({line["key"] for line in lines}) == TASKS


async def test_asking_for_the_headers_alone_makes_no_export_and_says_no_length(app: Quart, made: list[int]) -> None:
    async with serving(app) as (port, _), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        headers = (await client.head("/api/tasks?format=csv")).headers
        assert headers["Content-Type"].startswith("text/csv")
        assert "Content-Length" not in headers
        assert made == []
        async with client.stream("GET", "/api/tasks?format=csv&limit=1") as response:
            assert "Content-Length" not in response.headers

"""Whatever a client sends: a named error or a clean close, no crash, and nothing is left afterwards."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Quart
from support.api import Writing, served, task
from support.waiting import eventually
from taskscope_api import cursors, hub
from taskscope_api.app import create_app
from taskscope_api.errors import PROBLEM_TYPE
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Position
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

CLOCK = SystemClock()
EVENTS = st.sampled_from(["join_task_monitoring", "request_task_updates", "leave_task_monitoring", "task_updates", "", "\0"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TOKENS = st.one_of(
    st.text(max_size=50),
    st.text("A", min_size=7_990, max_size=8_010),
    st.just(cursors.token({"elsewhere": ("another", Position(1, 1))}, b"abcd", [b"x" * 6])),
    st.just(cursors.token({})),
)
JOINS = st.fixed_dictionaries(
    {},
    optional={
        "filter": st.dictionaries(
            st.sampled_from(["state", "kind", "q", "updated_from", "runtime_min", "stat"]), JSON, max_size=3
        ),
        "sort": st.sampled_from(["live", "-updated_at", "nothing"]) | st.text(max_size=5),
        "limit": st.integers() | st.none(),
        "fields": st.lists(st.sampled_from(["key", "state", "nothing"]), max_size=4) | JSON,
        "since": TOKENS,
        "else": JSON,
    },
)
MESSAGES = st.one_of(
    st.builds(lambda event, data: json.dumps({"event": event, "data": data}), EVENTS, JSON | JOINS),
    st.builds(lambda data: json.dumps({"event": "join_task_monitoring", "data": data}), JOINS),
    JSON.map(json.dumps),
    st.text(max_size=50),
    st.binary(max_size=50),
    st.text("[", min_size=1_000, max_size=5_000),
)


def masked(
    opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, claimed: int | None = None, mask: bool = True
) -> bytes:
    """A frame as a client sends it, or nearly."""
    size = len(payload) if claimed is None else claimed
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65_536:
        head = bytes((first, bit | 126)) + size.to_bytes(2)
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8)
    return head + (b"\0\0\0\0" if mask else b"") + payload


FRAMES = st.one_of(
    st.builds(
        masked,
        st.integers(0, 15),
        st.binary(max_size=200),
        fin=st.booleans(),
        rsv=st.integers(0, 7),
        claimed=st.none() | st.integers(0, 2**63),
        mask=st.booleans(),
    ),
    st.builds(
        masked,
        st.sampled_from([1, 2]),
        MESSAGES.map(lambda text: text if isinstance(text, bytes) else text.encode("utf-8", "replace")),
    ),
    st.just(masked(1, b"\xff\xfe")),
    st.just(masked(1, b'{"event": "join_task_monitoring"}')),
    st.just(masked(1, b"", fin=False) + masked(0, b"", fin=False) * 300),
    st.just(masked(1, b'{"event": "join_task_monitoring"}') * 150),
    st.just(masked(8, b"\x03\xe8")),
    st.just(masked(8, b"\x00")),
    st.just(masked(9, b"ping")),
    st.binary(max_size=100),
)
HANDSHAKE = (
    b"GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@asynccontextmanager
async def ready() -> AsyncIterator[tuple[Quart, int]]:
    """A served api that has a source."""
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(5)))
    app = create_app(Settings(), store, CLOCK)
    async with served(app) as port:
        await eventually(lambda: "s" in app.extensions["taskscope"].live.replicas)
        yield app, port


async def nothing_is_left(app: Quart) -> None:
    """No client, no socket, no window once it lingered, no task that sends or receives."""
    services = app.extensions["taskscope"]
    await eventually(lambda: (services.hub.clients, services.sockets.open) == (0, 0), what="all sockets to be gone")
    services.hub._sweep()
    assert services.hub.windows == 0
    assert services.hub.failures == services.sockets.failures == 0
    await eventually(lambda: not {one.get_name() for one in asyncio.all_tasks()} & {"push", "push-receive"})


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LINGER_SECONDS", -1.0)
    monkeypatch.setattr(hub, "SWEEP_SECONDS", -1.0)
    monkeypatch.setattr(hub, "CATCH_UP_SECONDS", 0.0)


FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@given(st.lists(MESSAGES, max_size=40))
@settings(FUZZ, max_examples=60)
def test_any_message_gets_an_answer_that_names_what_is_wrong_or_what_was_asked_for(messages: list[str | bytes]) -> None:
    asyncio.run(_told(messages))


async def _told(messages: list[str | bytes]) -> None:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(task("1"))
    app = create_app(Settings(), store, CLOCK)
    async with app.test_app():
        async with app.test_client().websocket("/api/ws") as socket:
            assert json.loads(await socket.receive())["event"] == "connected"
            for message in messages:
                await socket.send(message)
            await socket.send(json.dumps({"event": "no such thing"}))
            async with asyncio.timeout(10):
                while not _is_last(json.loads(await socket.receive())):
                    pass
        await nothing_is_left(app)


def _is_last(message: dict[str, Any]) -> bool:
    """Whether it answers the last message; every other one is of the protocol, too."""
    event, data = message["event"], message["data"]
    assert event in ("error", "joined_room", "task_updates")
    if event == "error":
        assert data["type"].startswith(PROBLEM_TYPE)
        assert data["detail"]
    return event == "error" and "no such thing" in data["detail"]


@given(st.lists(st.tuples(st.booleans(), st.lists(FRAMES, max_size=6)), min_size=1, max_size=4))
@settings(FUZZ, max_examples=60)
def test_any_bytes_end_in_answers_or_a_clean_close(caplog: pytest.LogCaptureFixture, connections: list[Any]) -> None:
    caplog.clear()
    asyncio.run(_fed(connections))
    wrong = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not wrong, [record.getMessage() for record in wrong]


async def _fed(connections: list[Any]) -> None:
    async with ready() as (app, port):
        await asyncio.gather(*(_feed(port, shaken, frames) for shaken, frames in connections))
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
        await nothing_is_left(app)


async def _feed(port: int, shaken: bool, frames: list[bytes]) -> None:  # noqa: FBT001 - drawn
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if shaken:
            writer.write(HANDSHAKE)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        for frame in frames:
            writer.write(frame)
            await asyncio.sleep(0)
        writer.write(masked(8, b"\x03\xe8"))
        writer.write_eof()
        async with asyncio.timeout(20):
            while await reader.read(65_536):
                pass
    except OSError:
        pass  # closed while something was still on its way there
    finally:
        writer.close()


async def test_frames_that_come_with_the_request_are_not_lost() -> None:
    async with ready() as (app, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE + masked(1, b'{"event": "join_task_monitoring"}'))
        async with asyncio.timeout(10):
            await reader.readuntil(b'"snapshot"')
        writer.close()
        await nothing_is_left(app)


async def test_many_sockets_at_once_are_all_opened() -> None:
    async def opened(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE)
        async with asyncio.timeout(30):
            await reader.readuntil(b'"connected"')
        writer.close()

    async with ready() as (app, port):
        await asyncio.gather(*(opened(port) for _ in range(50)))
        await nothing_is_left(app)


async def test_connections_that_break_off_anywhere_leave_nothing() -> None:
    async with ready() as (app, port):
        for end in range(0, len(HANDSHAKE), 20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HANDSHAKE[:end])
            writer.transport.abort()
        for sent in (HANDSHAKE, HANDSHAKE + masked(1, b'{"event": "join_task_monitoring"}')):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
        await nothing_is_left(app)

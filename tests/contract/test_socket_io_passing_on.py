"""What a replica does with requests of another one's sessions, when that one is there, is not, or is somebody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.api import Writing, served, task
from support.servers import free_port
from support.socketio_raw import raw
from support.spans import Telemetry
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.socket_io import forwarding
from taskscope_api.socket_io.mounted import SocketIo
from taskscope_shared.clock import SystemClock
from taskscope_shared.providers import Providers
from taskscope_shared.settings import Api, Settings
from taskscope_shared.testing import MemoryReplicas, MemoryStore
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

CLOCK = SystemClock()
STRANGER = "0123456789abcdef"


class Replica:
    def __init__(self, socket_io: SocketIo, port: int) -> None:
        self.socket_io, self.port = socket_io, port

    @property
    def counts(self) -> forwarding.Counts:
        return self.socket_io.forwarding.counts


@asynccontextmanager
async def replica(store: MemoryStore, replicas: MemoryReplicas, providers: Providers | None = None) -> AsyncIterator[Replica]:
    settings = Settings(api=Api(advertise="http://127.0.0.1:1"))
    app = create_app(settings, store, CLOCK, replicas=replicas, providers=providers)
    async with served(app) as port:
        made = Replica(app.extensions["taskscope_socket_io"], port)
        made.socket_io.neighbours._url = f"http://127.0.0.1:{port}"  # known only now
        await made.socket_io.neighbours._announce(replicas, f"http://127.0.0.1:{port}")
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield made


class Two:
    def __init__(self, replicas: MemoryReplicas, here: Replica, there: Replica) -> None:
        self.replicas, self.here, self.there = replicas, here, there


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    store, replicas = MemoryStore(CLOCK), MemoryReplicas(CLOCK)
    await (await Writing(store, CLOCK).begin()).write(task("a"))
    async with replica(store, replicas) as here, replica(store, replicas) as there:
        yield Two(replicas, here, there)


async def test_a_request_that_is_passed_on_is_one_trace_over_both_replicas() -> None:
    store, replicas, here_told, there_told = MemoryStore(CLOCK), MemoryReplicas(CLOCK), Telemetry(), Telemetry()
    await Writing(store, CLOCK).begin()
    async with replica(store, replicas, here_told.providers) as here, replica(store, replicas, there_told.providers) as there:
        async with raw(there.port) as owner, raw(here.port) as visitor:
            await owner.connect()
            visitor.sid = owner.sid
            await visitor.emit("join_task_monitoring")
            await visitor.until("task_updates")
        assert here.counts.requests >= 2

        def passed_on() -> bool:
            parents = {span.get_span_context().span_id for span in here_told.spans.ended}  # type: ignore[union-attr]
            children = [span for span in there_told.spans.named("POST /socket.io/") if span.parent is not None]
            return any(span.parent is not None and span.parent.span_id in parents for span in children)

        await eventually(passed_on, what="a span there whose parent is one here")
        (joined,) = there_told.spans.named("join_task_monitoring")
        assert joined.parent is not None, "a message is part of the request that brought it"


def socket(port: int, session: str) -> connect:
    return connect(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket&sid={session}", compression=None, max_size=None)


async def test_polls_and_posts_reach_their_session_on_the_other_replica(two: Two) -> None:
    async with raw(two.there.port) as owner, raw(two.here.port) as visitor:
        await owner.connect()
        visitor.sid = owner.sid
        await visitor.emit("join_task_monitoring")
        updates = await visitor.until("task_updates")
        assert [row["id"] for row in updates.data["tasks"]] == ["a"]
        assert two.here.counts.requests >= 2
        assert two.there.counts.requests == 0


async def test_an_upgrade_reaches_its_session_on_the_other_replica_and_ends_with_it(two: Two) -> None:
    async with raw(two.there.port) as owner:
        await owner.connect()
        async with socket(two.here.port, owner.sid) as pipe:
            await pipe.send("2probe")
            assert await pipe.recv() == "3probe"
            await pipe.send("5")
            await pipe.send('421["request_task_updates"]')
            packets = [packet async for packet in _until(pipe, "43")]
            assert [packet[:18] for packet in packets] == ["6", '42["task_updates",', '431[{"status":"sen']
            await two.there.socket_io.clients.server.eio.end(owner.sid)
            with pytest.raises(ConnectionClosed):
                await _to_the_end(pipe)
        assert two.here.counts.sockets == 1
        assert owner.sid not in two.there.socket_io.clients.sessions.by_id


async def test_a_client_that_leaves_a_pipe_ends_its_session(two: Two) -> None:
    async with raw(two.there.port) as owner:
        await owner.connect()
        async with socket(two.here.port, owner.sid) as pipe:
            await pipe.send("2probe")
            await pipe.recv()
            await pipe.send("5")
        await eventually(lambda: not two.there.socket_io.clients.sessions.by_id)


async def test_a_client_that_leaves_a_poll_on_another_replica_ends_its_session(two: Two) -> None:
    async with raw(two.there.port) as owner, raw(two.here.port) as visitor:
        await owner.connect()
        session = two.there.socket_io.clients.sessions.by_id[owner.sid]
        polling = asyncio.create_task(visitor.ask(sid=owner.sid))
        await eventually(lambda: session.is_polling)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await eventually(lambda: not two.there.socket_io.clients.sessions.by_id)


async def test_a_replica_that_does_not_answer_any_more_makes_the_session_unknown(two: Two) -> None:
    await two.replicas.announce(STRANGER, f"http://127.0.0.1:{free_port()}")
    async with raw(two.here.port) as visitor:
        answer = await visitor.ask(sid=f"{STRANGER}.x")
        assert (answer.status_code, answer.json()) == (400, {"code": 1, "message": "Unknown session"})
        with pytest.raises(InvalidStatus) as caught:
            await socket(two.here.port, f"{STRANGER}.x")
        assert caught.value.response.status_code == 400
    assert two.here.counts.failed == 2


async def test_a_replica_that_is_another_process_by_now_is_asked_once_and_passes_nothing_on(two: Two) -> None:
    await two.replicas.announce(STRANGER, f"http://127.0.0.1:{two.there.port}")
    async with raw(two.here.port) as visitor:
        assert (await visitor.ask(sid=f"{STRANGER}.x")).json()["code"] == 1
    assert (two.here.counts.requests, two.there.counts.requests) == (1, 0)


async def test_a_url_that_leads_back_here_ends_after_one_round(two: Two) -> None:
    await two.replicas.announce(STRANGER, f"http://127.0.0.1:{two.here.port}")
    async with raw(two.here.port) as visitor:
        assert (await visitor.ask(sid=f"{STRANGER}.x")).json()["code"] == 1
    assert two.here.counts.requests == 1


async def test_one_request_too_many_is_told_to_come_back(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "MAX_REQUESTS", 0)
    monkeypatch.setattr(forwarding, "MAX_SOCKETS", 0)
    async with raw(two.there.port) as owner, raw(two.here.port) as visitor:
        await owner.connect()
        answer = await visitor.ask(sid=owner.sid)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:taskscope:problem:too-many-connections")
        with pytest.raises(InvalidStatus) as caught:
            await socket(two.here.port, owner.sid)
        assert caught.value.response.status_code == 503
    assert two.here.counts.refused == 2


async def test_a_large_message_is_refused_before_it_is_passed_on(two: Two) -> None:
    async with raw(two.there.port) as owner, raw(two.here.port) as visitor:
        await owner.connect()
        visitor.sid = owner.sid
        assert (await visitor.send("4" * 70_000)).status_code == 413
    assert two.here.counts.requests == 0


async def _until(pipe: ClientConnection, kind: str) -> AsyncIterator[str]:
    async with asyncio.timeout(15):
        while True:
            packet = str(await pipe.recv())
            yield packet
            if packet.startswith(kind):
                return


async def _to_the_end(pipe: ClientConnection) -> None:
    async with asyncio.timeout(15):
        while True:
            await pipe.recv()

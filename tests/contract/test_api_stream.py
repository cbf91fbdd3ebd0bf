"""`GET /api/stream`, read by real curl from a real server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from quart import Quart
from support.access import Seeing
from support.api import Writing, served, task
from support.curl import Event, curl
from support.waiting import eventually
from taskscope_api import streams
from taskscope_api.app import create_app
from taskscope_api.principals import Principal
from taskscope_api.streams import SharedEvents, event_of
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, State, Worker, WorkerState
from taskscope_shared.settings import Push, Settings
from taskscope_shared.testing import MemoryStore

CLOCK = SystemClock()


class Api:
    def __init__(self, app: Quart, port: int, writing: Writing) -> None:
        self.app, self.port, self.writing = app, port, writing
        self.services = app.extensions["taskscope"]

    def url(self, **query: Any) -> str:
        return f"http://127.0.0.1:{self.port}/api/stream?{urlencode(query, doseq=True)}"


class Ending(Seeing):
    """Who asks is known until `ended`."""

    ended = False

    def holds(self, principal: Principal) -> bool:  # noqa: ARG002 - the protocol's
        return not self.ended


@pytest.fixture
def access() -> Ending:
    return Ending("s")


@pytest.fixture
async def api(access: Ending) -> AsyncIterator[Api]:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(5)))
    await (await Writing(store, CLOCK, "hidden").begin()).write(task("secret"))
    app = create_app(Settings(), store, CLOCK, access=access)
    async with served(app) as port:
        await eventually(lambda: app.extensions["taskscope"].live.replicas.keys() == {"s", "hidden"})
        yield Api(app, port, writing)


async def filled(api: Api, condition: Callable[[], bool]) -> None:
    """Write large tasks, a round of pushing after the other, until the condition holds."""
    big, seen = "x" * 150, 0
    while not condition():
        seen += 1
        rounds = api.services.hub.rounds
        await api.writing.write(*(task(str(n), args=big, kwargs=big, result=big, updated_at=1e9 + seen) for n in range(300)))
        await eventually(partial(_pushed_since, api, rounds))


def _pushed_since(api: Api, rounds: int) -> bool:
    return bool(api.services.hub.rounds > rounds)


def is_update(told: Event) -> bool:
    return told.name == "task_updates"


async def test_a_stream_begins_with_connected_and_a_snapshot_whose_id_is_its_position(api: Api) -> None:
    async with curl(api.url()) as reading:
        assert (reading.status, reading.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        first = await reading.event()
        assert (first.name, first.data["status"], first.id, reading.retry) == ("connected", "connected", None, 2000)
        second = await reading.event()
        assert (second.name, second.data["kind"], second.id) == ("task_updates", "snapshot", second.data["position"])
        assert [row["id"] for row in second.data["tasks"]] == ["4", "3", "2", "1", "0"], "of this scope alone"


async def test_changes_follow_as_deltas(api: Api) -> None:
    async with curl(api.url(limit=3)) as reading:
        await reading.until(is_update)
        await api.writing.write(task("2", state=State.SUCCEEDED, updated_at=2e9), task("9", updated_at=1.5e9))
        told = await reading.until(lambda told: is_update(told) and told.data["upsert"])
        assert told.data["kind"] == "delta"
        assert told.id == told.data["position"]
        assert set(reading.window.tasks) == {"s/2", "s/9", "s/4"}
        await api.writing.write(workers=[Worker("w", "s", Engine.CELERY, WorkerState.ONLINE)])
        await reading.until(lambda _: "s/w" in reading.window.workers)


async def test_filter_sort_limit_and_fields_are_those_of_lists(api: Api) -> None:
    await api.writing.write(task("x", state=State.FAILED, name="archive.cut"), task("y", state=State.LOST, name="other"))
    await eventually(lambda: "y" in api.services.live.replicas["s"].tasks)
    async with curl(api.url(state="failed,lost", name="archive.*", sort="name", limit=7, fields="state,name")) as reading:
        await reading.until(is_update)
        (row,) = reading.window.tasks.values()
        assert (set(row), row["key"]) == ({"key", "version", "state", "name"}, "s/x")


async def test_nothing_keeps_delays_or_compresses_a_stream(api: Api) -> None:
    async with curl(api.url(), "-H", "Accept-Encoding: gzip") as reading:
        assert reading.headers["cache-control"] == "no-store"
        assert reading.headers["x-accel-buffering"] == "no"
        assert not {"content-encoding", "etag", "content-length"} & set(reading.headers)
        await reading.until(is_update)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"stat": "failed"}, "stat"),
        ({"state": "fail"}, "state"),
        ({"sort": "nothing"}, "sort"),
        ({"limit": 501}, "limit"),
        ({"limit": 0}, "limit"),
        ({"fields": "nothing"}, "fields"),
        ({"q": "x" * 201}, "q"),
        ({"updated_from": "yesterday"}, "updated_from"),
        ({"since": ["a", "b"]}, "since"),
        ({"cursor": "a"}, "cursor"),
    ],
    ids=str,
)
async def test_a_wrong_parameter_is_a_problem_that_names_it(api: Api, query: dict[str, Any], field: str) -> None:
    for options in ((), ("-X", "GET", "-H", "Accept: text/event-stream")):
        async with curl(api.url(**query), *options) as reading:
            assert (reading.status, reading.headers["content-type"]) == (400, "application/problem+json")
            assert (await reading.body())["field"] == field
    assert api.services.sockets.open == 0


@pytest.mark.parametrize("token", ["garbage", "AAAA", "x" * 9000])
async def test_what_is_no_token_is_named_and_a_snapshot_follows(api: Api, token: str) -> None:
    async with curl(api.url(), "-H", f"Last-Event-ID: {token}") as reading:
        told = await reading.until(lambda told: told.name == "error")
        assert (told.data["field"], told.data["type"]) == ("since", "urn:taskscope:problem:invalid-token")
        await reading.until(is_update)
        assert (reading.window.kinds, len(reading.window.tasks)) == (["snapshot"], 5)


@pytest.mark.parametrize("how", ["header", "parameter", "both"])
async def test_a_reader_that_comes_back_goes_on_where_it_was(api: Api, how: str) -> None:
    async with curl(api.url()) as reading:
        await reading.until(is_update)
    held, token = reading.window, reading.last_id or ""
    await api.writing.write(task("0", updated_at=1.1e9), task("new"), removed=["1"])
    await eventually(lambda: "1" not in api.services.live.replicas["s"].tasks)
    query = {"header": {}, "parameter": {"since": token}, "both": {"since": "old"}}[how]
    async with curl(api.url(**query), *(() if how == "parameter" else ("-H", f"Last-Event-ID: {token}"))) as reading:
        reading.window = held
        await reading.until(is_update)
        assert held.kinds == ["snapshot", "delta"]
        assert set(held.tasks) == {"s/0", "s/2", "s/3", "s/4", "s/new"}
        assert held.tasks["s/0"]["updated_at"] == "2004-11-09T11:33:20.000Z"


async def test_head_says_what_get_would_and_ends(api: Api) -> None:
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.head(api.url())
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert (await client.head(api.url(limit=0))).status_code == 400
    assert api.services.sockets.open == 0


async def test_a_reader_that_leaves_leaves_nothing_behind(api: Api) -> None:
    async with curl(api.url()) as reading:
        await reading.until(is_update)
        assert (api.services.sockets.open, api.services.hub.clients) == (1, 1)
    await eventually(lambda: (api.services.sockets.open, api.services.hub.clients) == (0, 0))


async def test_a_slow_reader_is_told_to_resync_and_its_stream_ends(api: Api) -> None:
    async with curl(api.url(limit=500)) as slow, curl(api.url(limit=500)) as quick:
        await slow.until(is_update)
        os.kill(slow.process.pid, signal.SIGSTOP)
        reading = asyncio.create_task(quick.until(lambda told: is_update(told) and told.data["at"] is None, seconds=60))
        await filled(api, lambda: api.services.hub.clients == 1)
        os.kill(slow.process.pid, signal.SIGCONT)
        await slow.until(lambda told: told.name == "resync", seconds=20)
        with pytest.raises(EOFError):
            await slow.event()
        assert await slow.process.wait() == 0, "it ended as it should"
        assert not reading.done(), "nobody else was cut"
        reading.cancel()
    token = slow.last_id or ""
    async with curl(api.url(limit=500), "-H", f"Last-Event-ID: {token}") as again:
        again.window = slow.window
        await again.until(is_update)
        assert {row["id"] for row in again.window.tasks.values()} == set(api.services.live.replicas["s"].tasks)


async def test_a_reader_that_stands_still_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services.streams, "_stall_seconds", 0.5)
    async with curl(api.url(limit=500)) as reading:
        await reading.until(is_update)
        os.kill(reading.process.pid, signal.SIGSTOP)
        await filled(api, lambda: api.services.sockets.open == 0)
        assert api.services.streams.stalled == 1
        os.kill(reading.process.pid, signal.SIGCONT)


async def test_a_stream_ends_when_its_readers_rights_do(api: Api, access: Ending) -> None:
    async with curl(api.url()) as reading:
        await reading.until(is_update)
        access.ended = True
        told = await reading.until(lambda told: told.name == "error", seconds=5)
        assert told.data["type"] == "urn:taskscope:problem:rights-ended"
        with pytest.raises(EOFError):
            await reading.event()
    assert api.services.hub.clients == 0


async def test_silence_is_broken_by_comments(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services.streams, "_keep_alive_seconds", 0.1)
    async with curl(api.url()) as reading:
        await reading.until(is_update)
        await reading.until(is_update)
        assert reading.comments


async def test_one_address_and_the_process_have_so_many_streams_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with curl(api.url()) as reading:
        await reading.until(is_update)
        for limit, status in (("connections_per_address", 429), ("connections", 503)):
            with monkeypatch.context() as changed:
                changed.setattr(api.services.sockets, "_limits", Push.model_validate({limit: 1}))
                async with curl(api.url()) as refused:
                    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (status, True)
                    assert (await refused.body())["type"] == "urn:taskscope:problem:too-many-connections"
        async with curl(api.url()) as another:
            await another.until(is_update)
            assert api.services.sockets.open == 2


async def test_nobody_unknown_gets_a_stream() -> None:
    app = create_app(Settings(), MemoryStore(CLOCK), CLOCK, access=Seeing("s", named=True))
    async with served(app) as port:
        url = f"http://127.0.0.1:{port}/api/stream"
        async with curl(url) as refused:
            assert refused.status == 401
        async with curl(url, "-H", "Authorization: ada") as reading:
            await reading.until(is_update)


def test_a_frame_that_many_streams_get_is_taken_apart_once_and_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedEvents()
    frame = '{"event":"resync","data":{"reason":"x"}}'
    assert shared.of(frame)[1] is shared.of(frame)[1]
    monkeypatch.setattr(streams, "MAX_SHARED", len(frame))
    for number in range(3):
        shared.of(frame.replace("x", str(number)))
    assert len(shared._made) == 1


def test_an_event_is_one_line_of_data_whatever_the_frame_holds() -> None:
    name, text = event_of(
        '{"event":"task_updates","data":{"kind":"delta","position":"p","upsert":[{"args":"a\\nb\\r\\n\\n: c"}]}}'
    )
    assert (name, text.count(b"\n"), text.endswith(b"\n\n")) == ("task_updates", 4, True)
    assert event_of('{"event":"resync","data":{"position":"p"}}')[1] == b'event: resync\ndata: {"position":"p"}\n\n'

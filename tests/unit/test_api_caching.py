"""Conditional requests and compression."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart, Response
from quart.typing import TestClientProtocol as Requests
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api import compression, conditional
from taskscope_api.app import create_app
from taskscope_api.filters import Matcher
from taskscope_api.kept import FRESH_SECONDS, MAX_ANSWERS
from taskscope_api.live_view import LiveView
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import State
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

LISTS = [
    "/api/tasks?limit=500", "/api/tasks/realtime", "/api/tasks/facets", "/api/tasks/analytics/failures", "/api/tasks/7",
    "/api/celery/tasks", "/api/rq/jobs", "/api/celery/workers", "/api/workers", "/api/queues", "/api/kinds", "/openapi.json",
]  # fmt: skip
MOMENTS = ["/api/health", "/livez", "/readyz"]


class Site:
    """The app with a collector that writes into its store."""

    def __init__(self, app: Quart, writing: Writing, clock: ManualClock) -> None:
        self.app, self.writing, self.clock = app, writing, clock
        self.client: Requests = app.test_client()

    async def write(self, *tasks: Any) -> None:
        await self.writing.write(*tasks)
        replicas = self.app.extensions["taskscope"].live.replicas
        await eventually(lambda: replicas["s"].position == self.writing.position)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    clock = ManualClock()
    store = MemoryStore(clock)
    writing = await Writing(store, clock).begin()
    await writing.write(*(task(str(number), updated_at=START + number) for number in range(40)))
    app = create_app(Settings(), store, clock)
    async with app.test_app():
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield Site(app, writing, clock)


@pytest.mark.parametrize("path", LISTS)
async def test_what_did_not_change_is_not_sent_again(site: Site, path: str) -> None:
    first = await site.client.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    site.clock.advance(3)  # `at` alone is no change
    again = await site.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, await again.get_data()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert "Accept-Encoding" in again.headers["Vary"]
    assert again.headers["X-Request-Id"]
    head = await site.client.head(path, headers={"If-None-Match": first.headers["ETag"]})
    assert head.status_code == 304


async def test_a_list_that_changed_is_sent_and_one_that_the_change_is_not_in_is_not(site: Site) -> None:
    all_, failed = [(await site.client.get(path)).headers["ETag"] for path in ("/api/tasks", "/api/tasks?state=failed")]
    await site.write(task("7", updated_at=START + 99, state=State.SUCCEEDED))
    assert (await site.client.get("/api/tasks", headers={"If-None-Match": all_})).status_code == 200
    assert (await site.client.get("/api/tasks?state=failed", headers={"If-None-Match": failed})).status_code == 304


@pytest.mark.parametrize("path", MOMENTS)
async def test_the_state_of_a_moment_is_not_kept(site: Site, path: str) -> None:
    response = await site.client.get(path, headers={"If-None-Match": "*"})
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    ("header", "held"),
    [
        (None, False),
        ("*", True),
        (' W/"abc" ', True),
        ('"abc"', True),
        ('"x", W/"abc"', True),
        ('W/"abcd"', False),
        ("abc", False),
        ("", False),
        (",".join(['"x"'] * 100), False),
    ],
)
def test_tags_are_compared_weakly(header: str | None, *, held: bool) -> None:
    assert conditional.holds(header, 'W/"abc"') is held


@pytest.mark.parametrize(
    ("header", "gzip"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("br, zstd", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.5, identity", False),
        ("identity;q=0.5, gzip;q=0.8", True),
        ("gzip;q=2", False),
        ("gzip;q=high", False),
        ("gzip ; q=0.1", True),
    ],
)
def test_accept_encoding_is_honoured_with_its_weights(header: str | None, *, gzip: bool) -> None:
    assert compression.wanted(header) is gzip


async def test_a_large_answer_is_compressed_for_those_who_take_it_and_a_small_one_is_not(site: Site) -> None:
    plain = await site.client.get("/api/tasks?limit=500")
    packed = await site.client.get("/api/tasks?limit=500", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    body, sent = await plain.get_data(as_text=False), await packed.get_data(as_text=False)
    assert int(packed.headers["Content-Length"]) == len(sent) < len(body) / 5
    assert gzip.decompress(sent) == body
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert packed.headers["Vary"] == plain.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    small = await site.client.get("/api/workers", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


async def test_a_stream_is_compressed_as_it_comes_and_a_thread_takes_what_is_huge() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(100):
            yield b"%d," % number * 1000

    streamed = Response(chunks(), content_type="text/csv")
    whole = Response(b"ab" * compression.INLINE_BYTES, content_type="application/json")
    for response in (streamed, whole):
        await compression.compress(response)
        assert response.headers["Content-Encoding"] == "gzip"
    parts = []
    async with streamed.response as body:
        async for part in body:
            parts.append(part)  # noqa: PERF401 - what it takes is the same
    assert gzip.decompress(b"".join(parts)) == b"".join([b"%d," % number * 1000 for number in range(100)])
    assert gzip.decompress(await whole.get_data(as_text=False)) == b"ab" * compression.INLINE_BYTES


def test_what_has_a_coding_and_what_is_no_text_is_left_alone() -> None:
    assert not compression.applies(Response(b"x", content_type="image/png"))
    assert not compression.applies(Response(b"x", content_type="text/csv", headers={"Content-Encoding": "br"}))
    assert compression.applies(Response(b"x", content_type="text/csv; charset=utf-8; header=present"))


@pytest.fixture
def builds(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each summary that was counted, so for each realtime body that was made."""
    live = site.app.extensions["taskscope"].live
    made: list[int] = []

    def counted(matcher: Matcher) -> Any:
        made.append(1)
        return LiveView.summary(live, matcher)

    monkeypatch.setattr(live, "summary", counted)
    return made


async def test_the_realtime_body_is_made_once_while_nothing_changes_and_again_after_a_change(
    site: Site, builds: list[int]
) -> None:
    bodies = {await (await site.client.get("/api/tasks/realtime")).get_data() for _ in range(5)}
    assert (len(bodies), len(builds)) == (1, 1)
    await site.write(task("new", updated_at=START + 99))
    await eventually(lambda: _shows(site, "new"))
    assert len(builds) == 2


async def _shows(site: Site, id_: str) -> bool:
    body = await (await site.client.get("/api/tasks/realtime")).get_json()
    return id_ in [one["id"] for one in body["tasks"]]


async def test_a_flood_of_changes_makes_it_no_more_often_than_is_worth_looking_at(site: Site, builds: list[int]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(100):
        await site.write(task("new", updated_at=START + number))
        await site.client.get("/api/tasks/realtime")
    assert len(builds) <= 1 + (loop.time() - began) / FRESH_SECONDS


async def test_what_is_kept_is_of_a_query_and_a_scope(site: Site, builds: list[int]) -> None:
    for path in ("/api/tasks/realtime", "/api/tasks/realtime?source=s", "/api/tasks/realtime?source=t"):
        assert (await site.client.get(path)).status_code == 200
    assert len(builds) == 3
    assert (await site.client.get("/api/tasks/realtime?sauce=s")).status_code == 400
    assert (await site.client.get("/api/tasks/realtime?sauce=s")).status_code == 400


async def test_a_kept_body_is_compressed_like_any_other(site: Site) -> None:
    plain = await site.client.get("/api/tasks/realtime")
    for _ in range(2):
        packed = await site.client.get("/api/tasks/realtime", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["ETag"] == plain.headers["ETag"]
        assert gzip.decompress(await packed.get_data(as_text=False)) == await plain.get_data()


async def test_kept_bodies_are_bounded(site: Site) -> None:
    for number in range(MAX_ANSWERS + 10):
        await site.client.get(f"/api/tasks/realtime?kind=k{number}")
    assert (await site.client.get("/api/tasks/realtime?kind=k0")).status_code == 200


async def test_staleness_is_told_at_once_by_a_body_that_was_kept(site: Site) -> None:
    live = site.app.extensions["taskscope"].live
    for lost in (False, True, False):
        live.mark_store(lost=lost)
        assert (await (await site.client.get("/api/tasks/realtime")).get_json())["stale"] is lost


async def test_an_export_is_compressed_as_it_streams(site: Site) -> None:
    plain = await site.client.get("/api/tasks?format=csv")
    packed = await site.client.get("/api/tasks?format=csv", headers={"Accept-Encoding": "gzip"})
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept, Accept-Encoding")
    assert "ETag" not in packed.headers
    assert gzip.decompress(await packed.get_data(as_text=False)) == await plain.get_data(as_text=False)

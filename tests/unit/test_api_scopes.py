"""Whoever may see one source learns nothing of another: every answer is, to the byte, that of an api which has one alone."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from quart import Quart
from quart_schema.validation import QUART_SCHEMA_QUERYSTRING_ATTRIBUTE
from support.access import Seeing
from support.api import START, task
from support.ledger import Ledger
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.filters import Filter
from taskscope_api.hub import Client
from taskscope_api.principals import ROLE_ATTRIBUTE, Role
from taskscope_api.subscriptions import Join, subscription
from taskscope_shared import requests
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Attempt, Engine, Queue, State, Task, Worker, WorkerState
from taskscope_shared.requests import Place
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore
from werkzeug.datastructures import Headers

NOW = START + 900.0
FOREIGN = "t"
STREAM = "/api/stream"
LIFELESS = {"web.", "documentation.viewer", "documentation.part"}
"""Files, which hold no task."""

MOMENTS = ("sent", "received", "started", "finished", "eta", "expires", "updated")
QUERIES: dict[str, list[str]] = {
    "source": ["t", "s,t", "s", "nowhere"],
    "name": ["theirs.secret", "*secret*", "archive.encode", "t", "*"],
    "queue": ["their-queue", "shared-queue"],
    "worker": ["their-worker", "shared-worker"],
    "kind": ["their-kind", "vod"],
    "exception_type": ["TheirError", "ValueError"],
    "root": ["their-root", "shared-root"],
    "parent": ["shared-root"],
    "group_id": ["shared-group"],
    "q": ["zanzibar", "shared"],
    "state": ["failed", "online", "running"],
    "group": ["finished"],
    "engine": ["celery", "rq"],
    "status": ["up"],
    "sort": ["-updated_at", "name", "key", "configured"],
    "limit": ["1", "3"],
    "offset": ["0", "1", "9", "1000"],
    "key": ["s/mine", "t/theirs", "t/theirs,s/mine", "nowhere/mine"],
    "fields": ["id,source,state"],
    "format": ["csv", "ndjson"],
    "runtime_min": ["0"],
    "runtime_max": ["1000"],
    "wait_min": ["0"],
    "wait_max": ["1000"],
    "window": ["1h", "24h"],
    "bucket": ["5m"],
    "group_by": ["name", "kind", "queue", "worker", "source"],
    "series": ["3"],
    "groups": ["0", "1", "50"],
    "compare": ["true", "previous"],
    "table": ["groups", "series"],
    "until": ["2023-11-14T22:28:20Z"],
    **{f"{moment}_from": ["2023-11-14T00:00:00Z"] for moment in MOMENTS},
    **{f"{moment}_to": ["2023-11-15T00:00:00Z"] for moment in MOMENTS},
    "cursor": [],
    "since": ["kwGQwA", "nonsense"],
}
"""What each parameter is asked with; `cursor` is walked by a test of its own."""
PATHS = {
    "task_id": ["mine", "shared", "theirs", "shared-root", "their-root", "nowhere"],
    "source": ["s", "t", "nowhere"],
    "name": ["shared-worker", "my-worker", "their-worker"],
}


class Anybody:
    """A collector that answers whoever asks, and remembers of which source it was asked."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    async def ask(self, source: str, kind: str, arguments: msgspec.Struct, seconds: float) -> bytes:
        assert arguments is not None
        assert seconds > 0
        self.asked.add(source)
        return requests.encode(Place(1, 0, 1, None)) if kind == requests.PLACE else b"\xc1"

    async def close(self) -> None:
        pass


def _of(id_: str, **fields: Any) -> Task:
    known: dict[str, Any] = {"kind": "vod", "queue": "shared-queue", "worker": "shared-worker"}
    return task(id_, **{**known, **fields})


def _mine() -> list[Task]:
    ended = {"state": State.SUCCEEDED, "finished_at": NOW - 60, "runtime_seconds": 2.0, "wait_seconds": 0.5}
    failed = {"state": State.FAILED, "exception_type": "ValueError", "exception": "shared text", "finished_at": NOW - 90}
    return [
        _of("shared-root", **ended),
        _of("shared", parent_id="shared-root", root_id="shared-root", group_id="shared-group", **ended),
        _of("mine", root_id="shared-root", state=State.QUEUED),
        _of("running", args="('shared',)"),
        _of("failed", **failed),
        *[_of(f"more-{number}", updated_at=START + number, **ended) for number in range(5)],
    ]


def _theirs() -> list[Task]:
    ended = {"state": State.SUCCEEDED, "finished_at": NOW - 50, "runtime_seconds": 20.0, "wait_seconds": 5.0}
    failed = {"state": State.FAILED, "exception_type": "TheirError", "exception": "zanzibar", "finished_at": NOW - 40}
    history = (Attempt(1, State.RETRYING, finished_at=NOW - 70, runtime_seconds=1.0),)
    own = {"name": "theirs.secret", "kind": "their-kind", "queue": "their-queue", "worker": "their-worker"}
    return [
        _of("shared-root", **ended),
        _of("shared", parent_id="shared-root", root_id="shared-root", group_id="shared-group", **failed),
        _of("child", parent_id="shared-root", root_id="shared-root", group_id="shared-group"),
        _of("theirs", root_id="shared-root", state=State.QUEUED, **own),
        _of("their-root", args="('zanzibar',)", **own),
        *[_of(f"t-{number}", updated_at=START + 100 + number, **{**ended, **own}) for number in range(9)],
        _of("retried", history=history, attempts=2, **{**failed, **own}),
    ]


def _workers(source: str, *names: str) -> list[Worker]:
    return [Worker(name, source, Engine.CELERY, WorkerState.ONLINE, heartbeat_at=NOW) for name in names]


def _queues(source: str, *names: str) -> list[Queue]:
    depths = tuple(range(15)) if source == "s" else (900, 7)
    return [Queue(name, source, Engine.CELERY, depth=7, depths=depths, depths_at=NOW // 60 * 60) for name in names]


class Site:
    """An api over these sources, asked by whoever may see `s` alone."""

    def __init__(self, sources: tuple[str, ...], pages: Path) -> None:
        self.clock = ManualClock(NOW)
        self.store = MemoryStore(self.clock)
        self.ledgers = {name: Ledger(self.store, self.clock, name) for name in sources}
        self.asker = Anybody()
        self.app: Quart = create_app(Settings(), self.store, self.clock, web_root=pages, access=Seeing("s"), asker=self.asker)

    async def fill(self) -> None:
        """What is known of `s` first, so that the other one changes nothing of it."""
        mine = self.ledgers["s"]
        await mine.begin()
        await mine.write(*_mine(), workers=_workers("s", "shared-worker", "my-worker"), queues=_queues("s", "shared-queue"))
        if theirs := self.ledgers.get(FOREIGN):
            await theirs.begin()
            workers, queues = _workers("t", "shared-worker", "their-worker"), _queues("t", "shared-queue", "their-queue")
            await theirs.write(*_theirs(), workers=workers, queues=queues)

    async def ready(self) -> None:
        services = self.app.extensions["taskscope"]
        wanted = {"s": 10} | ({"t": 15} if FOREIGN in self.ledgers else {})
        await eventually(lambda: {n: len(r.tasks) for n, r in services.live.replicas.items()} == wanted, what="all is read")
        if FOREIGN in self.ledgers:
            services.live.mark(FOREIGN, "its collector has not been heard of for some seconds")

    async def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith(STREAM):
            return await self._beginning(path)
        response = await self.app.test_client().get(path, headers={"X-Request-Id": "the-same"})
        headers = {name: value for name, value in response.headers.items() if name != "Date"}
        return response.status_code, headers, await response.get_data()  # type: ignore[return-value]

    async def _beginning(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Of a stream, up to its first window; a refusal whole."""
        body = b""
        opened: Any = self.app.test_client().request(path, headers=Headers({"X-Request-Id": "the-same"}))
        async with opened as connection:
            await connection.send_complete()
            while (connection.status_code or 200) == 200 and not (b"event: task_updates" in body and body.endswith(b"\n\n")):
                body += await connection.receive()
            await connection.disconnect()
        headers = {name: value for name, value in (connection.headers or {}).items() if name != "Date"}
        return connection.status_code or 0, headers, body + bytes(connection.response_data)


@pytest.fixture
async def sites(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[tuple[Site, Site]]:
    """One with both sources, and one with `s` alone."""
    monkeypatch.setattr("taskscope_shared.testing.secrets.token_hex", lambda count=16: "5" * 2 * count)  # incarnations
    async with _running(Site(("s", "t"), tmp_path)) as both, _running(Site(("s",), tmp_path)) as one:
        yield both, one


@asynccontextmanager
async def _running(site: Site) -> AsyncIterator[Site]:
    await site.fill()
    async with site.app.test_app():
        await site.ready()
        yield site


def paths(app: Quart) -> Iterator[str]:
    """Every GET route, with every value of its path's parameters."""
    for rule in app.url_map.iter_rules():
        if not rule.websocket and "GET" in (rule.methods or ()) and not rule.endpoint.startswith(tuple(LIFELESS)):
            yield from _filled(rule.rule, rule.endpoint.partition(".")[0])


def _filled(rule: str, _blueprint: str) -> Iterator[str]:
    found = re.search(r"<(?:\w+:)?(\w+)>", rule)
    if found is None:
        yield rule
        return
    for value in PATHS[found[1]]:
        yield from _filled(rule.replace(found[0], quote(value), 1), _blueprint)


def asked(app: Quart) -> list[str]:
    """Every path with each of its parameters, one at a time, and with the foreign source besides."""
    all_of_them: list[str] = []
    adapter = app.url_map.bind("")
    for path in paths(app):
        endpoint, _ = adapter.match(path)
        query = getattr(app.view_functions[endpoint], QUART_SCHEMA_QUERYSTRING_ATTRIBUTE, None)
        names = () if query is None else query[0].__struct_fields__ if isinstance(query, tuple) else query.__struct_fields__
        all_of_them.append(path)
        for name in names:
            all_of_them += [f"{path}?{urlencode({name: value})}" for value in QUERIES[name]]
            if "source" in names and name != "source":
                all_of_them += [f"{path}?{urlencode({'source': FOREIGN, name: value})}" for value in QUERIES[name]]
    return all_of_them


async def test_every_answer_is_that_of_an_api_that_has_the_one_source_alone(sites: tuple[Site, Site]) -> None:
    both, one = sites
    urls = asked(both.app)
    assert {url.partition("?")[0] for url in urls} >= {"/api/tasks", "/api/health", "/api/workers/t/their-worker"}
    assert len(urls) > 600
    fine = 0
    for url in urls:
        mine, alone = await both.answer(url), await one.answer(url)
        assert mine == alone, url
        fine += mine[0] == 200
    assert fine > 300
    assert both.asker.asked == one.asker.asked == {"s"}


async def test_no_answer_holds_anything_of_the_other_source(sites: tuple[Site, Site]) -> None:
    both, _ = sites
    for path in paths(both.app):
        status, headers, body = await both.answer(path)
        for word in (b"theirs.secret", b"their-queue", b"TheirError", b"zanzibar", b"their-kind"):
            assert word not in body, path
        if status == 200 and "their" not in path:
            assert b"their-worker" not in body, path
        assert headers.get("X-Taskscope-Stale") is None, path


async def test_whoever_may_see_both_gets_other_answers_so_the_comparison_compares_something(sites: tuple[Site, Site]) -> None:
    both, one = sites
    everybody = create_app(Settings(), both.store, both.clock)
    async with everybody.test_app():
        services = everybody.extensions["taskscope"]
        await eventually(lambda: len(services.live.replicas) == 2 and len(services.live.find("theirs", lambda _: True)) == 1)
        client = everybody.test_client()
        same = [
            path
            for path in ("/api/tasks", "/api/tasks/facets", "/api/tasks/realtime", "/api/tasks/analytics", "/api/workers")
            if await (await client.get(path)).get_data() == (await one.answer(path))[2]
        ]
    assert same == []


@pytest.mark.parametrize("sort", ["-updated_at", "name", "live"])
async def test_a_walk_by_cursors_meets_the_same_pages(sites: tuple[Site, Site], sort: str) -> None:
    both, one = sites
    url = f"/api/tasks?limit=3&sort={sort}"
    seen, cursor = 0, ""
    while True:
        mine, alone = await both.answer(url + cursor), await one.answer(url + cursor)
        assert mine == alone
        page = msgspec.json.decode(mine[2])
        seen += len(page["items"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == 10


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(source=("t",)),
        Filter(source=("s", "t")),
        Filter(q="zanzibar"),
        Filter(kind=("their-kind",)),
        Filter(worker=("shared-worker",)),
    ],
)
async def test_a_window_shows_the_same_and_moves_at_the_same_time(sites: tuple[Site, Site], wanted: Filter) -> None:
    both, one = sites
    frames = [await _frames(site, wanted) for site in sites]
    assert frames[0] == frames[1]
    assert "zanzibar" not in "".join(frames[0])
    assert both.app is not one.app


async def _frames(site: Site, wanted: Filter) -> list[str]:
    """The window's frames while the other source changes, and then its own."""
    hub, client = site.app.extensions["taskscope"].hub, Client()
    await hub.join(client, subscription(Join(filter=wanted), frozenset({"s"})))
    live = site.app.extensions["taskscope"].live
    if theirs := site.ledgers.get(FOREIGN):
        await theirs.write(_of("late", name="theirs.secret"))
        await eventually(lambda: live.find("late", lambda _: True), what="the other source's change is read")
    await site.ledgers["s"].write(_of("mine-too"))
    await eventually(lambda: live.find("mine-too", lambda _: True), what="the change is read")
    hub.snapshot(client)
    frames: list[str] = []
    stream = client.frames()
    while not frames or frames[-1].count('"kind":"snapshot"') == 0 or len(frames) < 3:
        async with asyncio.timeout(5):
            frames.append(await anext(stream))
    hub.leave(client)
    return [text for text in frames if '"kind":"delta"' not in text]


def test_every_parameter_of_every_route_is_asked_for(tmp_path: Path) -> None:
    app = Site(("s",), tmp_path).app
    declared = {
        name
        for view in app.view_functions.values()
        if (query := getattr(view, QUART_SCHEMA_QUERYSTRING_ATTRIBUTE, None)) is not None
        for name in (query[0] if isinstance(query, tuple) else query).__struct_fields__
    }
    assert declared - QUERIES.keys() == set()
    named = {name for rule in app.url_map.iter_rules() if _has_tasks(app, rule) for name in rule.arguments}
    assert named - PATHS.keys() == set()


def _has_tasks(app: Quart, rule: Any) -> bool:
    return getattr(app.view_functions[rule.endpoint], ROLE_ATTRIBUTE) is not Role.PUBLIC

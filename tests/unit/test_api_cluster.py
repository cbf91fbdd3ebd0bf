"""The lists of workers, queues, sources and kinds: what they let in, how they are sorted, and that pages stay stable."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.access import Seeing
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, Queue, State, Worker, WorkerState
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()


def worker(name: str, state: WorkerState = WorkerState.ONLINE, source: str = "s", **fields: Any) -> Worker:
    return Worker(name, source, Engine.CELERY, state, **fields)


WORKERS = [
    worker("celery@b", active=3, processed=10, queues=("vod", "big"), heartbeat_at=START, hostname="b"),
    worker("celery@a", active=1, queues=("vod",), heartbeat_at=START + 1, pool="prefork"),
    worker("celery@c", WorkerState.SILENT, detail="worker is silent", queues=("small",)),
    Worker("rq:1", "s", Engine.RQ, WorkerState.LOST, active=3, version="2.6"),
]
QUEUES = [
    Queue("vod", "s", Engine.CELERY, depth=5, at=START),
    Queue("big", "s", Engine.CELERY, depth=50, consumers=2, at=START),
    Queue("gone", "s", Engine.CELERY, consumers=0, detail="the broker has no such queue", at=START),
    Queue("rq", "s", Engine.RQ, depth=0, scheduled=1, deferred=0, running=0, failed=4, consumers=1, at=START),
]


@pytest.fixture
async def writing() -> Writing:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    tasks = [task("1", kind="vod"), task("2", kind="vod", state=State.SUCCEEDED), task("3", state=State.FAILED)]
    await writing.write(*tasks, workers=WORKERS, queues=QUEUES)
    other = await Writing(store, CLOCK, "t").begin()
    await other.write(task("1", kind="vod"), workers=[worker("celery@a", source="t")], queues=[])
    return writing


async def serving(app: Quart) -> AsyncIterator[Requests]:
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and len(services.live.replicas) == 2)
        yield running.test_client()


@pytest.fixture
async def client(writing: Writing) -> AsyncIterator[Requests]:
    async for client in serving(create_app(Settings(), writing.store, CLOCK)):
        yield client


async def get(client: Requests, path: str, status: int = 200, **headers: str) -> Any:
    response = await client.get(path, headers=headers)
    assert response.status_code == status, await response.get_data()
    return await response.get_json(force=True)


async def names(client: Requests, path: str) -> list[str]:
    found = await get(client, path)
    assert found["total"] >= len(found["items"])
    return [item["name"] for item in found["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("source=s", ["celery@a", "celery@b", "celery@c", "rq:1"]),
        ("state=online&source=s", ["celery@a", "celery@b"]),
        ("state=silent,lost", ["celery@c", "rq:1"]),
        ("state=silent&state=lost", ["celery@c", "rq:1"]),
        ("name=celery@*&source=s", ["celery@a", "celery@b", "celery@c"]),
        ("name=rq:1,nobody", ["rq:1"]),
        ("queue=vod", ["celery@a", "celery@b"]),
        ("queue=small,big", ["celery@b", "celery@c"]),
        ("engine=rq", ["rq:1"]),
        ("q=SILENT", ["celery@c"]),
        ("q=celery prefork", ["celery@a"]),
        ("q=nothing", []),
        ("sort=-active&source=s", ["celery@b", "rq:1", "celery@a", "celery@c"]),
        ("sort=active&source=s", ["celery@a", "celery@b", "rq:1", "celery@c"]),
        ("sort=-name&source=s", ["rq:1", "celery@c", "celery@b", "celery@a"]),
        ("sort=-heartbeat_at&state=online&source=s", ["celery@a", "celery@b"]),
        ("sort=state&source=s", ["rq:1", "celery@a", "celery@b", "celery@c"]),
    ],
)
async def test_workers_are_filtered_and_sorted(client: Requests, query: str, expected: list[str]) -> None:
    assert await names(client, f"/api/workers?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["big", "gone", "rq", "vod"]),
        ("name=*o*", ["gone", "vod"]),
        ("engine=rq", ["rq"]),
        ("q=no such", ["gone"]),
        ("sort=-depth", ["big", "vod", "rq", "gone"]),
        ("sort=depth", ["rq", "vod", "big", "gone"]),
        ("sort=-consumers", ["big", "rq", "gone", "vod"]),
    ],
)
async def test_queues_are_filtered_and_sorted(client: Requests, query: str, expected: list[str]) -> None:
    assert await names(client, f"/api/queues?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["s", "t"]),
        ("status=up", ["s", "t"]),
        ("status=down", []),
        ("name=t*", ["t"]),
        ("q=up", ["s", "t"]),
        ("sort=-name", ["t", "s"]),
        ("source=s", ["s"]),
    ],
)
async def test_sources_are_filtered_and_sorted(client: Requests, query: str, expected: list[str]) -> None:
    assert await names(client, f"/api/sources?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["vod", "cleanup", "other"]),
        ("kind=vod,other", ["vod", "other"]),
        ("kind=*o*", ["vod", "other"]),
        ("sort=-total", ["vod", "other", "cleanup"]),
        ("sort=success_rate", ["other", "vod", "cleanup"]),
        ("sort=-name", ["vod", "other", "cleanup"]),
    ],
)
async def test_kinds_are_filtered_and_sorted(client: Requests, query: str, expected: list[str]) -> None:
    assert await names(client, f"/api/kinds?{query}") == expected


async def test_kinds_count_the_tasks_of_the_sources_asked_for_alone(client: Requests) -> None:
    async def total(source: str) -> int:
        kinds = (await get(client, f"/api/kinds?kind=vod&source={source}"))["items"]
        return sum(kind["total"] for kind in kinds)

    assert [await total(source) for source in ("s", "t", "s,t", "none")] == [2, 1, 3, 0]


@pytest.mark.parametrize(
    ("path", "sort"),
    [("workers", "active"), ("workers", "-state"), ("workers", "key"), ("queues", "-depth"), ("kinds", "-total")],
)
async def test_pages_show_everything_once(client: Requests, path: str, sort: str) -> None:
    whole = (await get(client, f"/api/{path}?sort={sort}"))["items"]
    page = await get(client, f"/api/{path}?sort={sort}&limit=1")
    found = page["items"]
    while page["next_cursor"] is not None:
        page = await get(client, f"/api/{path}?sort={sort}&limit=1&cursor={page['next_cursor']}")
        assert page["total"] == len(whole)
        found += page["items"]
    assert found == whole


async def test_rows_that_come_before_a_place_move_nothing_behind_it(client: Requests, writing: Writing) -> None:
    first = await get(client, "/api/workers?source=s&limit=2&sort=name")
    assert [item["name"] for item in first["items"]] == ["celery@a", "celery@b"]
    await writing.write(workers=[worker("celery@a2")])

    async def come() -> bool:
        return bool((await get(client, "/api/workers?source=s"))["total"] == 5)

    await eventually(come)
    second = await get(client, f"/api/workers?source=s&limit=2&sort=name&cursor={first['next_cursor']}")
    assert [item["name"] for item in second["items"]] == ["celery@c", "rq:1"]


async def test_whatever_is_null_says_why(client: Requests) -> None:
    for path in ("workers", "queues"):
        for item in (await get(client, f"/api/{path}"))["items"]:
            empty = path == "queues" and item["depth"] == 0
            null = {name for name, value in item.items() if value is None} - {"detail"} - ({"oldest_at"} if empty else set())
            assert set(item["unknown"]) == null


@pytest.mark.parametrize(
    ("path", "field", "says"),
    [
        ("workers?state=busy", "state", "silent"),
        ("workers?stat=online", "stat", "state"),
        ("workers?engine=sidekiq", "engine", "celery"),
        ("workers?sort=load", "sort", "heartbeat_at"),
        ("workers?sort=name&sort=key", "sort", "once"),
        ("workers?limit=501", "limit", "500"),
        ("workers?cursor=x", "cursor", "next_cursor"),
        ("workers?q=" + "x" * 201, "q", "200"),
        ("workers?state=" + ",".join(["online"] * 101), "state", "100"),
        ("workers?name=" + "x" * 600, "name", "512"),
        ("queues?state=online", "state", "name"),
        ("queues?sort=-", "sort", "depth"),
        ("sources?status=fine", "status", "degraded"),
        ("sources?kind=vod", "kind", "status"),
        ("kinds?engine=rq", "engine", "kind"),
        ("kinds?sort=depth", "sort", "configured"),
    ],
)
async def test_wrong_parameters_are_named_with_what_is_right(client: Requests, path: str, field: str, says: str) -> None:
    problem = await get(client, f"/api/{path}", 400)
    assert (problem["field"], problem["status"]) == (field, 400)
    assert says in problem["detail"]


@pytest.mark.parametrize(
    ("of", "to"),
    [
        ("queues?limit=1", "workers?"),
        ("workers?limit=1", "workers?sort=name&"),
        ("tasks?limit=1&sort=name", "workers?sort=name&"),
        ("workers?limit=1&sort=name", "tasks?sort=name&"),
        ("workers?limit=1", "workers?state=online&"),
    ],
)
async def test_a_cursor_of_another_list_is_refused(client: Requests, of: str, to: str) -> None:
    cursor = (await get(client, f"/api/{of}"))["next_cursor"]
    assert cursor
    problem = await get(client, f"/api/{to}cursor={cursor}", 400)
    assert problem["field"] == "cursor"


async def test_a_principal_of_one_source_sees_nothing_of_another_in_any_list(writing: Writing) -> None:
    async for client in serving(create_app(Settings(), writing.store, CLOCK, access=Seeing("t"))):
        workers = await get(client, "/api/workers")
        assert ([item["key"] for item in workers["items"]], workers["total"]) == (["t/celery@a"], 1)
        assert (await get(client, "/api/workers?source=s"))["total"] == 0
        assert (await get(client, "/api/queues"))["total"] == 0
        assert [item["name"] for item in (await get(client, "/api/sources"))["items"]] == ["t"]
        assert sum(item["total"] for item in (await get(client, "/api/kinds"))["items"]) == 1
        assert sum(item["total"] for item in (await get(client, "/api/kinds?source=s"))["items"]) == 0

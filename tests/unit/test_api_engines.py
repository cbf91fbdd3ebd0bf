"""The lists of one engine: a superset of `/api/tasks` and `/api/workers` with the engine fixed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.access import Seeing
from support.api import START, TTL_SECONDS, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_shared import codec
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, Position, Progress, Source, SourceStatus, State, Worker, WorkerState
from taskscope_shared.settings import Settings
from taskscope_shared.store import Flush
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()
RUNNING = task("run", kind="vod", progress=Progress(1, 4, 25.0, "one", START), updated_at=START + 1)
CELERY = [
    RUNNING,
    task("wait", state=State.QUEUED, kind="vod", updated_at=START + 5),
    task("good", state=State.SUCCEEDED, kind="vod", updated_at=START + 2),
    task("bad", state=State.FAILED, updated_at=START + 3),
]


async def write_rq(store: MemoryStore) -> None:
    """A source of RQ with a job and a worker."""
    lease = await store.acquire("r", "test", TTL_SECONDS)
    assert lease is not None
    job = task("job", source="r", engine=Engine.RQ, epoch=lease.epoch)
    worker = Worker("rq:1", "r", Engine.RQ, WorkerState.ONLINE)
    health = Source("r", Engine.RQ, SourceStatus.UP, kinds=("vod",))
    flush = Flush(seq=1, at=CLOCK.now(), tasks={"job": codec.encode(job)}, workers=[worker], health=health)
    await store.flush(lease, flush, TTL_SECONDS)
    await store.announce(lease, Position(lease.epoch, 1), CLOCK.now(), TTL_SECONDS)


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(*CELERY, workers=[Worker("celery@a", "s", Engine.CELERY, WorkerState.ONLINE)])
    await write_rq(store)
    return store


async def serving(app: Quart) -> AsyncIterator[Requests]:
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and len(services.live.replicas) == 2)
        yield running.test_client()


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[Requests]:
    async for client in serving(create_app(Settings(), store, CLOCK)):
        yield client


async def get(client: Requests, path: str, status: int = 200) -> Any:
    response = await client.get(path)
    assert response.status_code == status, await response.get_data()
    return await response.get_json(force=True)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


async def test_celery_tasks_have_live_data_and_history_in_one_answer(client: Requests) -> None:
    body = await get(client, "/api/celery/tasks")
    assert (ids(body["items"]), body["total"], body["next_cursor"]) == (["wait", "bad", "good", "run"], 4, None)
    assert (ids(body["live"]), ids(body["history"])) == (["run", "wait"], ["bad", "good"])
    assert body["live"][0]["progress"]["percent"] == 25.0
    summary = body["summary"]
    assert [summary[name] for name in ("total", "active", "reserved", "queued", "finished")] == [4, 1, 0, 1, 2]
    assert (summary["success_rate"], summary["by_kind"]["vod"]["success_rate"]) == (0.5, 1.0)
    assert (body["stale"], body["at"][-1]) == (False, "Z")


async def test_the_page_is_that_of_the_list_of_all_tasks(client: Requests) -> None:
    for query in ("sort=name&limit=2", "state=failed", "kind=vod&sort=-updated_at&limit=1", "fields=id,state"):
        engine, all_ = await get(client, f"/api/celery/tasks?{query}"), await get(client, f"/api/tasks?engine=celery&{query}")
        assert {name: engine[name] for name in all_} == all_


async def test_pages_go_on_by_cursor(client: Requests) -> None:
    first = await get(client, "/api/celery/tasks?limit=3")
    second = await get(client, f"/api/celery/tasks?limit=3&cursor={first['next_cursor']}")
    assert (ids(second["items"]), second["next_cursor"], second["total"]) == (["run"], None, 4)


@pytest.mark.parametrize(
    ("query", "live", "history"),
    [
        ("kind=vod", ["run", "wait"], ["good"]),
        ("state=failed", [], ["bad"]),
        ("group=active", ["run"], []),
        ("group=queued&state=running", [], []),
        ("name=nothing", [], []),
    ],
)
async def test_live_tasks_and_history_are_filtered_like_the_page(
    client: Requests, query: str, live: list[str], history: list[str]
) -> None:
    body = await get(client, f"/api/celery/tasks?{query}")
    assert (ids(body["live"]), ids(body["history"])) == (live, history)


async def test_rq_jobs_are_rq_jobs_alone_and_counted_alone(client: Requests) -> None:
    body = await get(client, "/api/rq/jobs")
    assert (ids(body["items"]), ids(body["live"]), body["history"], body["summary"]["total"]) == (["job"], ["job"], [], 1)
    assert (await get(client, "/api/rq/jobs?source=s"))["summary"]["total"] == 0
    assert (await get(client, "/api/rq/jobs?source=s"))["total"] == 0


async def test_fields_choose_the_members_of_every_row(client: Requests) -> None:
    body = await get(client, "/api/celery/tasks?fields=id,progress")
    assert {tuple(row) for part in ("items", "live", "history") for row in body[part]} == {("id", "progress")}


async def test_an_export_has_the_tasks_of_the_engine_alone(client: Requests) -> None:
    response = await client.get("/api/rq/jobs?format=csv&fields=id")
    assert response.content_type.startswith("text/csv")
    assert (await response.get_data(as_text=True)).split() == ["id", "job"]


async def test_workers_are_those_of_the_engine(client: Requests) -> None:
    assert [one["key"] for one in (await get(client, "/api/celery/workers"))["items"]] == ["s/celery@a"]
    assert [one["key"] for one in (await get(client, "/api/rq/workers?state=online"))["items"]] == ["r/rq:1"]
    assert (await get(client, "/api/rq/workers?source=s"))["total"] == 0


@pytest.mark.parametrize("path", ["/api/celery/tasks", "/api/rq/jobs", "/api/celery/workers", "/api/rq/workers"])
@pytest.mark.parametrize(
    ("query", "field"),
    [("engine=rq", "engine"), ("state=busy", "state"), ("limit=0", "limit"), ("sort=x", "sort"), ("cursor=x", "cursor")],
)
async def test_wrong_parameters_are_named(client: Requests, path: str, query: str, field: str) -> None:
    problem = await get(client, f"{path}?{query}", 400)
    assert (problem["field"], problem["status"]) == (field, 400)


async def test_a_principal_of_one_source_sees_nothing_of_another_engine_there(store: MemoryStore) -> None:
    async for client in serving(create_app(Settings(), store, CLOCK, access=Seeing("s", named=True))):
        paths = ("/api/celery/tasks", "/api/rq/jobs", "/api/celery/workers", "/api/rq/workers")
        assert {(await client.get(path)).status_code for path in paths} == {401}
        headers = {"Authorization": "somebody"}
        jobs = await (await client.get("/api/rq/jobs?source=r", headers=headers)).get_json()
        assert (jobs["items"], jobs["total"], jobs["live"], jobs["summary"]["total"]) == ([], 0, [], 0)
        assert jobs["summary"]["by_kind"] == {}
        workers = await (await client.get("/api/rq/workers", headers=headers)).get_json()
        assert (workers["items"], workers["total"]) == ([], 0)
        tasks = await (await client.get("/api/celery/tasks", headers=headers)).get_json()
        assert tasks["total"] == 4

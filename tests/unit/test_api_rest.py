"""REST over the in-memory store."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.access import Seeing
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.queries import TasksQuery
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Attempt, Engine, Position, Progress, Queue, State, Worker, WorkerState
from taskscope_shared.settings import Settings
from taskscope_shared.store import Lease, StoreError
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    tasks = [task(str(number), updated_at=START + number, kind="vod") for number in range(5)]
    tasks += [task("done", state=State.SUCCEEDED, queue="q1", worker="w", args="x" * 500, updated_at=START + 9)]
    tasks += [task("same"), task("with/slash")]
    worker = Worker("w", "s", Engine.CELERY, WorkerState.ONLINE, heartbeat_at=START)
    await writing.write(*tasks, workers=[worker], queues=[Queue(f"q{n}", "s", Engine.CELERY, depth=n) for n in range(3)])
    other = await Writing(store, CLOCK, "t").begin()
    await other.write(task("same"))
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
    expected = "application/json" if status in (200, 503) else "application/problem+json"
    assert response.content_type == expected
    return await response.get_json(force=True)


async def test_a_cursor_of_another_filter_is_refused_and_one_of_the_same_filter_said_otherwise_is_not(client: Requests) -> None:
    cursor = (await get(client, "/api/tasks?kind=vod&kind=other&limit=3"))["next_cursor"]
    assert (await get(client, f"/api/tasks?kind=other,vod&limit=1&cursor={cursor}"))["items"]
    problem = await get(client, f"/api/tasks?kind=vod&limit=3&cursor={cursor}", 400)
    assert (problem["field"], problem["type"]) == ("cursor", "urn:taskscope:problem:invalid-cursor")


async def test_a_list_is_newest_first_with_its_total_and_pages_by_cursor(client: Requests) -> None:
    first = await get(client, "/api/tasks?kind=vod&limit=3")
    assert ([one["id"] for one in first["items"]], first["total"]) == (["4", "3", "2"], 5)
    second = await get(client, f"/api/tasks?kind=vod&limit=3&cursor={first['next_cursor']}")
    assert ([one["id"] for one in second["items"]], second["total"], second["next_cursor"]) == (["1", "0"], 5, None)


@pytest.mark.parametrize("path", ["/api/tasks", "/api/celery/tasks"])
async def test_an_offset_jumps_into_a_list_and_its_cursor_goes_on_from_there(client: Requests, path: str) -> None:
    page = await get(client, f"{path}?kind=vod&limit=2&offset=2")
    assert ([one["id"] for one in page["items"]], page["total"]) == (["2", "1"], 5)
    behind = await get(client, f"{path}?kind=vod&limit=2&cursor={page['next_cursor']}")
    assert ([one["id"] for one in behind["items"]], behind["next_cursor"]) == (["0"], None)
    beyond = await get(client, f"{path}?kind=vod&offset=5")
    assert (beyond["items"], beyond["total"], beyond["next_cursor"]) == ([], 5, None)
    assert (await get(client, f"{path}?kind=vod&offset=0"))["items"] == (await get(client, f"{path}?kind=vod"))["items"]


async def test_chosen_tasks_are_exported(client: Requests) -> None:
    response = await client.get("/api/tasks?key=s/3,t/same,s/gone&format=csv&fields=key")
    assert str(await response.get_data(as_text=True)).split() == ["key", "s/3", "t/same"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("state=succeeded,failed", ["done"]),
        ("group=finished&group=reserved", ["done"]),
        ("queue=q1", ["done"]),
        ("worker=w", ["done"]),
        ("source=t", ["same"]),
        ("engine=rq", []),
        ("name=archive.*&kind=vod&sort=updated_at", ["0", "1", "2", "3", "4"]),
        ("name=nothing*", []),
        ("state=running&kind=other&sort=name", ["same", "with/slash", "same"]),
        ("q=SLASH+with", ["with/slash"]),
        ("q=XXXX&group=finished", ["done"]),
        ("updated_from=2023-11-14T22:13:24Z&updated_to=1700000009", ["4"]),
        ("runtime_min=0", []),
        ("root=r1&parent=r2&exception_type=KeyError", []),
        ("key=s/same,s/with/slash&key=t/1&sort=name", ["same", "with/slash"]),
        ("key=s/same,t/same,s/1&kind=other", ["same", "same"]),
        ("key=s/nothing", []),
    ],
)
async def test_filters_and_sorts(client: Requests, query: str, ids: list[str]) -> None:
    found = await get(client, f"/api/tasks?{query}")
    assert ([one["id"] for one in found["items"]], found["total"]) == (ids, len(ids))


@pytest.mark.parametrize(
    ("path", "field", "says"),
    [
        ("/api/tasks?stat=failed", "stat", "state"),
        ("/api/tasks?state=fail", "state", "failed"),
        ("/api/tasks?limit=0", "limit", "500"),
        ("/api/tasks?limit=501", "limit", "500"),
        ("/api/tasks?limit=%C2%B2", "limit", "500"),
        ("/api/tasks?limit=" + "9" * 5000, "limit", "500"),
        ("/api/tasks?offset=-1", "offset", "1000000"),
        ("/api/tasks?offset=1000001", "offset", "1000000"),
        ("/api/celery/tasks?offset=x", "offset", "1000000"),
        ("/api/rq/jobs?offset=1&cursor=abc", "offset", "cursor"),
        ("/api/tasks?format=csv&offset=0", "offset", "export"),
        ("/api/tasks?key=same", "key", "source/id"),
        ("/api/tasks?key=" + ",".join(f"s/{n}" for n in range(101)), "key", "100"),
        ("/api/tasks?sort=-nothing", "sort", "updated_at"),
        ("/api/tasks?sort=name&sort=queue", "sort", "once"),
        ("/api/tasks?cursor=abc", "cursor", "next_cursor"),
        ("/api/tasks/realtime?limit=3", "limit", "kind, source"),
        ("/api/workers?stat=online", "stat", "state"),
        ("/api/health?x=1", "x", "none"),
        ("/api/tasks/same?engine=rq", "engine", "source"),
        ("/api/tasks?queue=" + "q," * 0 + ",".join(str(n) for n in range(101)), "queue", "100"),
        ("/api/tasks?queue=" + "q" * 600, "queue", "512"),
        ("/api/tasks?started_from=soon", "started_from", "2026-01-31T12:00:00Z"),
        ("/api/tasks?runtime_max=long", "runtime_max", "2.5"),
        ("/api/tasks?q=" + "q" * 201, "q", "200"),
        ("/api/tasks?q=a+b+c+d+e+f+g+h+i", "q", "8"),
        ("/api/tasks/facets?sort=name", "sort", "limit"),
        ("/api/tasks/facets?limit=0", "limit", "500"),
    ],
)
async def test_wrong_parameters_are_problems_that_name_them_and_say_what_is_right(
    client: Requests, path: str, field: str, says: str
) -> None:
    problem = await get(client, path, 400)
    assert (problem["field"], problem["status"]) == (field, 400)
    assert problem["type"].startswith("urn:taskscope:problem:")
    assert says in problem["detail"]


async def test_facets_count_without_their_own_filter_and_sum_what_is_not_listed(client: Requests) -> None:
    found = await get(client, "/api/tasks/facets?kind=vod&source=s&limit=1&q=archive")
    assert found["total"] == 5
    kinds, sources, queues = (found["facets"][field] for field in ("kind", "source", "queue"))
    assert kinds == {"values": [{"value": "vod", "count": 5}], "others": 3, "distinct": 2}
    assert sources == {"values": [{"value": "s", "count": 5}], "others": 0, "distinct": 1}
    assert queues == {"values": [{"value": None, "count": 5}], "others": 0, "distinct": 1}


async def test_one_task_has_all_that_is_kept_and_lists_have_previews(store: MemoryStore) -> None:
    writing = Writing(store, CLOCK)
    await store.release(await _lease(store))
    attempt = Attempt(1, State.RETRYING, worker="w", finished_at=START + 0.25)
    await (await writing.begin()).write(
        task("long", args="x" * 500, traceback="Traceback", history=(attempt,), progress=Progress(1, 4, 25.0, "one", START))
    )
    async for client in serving(create_app(Settings(), store, CLOCK)):
        whole = await get(client, "/api/tasks/long")
        listed = next(one for one in (await get(client, "/api/tasks"))["items"] if one["id"] == "long")
        assert (whole["args"], whole["traceback"]) == ("x" * 500, "Traceback")
        assert whole["history"][0]["finished_at"] == "2023-11-14T22:13:20.250Z"
        assert whole["progress"] == {
            "current": 1.0,
            "total": 4.0,
            "percent": 25.0,
            "message": "one",
            "at": "2023-11-14T22:13:20.000Z",
        }
        assert listed["args"] == "x" * 199 + "…"
        assert "traceback" not in listed
        assert "history" not in listed
        assert (listed["key"], listed["group"], listed["version"]) == ("s/long", "active", f"{writing.lease.epoch}-2")
        assert set(listed["unknown"]) >= {"sent_at", "queue"}


async def _lease(store: MemoryStore) -> Lease:
    meta, value = await store.meta("s"), store._states["s"].lease
    assert value is not None
    epoch, holder = value.split(":")
    return Lease("s", holder, int(epoch), meta["incarnation"], Position(), complete=True)


async def test_an_id_of_several_sources_is_a_conflict_that_names_them(client: Requests) -> None:
    problem = await get(client, "/api/tasks/same", 409)
    assert (problem["sources"], problem["field"]) == (["s", "t"], "source")
    assert (await get(client, "/api/tasks/same?source=t"))["source"] == "t"
    assert (await get(client, "/api/tasks/t/same"))["source"] == "t"
    assert (await get(client, "/api/tasks/s/with/slash"))["id"] == "with/slash"


@pytest.mark.parametrize(
    "path", ["/api/tasks/none", "/api/tasks/t/done", "/api/tasks/done?source=t", "/nothing", "/api/nothing"]
)
async def test_what_is_not_there_is_a_404_problem(client: Requests, path: str) -> None:
    assert (await get(client, path, 404))["status"] == 404


async def test_a_wrong_method_is_a_405_problem_that_says_what_is_allowed(client: Requests) -> None:
    response = await client.post("/api/tasks")
    assert (response.status_code, response.content_type) == (405, "application/problem+json")
    assert "GET" in response.headers["Allow"]


async def test_the_realtime_body_has_what_the_page_shows(client: Requests) -> None:
    body = await get(client, "/api/tasks/realtime")
    assert (body["summary"]["total"], body["summary"]["active"], body["summary"]["finished"]) == (9, 8, 1)
    assert ([one["id"] for one in body["tasks"]][:2], [one["id"] for one in body["finished"]]) == (["4", "3"], ["done"])
    assert [one["key"] for one in body["workers"]] == ["s/w"]
    assert [one["key"] for one in body["sources"]] == ["s", "t"]
    assert body["stale"] is False
    assert body["summary"]["broker_queued"] == 3
    vod = await get(client, "/api/tasks/realtime?kind=vod&source=s")
    assert (vod["summary"]["total"], vod["summary"]["by_kind"]["other"]["total"], len(vod["tasks"])) == (5, 3, 5)


async def test_the_realtime_body_is_bounded_however_many_workers_and_queues_there_are(store: MemoryStore) -> None:
    app = create_app(Settings(), store, CLOCK)
    async for client in serving(app):
        replica = app.extensions["taskscope"].live.replicas["t"]
        names = [f"{number:04}" for number in range(1200)]
        replica.workers.update({n: Worker(n, "t", Engine.CELERY, WorkerState(("online", "lost")[n < "0900"])) for n in names})
        replica.queues.update({n: Queue(n, "t", Engine.CELERY, depth=int(n)) for n in names})
        body = await get(client, "/api/tasks/realtime?source=t")
        assert [row["name"] for row in body["workers"]] == [*names[:200], *names[900:]]
        assert [row["name"] for row in body["queues"]] == names[700:]
        assert (body["workers_total"], body["queues_total"]) == (1200, 1200)


async def test_queues_and_workers_are_pages_by_key(client: Requests) -> None:
    first = await get(client, "/api/queues?limit=2")
    assert ([one["key"] for one in first["items"]], first["total"]) == (["s/q0", "s/q1"], 3)
    second = await get(client, f"/api/queues?limit=2&cursor={first['next_cursor']}")
    assert ([one["key"] for one in second["items"]], second["next_cursor"]) == (["s/q2"], None)
    assert (await get(client, "/api/workers?source=t"))["items"] == []
    assert (await get(client, "/api/workers?engine=rq"))["total"] == 0


async def test_kinds_come_in_the_order_of_the_configuration_with_other_last(client: Requests) -> None:
    kinds = (await get(client, "/api/kinds"))["items"]
    assert [(kind["name"], kind["total"]) for kind in kinds] == [("vod", 5), ("cleanup", 0), ("other", 4)]


async def test_health_says_which_dependency_is_how(client: Requests) -> None:
    health = await get(client, "/api/health")
    assert (health["status"], health["redis"]["status"], health["stale"], health["ready"]) == ("ok", "ok", False, True)
    assert {source["name"]: (source["status"], source["tasks"]) for source in health["sources"]} == {
        "s": ("ok", 8),
        "t": ("ok", 1),
    }


async def test_without_redis_it_lives_but_is_not_ready() -> None:
    store = MemoryStore(CLOCK)
    store.fault = StoreError("connection refused")
    app = create_app(Settings(), store, CLOCK)
    async with app.test_app() as running:
        client = running.test_client()
        await eventually(lambda: app.extensions["taskscope"].fleet.store.reason == "connection refused")
        assert (await get(client, "/livez"))["status"] == "ok"
        assert (await get(client, "/readyz", 503))["status"] == "not ready"
        health = await get(client, "/api/health")
        assert (health["status"], health["redis"]) == ("down", {"status": "down", "detail": "connection refused"})
        store.fault = None
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        await get(client, "/readyz")


async def test_the_openapi_document_describes_every_route_and_lacks_no_component(client: Requests) -> None:
    document = await get(client, "/openapi.json")
    assert {"/api/tasks", "/api/tasks/{task_id}", "/api/tasks/{source}/{task_id}", "/api/health"} <= set(document["paths"])
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])
    names = {one["name"] for one in document["paths"]["/api/tasks"]["get"]["parameters"]}
    assert names == set(TasksQuery.__struct_fields__)


async def test_scripts_come_compressed_and_a_script_that_was_built_anew_comes_anew(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    script, text = tmp_path / "assets" / "app.js", "let a = 1;\n" * 500
    script.write_text(text)
    taking = {"Accept-Encoding": "gzip, br"}
    async for client in serving(create_app(Settings(), store, CLOCK, web_root=tmp_path)):
        packed = await client.get("/assets/app.js", headers=taking)
        assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert gzip.decompress(await packed.get_data(as_text=False)).decode() == text
        assert int(packed.headers["Content-Length"]) < len(text) / 10
        plain = await client.get("/assets/app.js")
        assert ("Content-Encoding" in plain.headers, await plain.get_data(as_text=True)) == (False, text)
        assert (await client.head("/assets/app.js", headers=taking)).headers["Content-Encoding"] == "gzip"
        script.write_text(text + "let b;")
        anew = await client.get("/assets/app.js", headers={**taking, "If-None-Match": packed.headers["ETag"]})
        assert gzip.decompress(await anew.get_data(as_text=False)).decode() == text + "let b;"
        ranged = await client.get("/assets/app.js", headers={"Range": "bytes=0-3"})
        assert (ranged.status_code, len(await ranged.get_data())) == (200, len(text) + 6)


async def test_a_principal_sees_the_sources_of_its_scope_alone(store: MemoryStore) -> None:
    app = create_app(Settings(), store, CLOCK, access=Seeing("t", named=True))
    async for client in serving(app):
        assert (await get(client, "/api/tasks", 401))["status"] == 401
        await get(client, "/livez")
        headers = {"Authorization": "somebody"}
        seen = await (await client.get("/api/tasks", headers=headers)).get_json()
        assert ([one["source"] for one in seen["items"]], seen["total"]) == (["t"], 1)
        assert (await client.get("/api/tasks/done", headers=headers)).status_code == 404
        assert (await client.get("/api/tasks/same", headers=headers)).status_code == 200
        assert (await (await client.get("/api/workers", headers=headers)).get_json())["items"] == []
        health = await (await client.get("/api/health", headers=headers)).get_json()
        assert [source["name"] for source in health["sources"]] == ["t"]
        body = await (await client.get("/api/tasks/realtime", headers=headers)).get_json()
        assert (body["summary"]["total"], [one["name"] for one in body["sources"]]) == (1, ["t"])


async def test_the_page_is_served_with_a_policy_and_its_assets_for_ever(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("let a = 1;\n" * 500)
    (tmp_path / "manifest.webmanifest").write_text("{}")
    (tmp_path / "icon-192.png").write_bytes(b"\x89PNG")
    (tmp_path / "theme.js").write_text("1")
    (tmp_path.parent / "secret").write_text("secret")
    async for client in serving(create_app(Settings(), store, CLOCK, web_root=tmp_path)):
        page = await client.get("/")
        assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-cache")
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        asset = await client.get("/assets/app-1a2b.js")
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert {"frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"} <= set(
            page.headers["Content-Security-Policy"].split("; ")
        )
        assert (page.headers["Referrer-Policy"], "unsafe" in page.headers["Content-Security-Policy"]) == ("no-referrer", False)
        for name, media, cache in (
            ("/", "text/html; charset=utf-8", "no-cache"),
            ("/theme.js", "text/javascript; charset=utf-8", "no-cache"),
            ("/assets/app-1a2b.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
            ("/manifest.webmanifest", "application/manifest+json", "no-cache"),
            ("/favicon.svg", "image/svg+xml; charset=utf-8", "public, max-age=86400"),
            ("/icon-192.png", "image/png", "public, max-age=86400"),
        ):
            sent = await client.get(name)
            assert (sent.status_code, sent.headers["Content-Type"], sent.headers["Cache-Control"]) == (200, media, cache), name
            again = await client.get(name, headers={"If-None-Match": sent.headers["ETag"]})
            assert (again.status_code, await again.get_data()) == (304, b""), name
        for path in ("/assets/../../secret", "/assets/%2e%2e/%2e%2e/secret", "/..%2fsecret", "/missing.txt"):
            assert (await client.get(path)).status_code == 404
        await get(client, "/api/tasks")


async def test_without_a_built_page_the_api_works(client: Requests) -> None:
    await get(client, "/", 404)

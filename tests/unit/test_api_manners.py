"""What every answer has in common: ids, limits, problems, the access log."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.limits import MAX_BODY, MAX_HEADER_BYTES, MAX_HEADERS, MAX_PARAMETERS, MAX_URL
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.store import StoreError
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()
PROBLEM = "application/problem+json"


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(*(task(str(number), updated_at=START + number, args="secret " * 20) for number in range(40)))
    await writing.write(task("a//b"))
    return store


@pytest.fixture
async def app(store: MemoryStore) -> AsyncIterator[Quart]:
    app = create_app(Settings(), store, CLOCK)
    async with app.test_app():
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield app


@pytest.fixture
def client(app: Quart) -> Requests:
    return app.test_client()


@pytest.mark.parametrize("brought", ["abc-1.2_3", "5f0c:9/+=@", "x" * 128])
async def test_a_well_formed_request_id_comes_back(client: Requests, brought: str) -> None:
    for path in ("/api/kinds", "/livez", "/nothing"):
        assert (await client.get(path, headers={"X-Request-Id": brought})).headers["X-Request-Id"] == brought


@pytest.mark.parametrize("brought", [None, "", "x" * 129, "a b", 'a"b', "<script>", "é"])
async def test_any_other_request_gets_an_id_of_its_own(client: Requests, brought: str | None) -> None:
    headers = {} if brought is None else {"X-Request-Id": brought}
    made = {(await client.get("/api/kinds", headers=headers)).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert brought not in made


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/tasks?limit=0", {}, 400),
        ("GET", "/api/tasks/none", {}, 404),
        ("GET", "/api/none", {}, 404),
        ("DELETE", "/api/tasks", {}, 405),
        ("POST", "/api/tasks", {"Content-Length": str(MAX_BODY + 1)}, 413),
        ("POST", "/api/tasks", {"Content-Length": "many"}, 413),
        ("GET", "/api/tasks?queue=" + "q" * MAX_URL, {}, 414),
        ("GET", "/api/tasks", {"X-Large": "x" * MAX_HEADER_BYTES}, 431),
        ("GET", "/api/tasks", {f"X-{number}": "x" for number in range(MAX_HEADERS + 1)}, 431),
        ("GET", "/api/tasks?" + "&".join(f"p{number}=" for number in range(MAX_PARAMETERS + 1)), {}, 400),
        ("GET", "/api/tasks?name=%zz", {}, 400),
        ("GET", "/api/tasks?name=%ff", {}, 400),
        ("FETCH", "/api/tasks", {}, 405),
    ],
)
async def test_every_error_is_a_problem_with_the_id_of_its_request(
    client: Requests, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = await client.open(path, method=method, headers=headers)  # type: ignore[call-arg]  # json has a default
    assert (response.status_code, response.content_type) == (status, PROBLEM)
    problem = await response.get_json(force=True)
    assert (problem["status"], problem["request_id"]) == (status, response.headers["X-Request-Id"])
    assert problem["type"].startswith("urn:taskscope:problem:")
    assert problem["detail"]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("name=a&q=50%", "q", "%25"),
        ("n%ffame=a", "n�ame", "UTF-8"),
        ("name=a%2", "name", "%25"),
        ("name=%c3%28", "name", "UTF-8"),
    ],
)
async def test_a_parameter_that_is_no_text_is_named(client: Requests, query: str, field: str, says: str) -> None:
    problem = await (await client.get(f"/api/tasks?{query}")).get_json(force=True)
    assert problem["field"] == field
    assert says in problem["detail"]


async def test_what_failed_unforeseen_is_a_problem_that_says_nothing_of_it(
    app: Quart, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("swordfish")

    monkeypatch.setattr(app, "handle_request", fail)
    response = await app.test_client().get("/api/kinds")
    assert (response.status_code, response.content_type) == (500, PROBLEM)
    assert "swordfish" not in await response.get_data(as_text=True)
    failure = next(one for one in caplog.records if one.exc_info)
    assert vars(failure)["request_id"] == response.headers["X-Request-Id"]


async def test_a_store_that_fails_a_request_is_a_503_that_says_when_to_ask_again(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("connection refused")

    monkeypatch.setattr(app.extensions["taskscope"].live, "summary", fail)
    response = await app.test_client().get("/api/kinds")
    assert (response.status_code, response.content_type) == (503, PROBLEM)
    assert int(response.headers["Retry-After"]) > 0
    assert "connection refused" in (await response.get_json(force=True))["detail"]


async def test_head_is_get_without_its_body_and_options_says_what_is_allowed(client: Requests) -> None:
    got = await client.get("/api/kinds")
    head = await client.head("/api/kinds")
    assert (head.status_code, head.headers["Content-Length"]) == (200, got.headers["Content-Length"])
    options = await client.options("/api/kinds")
    assert (options.status_code, await options.get_data()) == (204, b"")
    assert {"GET", "HEAD", "OPTIONS"} == set(options.headers["Allow"].split(", "))


async def test_a_slash_at_the_end_is_another_path_and_the_answer_says_so(client: Requests) -> None:
    response = await client.get("/api/tasks/")
    assert response.status_code == 404
    assert "without the slash" in (await response.get_json(force=True))["detail"]


async def test_slashes_in_a_task_id_are_left_as_they_are(client: Requests) -> None:
    assert (await (await client.get("/api/tasks/s/a//b")).get_json())["id"] == "a//b"
    assert (await client.get("//api//kinds")).status_code == 404


async def test_a_request_is_one_record_without_what_its_query_says(client: Requests, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "taskscope_api.access")
    response = await client.get("/api/tasks/7?source=swordfish", headers={"X-Request-Id": "mine"})
    (record,) = [vars(one) for one in caplog.records if one.name == "taskscope_api.access"]
    assert response.status_code == 404
    assert (record["method"], record["route"], record["path"]) == ("GET", "/api/tasks/<task_id>", "/api/tasks/7")
    assert (record["status"], record["request_id"], record["principal"]) == (404, "mine", "anonymous")
    assert (record["bytes"], record["milliseconds"]) == (len(await response.get_data()), 0.0)
    assert "swordfish" not in repr(record)


async def test_probes_are_recorded_at_debug_alone(client: Requests, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "taskscope_api.access")
    for path in ("/livez", "/readyz", "/api/kinds", "/api/none"):
        await client.get(path)
    seen = [(vars(one)["path"], one.levelname) for one in caplog.records if one.name == "taskscope_api.access"]
    assert seen == [("/livez", "DEBUG"), ("/readyz", "DEBUG"), ("/api/kinds", "INFO"), ("/api/none", "INFO")]


async def test_a_websocket_is_a_record_when_it_ends(client: Requests, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "taskscope_api.access")
    async with client.websocket("/api/ws", headers={"X-Request-Id": "socket"}) as socket:
        assert "connected" in await socket.receive()
    await eventually(lambda: any(one.name == "taskscope_api.access" for one in caplog.records))
    record = next(vars(one) for one in caplog.records if one.name == "taskscope_api.access")
    assert (record["status"], record["request_id"], record["path"]) == (101, "socket", "/api/ws")
    assert record["bytes"] > 0


async def test_answers_say_what_may_be_behind(app: Quart) -> None:
    live, client = app.extensions["taskscope"].live, app.test_client()
    assert "X-Taskscope-Stale" not in (await client.get("/api/tasks")).headers
    live.mark("media é", "its collector is silent")
    live.mark("s", "its collector is silent")
    for path in ("/api/tasks", "/api/tasks/none", "/api/tasks/realtime", "/api/health"):
        assert (await client.get(path)).headers["X-Taskscope-Stale"] == "sources=media%20%C3%A9,s"
    for path in ("/api/tasks", "/api/tasks/realtime", "/api/tasks/facets", "/api/workers", "/api/queues", "/api/kinds"):
        assert (await (await client.get(path)).get_json())["stale"] is True, path
    assert (await (await client.get("/api/tasks?source=up")).get_json())["stale"] is False  # only of what was asked for
    live.mark_store(lost=True)
    assert (await client.get("/api/tasks")).headers["X-Taskscope-Stale"] == "redis"
    assert "X-Taskscope-Stale" not in (await client.get("/livez")).headers


async def test_a_route_that_waits_for_too_long_is_answered_for(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscope_api.principals.ANSWER_SECONDS", 0.01)

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(app.extensions["taskscope"].live, "prepare", hang)
    response = await app.test_client().get("/api/tasks?sort=name")
    assert (response.status_code, response.content_type) == (504, PROBLEM)
    assert "/api/health" in (await response.get_json(force=True))["detail"]


async def test_health_tells_what_runs_and_since_when(client: Requests) -> None:
    CLOCK.advance(90)
    health = await (await client.get("/api/health")).get_json()
    assert health["version"]
    assert health["uptime_seconds"] >= 90
    assert health["push"]["status"] == "ok"

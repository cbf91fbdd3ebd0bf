"""`api.base_path`: all is below it, nothing elsewhere but the probes, and whoever looks elsewhere is told where it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.api import Writing, task
from support.identity import Door
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Api, Settings
from taskscope_shared.testing import MemoryStore

BASE = "/monitoring/tasks"
CLOCK = ManualClock()
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>page</title>")
    (tmp_path / "assets" / "index-abc.js").write_text("1")
    return tmp_path


@pytest.fixture
async def app(web_root: Path) -> AsyncIterator[Quart]:
    store = MemoryStore(CLOCK)
    await (await Writing(store, CLOCK).begin()).write(task("1"), task("a//b"))
    app = create_app(Settings(api=Api(base_path=BASE)), store, CLOCK, web_root=web_root)
    async with app.test_app():
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield app


@pytest.fixture
def client(app: Quart) -> Requests:
    return app.test_client()


async def body(client: Requests, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, path
    return await answer.get_json()


async def test_routes_files_and_ids_with_slashes_are_below_it(client: Requests) -> None:
    for path in (
        "/api/tasks",
        "/api/health",
        "/openapi.json",
        "/docs",
        "/docs/viewer.js",
        "/",
        "/assets/index-abc.js",
        "/livez",
    ):
        assert (await client.get(BASE + path)).status_code == 200, path
    assert (await body(client, f"{BASE}/api/tasks/s/a//b"))["id"] == "a//b"


async def test_what_is_kept_is_given_below_it_too(app: Quart, client: Requests) -> None:
    first = await client.get(f"{BASE}/api/tasks/realtime")
    made = app.extensions["taskscope"].kept.made
    again = await client.get(f"{BASE}/api/tasks/realtime", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, app.extensions["taskscope"].kept.made) == (200, 304, made)


async def test_the_descriptions_say_where_the_paths_begin(client: Requests) -> None:
    openapi, asyncapi = await body(client, f"{BASE}/openapi.json"), await body(client, f"{BASE}/asyncapi.json")
    assert openapi["servers"] == [{"url": BASE}]
    assert "/api/tasks" in openapi["paths"]
    assert {server["pathname"] for server in asyncapi["servers"].values()} == {BASE}


@pytest.mark.parametrize(
    "path",
    ["/api/tasks", "/api/health", "/openapi.json", "/docs", "/socket.io/", "/monitoring", f"{BASE}x/api/tasks", "/", BASE],
)
async def test_whoever_asks_elsewhere_is_told_where_it_is(client: Requests, path: str) -> None:
    answer = await client.get(path)
    problem = await answer.get_json()
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert (problem["type"], f"{BASE}/" in problem["detail"]) == ("urn:taskscope:problem:not-found", True)
    assert problem["request_id"] == answer.headers["X-Request-Id"]


async def test_what_is_not_there_below_it_is_said_with_it(client: Requests) -> None:
    problem = await (await client.get(f"{BASE}/api/nothing")).get_json()
    assert f"{BASE}/openapi.json lists what there is" in problem["detail"]


@pytest.mark.parametrize("path", ["/", BASE, f"{BASE}?x=1"])
async def test_a_browser_at_the_root_is_sent_to_the_page(client: Requests, path: str) -> None:
    answer = await client.get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{BASE}/" + ("?x=1" if "?" in path else ""))
    assert (await client.post("/", headers=PAGE)).status_code == 404


async def test_probes_are_answered_at_the_root_whatever_the_prefix_is(client: Requests) -> None:
    assert await body(client, "/livez") == await body(client, "/readyz") == {"status": "ok"}


async def test_a_websocket_elsewhere_is_refused(app: Quart) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/api/ws",
        "raw_path": b"/api/ws",
        "query_string": b"",
        "headers": [],
        "root_path": "",
    }
    await app.asgi_app(scope, receive, send)  # type: ignore[arg-type]  # as much of a scope as is looked at
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 404)


async def test_a_browser_that_signs_in_gets_a_cookie_for_what_is_below_it_alone(tmp_path: Path) -> None:
    door = Door(tmp_path, api={"base_path": BASE})
    answer = await door.ask(f"{BASE}/api/session", "POST", json={"token": door.token()})
    said = answer.headers["Set-Cookie"]
    assert f"Path={BASE}" in said.split("; ")
    assert (await door.kind(f"{BASE}/api/sources", Cookie=said.partition(";")[0]))[0] == 200

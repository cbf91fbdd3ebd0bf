"""Exports over HTTP: all that the pages have, once, however tasks change meanwhile."""

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.access import Seeing
from support.api import START, Writing, task
from support.exported import check_cell, read_back
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.export_rows import (
    CsvWriter,
    Format,
)
from taskscope_api.export_tasks import COLUMNS, _batches
from taskscope_api.exports import TURN_ROWS, Exports
from taskscope_api.filters import Filter, Matcher
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import sort_named
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Position, State
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    some = [task(f"{number:03}", updated_at=START + number, name=f"n{number % 3}") for number in range(600)]
    odd = task("odd", updated_at=START - 1, name=None, queue='q,"1"\r\n', exception="=cmd", args="ä")
    await writing.write(*some, odd)
    await (await Writing(store, CLOCK, "t").begin()).write(task("other", state=State.FAILED))
    return store


async def running(app: Quart) -> AsyncIterator[Quart]:
    async with app.test_app():
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and len(services.live.replicas) == 2)
        yield app


@pytest.fixture
async def app(store: MemoryStore) -> AsyncIterator[Quart]:
    async for app in running(create_app(Settings(), store, CLOCK)):
        yield app


@pytest.fixture
def client(app: Quart) -> Requests:
    return app.test_client()


async def everything(client: Requests, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await (await client.get(f"/api/tasks?limit=500{query}{cursor}")).get_json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


async def exported(client: Requests, query: str) -> list[dict[str, str]]:
    response = await client.get(f"/api/tasks?format=csv{query}")
    assert response.status_code == 200, await response.get_data()
    return read_back(await response.get_data(as_text=False))


@pytest.mark.parametrize("query", ["", "&name=n1&sort=updated_at", "&source=t", "&state=lost", "&sort=name"])
async def test_an_export_has_all_that_the_pages_have_in_their_order(client: Requests, query: str) -> None:
    listed, lines = await everything(client, query), await exported(client, query)
    assert [line["key"] for line in lines] == [item["key"] for item in listed]
    for line, item in zip(lines, listed, strict=True):
        assert tuple(line) == COLUMNS
        for name in COLUMNS:
            check_cell(line[name], item[name])
    ndjson = await (await client.get(f"/api/tasks?format=ndjson{query}")).get_data(as_text=True)
    assert [json.loads(line) for line in ndjson.splitlines()] == listed


async def test_the_headers_say_what_file_it_is(client: Requests) -> None:
    response = await client.get("/api/tasks?format=csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["Content-Disposition"] == 'attachment; filename="taskscope-tasks-20231114T221320Z.csv"'
    assert response.headers["Cache-Control"] == "no-store"
    response = await client.get("/api/tasks?format=ndjson")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.headers["Content-Disposition"].endswith('Z.ndjson"')


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/jsonl", "application/x-ndjson"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("application/json, text/csv;q=0.9", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
    ],
)
async def test_the_accept_header_chooses_the_format(client: Requests, accept: str, content_type: str) -> None:
    response = await client.get("/api/tasks", headers={"Accept": accept})
    assert response.content_type.partition(";")[0] == content_type
    assert "Accept" in response.headers["Vary"].split(", ")


async def test_format_is_stronger_than_the_accept_header(client: Requests) -> None:
    response = await client.get("/api/tasks?format=json", headers={"Accept": "text/csv"})
    assert response.content_type == "application/json"


@pytest.mark.parametrize(
    ("query", "accept", "status", "field", "says"),
    [
        ("?format=xlsx", "*/*", 400, "format", "csv"),
        ("?format=CSV", "*/*", 400, "format", "'CSV'"),
        ("?format=csv&format=ndjson", "*/*", 400, "format", "once"),
        ("", "application/xml", 406, "Accept", "application/xml"),
        ("?format=csv&fields=id,nothing,key,some", "*/*", 400, "fields", "'nothing', 'some'"),
        ("?fields=nothing", "*/*", 400, "fields", "'nothing'"),
        ("?format=csv&cursor=abc", "*/*", 400, "cursor", "limit="),
        ("?format=csv&limit=0", "*/*", 400, "limit", "10000000"),
        ("?format=csv&limit=" + "9" * 4000, "*/*", 400, "limit", "10000000"),
        ("?format=csv&limit=0000000019999999", "*/*", 400, "limit", "10000000"),
        ("?limit=000000000501", "*/*", 400, "limit", "500"),
        ("?format=csv&sort=nothing", "*/*", 400, "sort", "updated_at"),
        ("?format=csv&state=nothing", "*/*", 400, "state", "failed"),
    ],
)
async def test_what_cannot_be_exported_is_a_problem_that_names_it(
    client: Requests, query: str, accept: str, status: int, field: str, says: str
) -> None:
    response = await client.get(f"/api/tasks{query}", headers={"Accept": accept})
    problem = await response.get_json(force=True)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    assert (problem["status"], problem["field"]) == (status, field)
    assert says in problem["detail"]


async def test_fields_choose_the_columns_and_limit_the_rows(client: Requests) -> None:
    assert await exported(client, "&fields=id,runtime_seconds&fields=state,id&limit=2") == [
        {"id": "599", "runtime_seconds": "", "state": "running"},
        {"id": "598", "runtime_seconds": "", "state": "running"},
    ]
    (other,) = await exported(client, "&source=t&fields=unknown")
    assert json.loads(other["unknown"])["queue"]
    assert len(await exported(client, "&limit=555")) == 555
    page = await (await client.get("/api/tasks?fields=id,state&limit=1")).get_json()
    assert page["items"] == [{"id": "599", "state": "running"}]


async def test_an_export_of_nothing_is_a_header(client: Requests) -> None:
    response = await client.get("/api/tasks?format=csv&state=lost&fields=id,name")
    assert await response.get_data() == b"id,name\r\n"
    response = await client.get("/api/tasks?format=ndjson&state=lost")
    assert await response.get_data() == b""


@pytest.mark.parametrize(("path", "rows"), [("/api/celery/tasks", 602), ("/api/rq/jobs", 0)])
async def test_the_lists_of_one_engine_are_exported_too(client: Requests, path: str, rows: int) -> None:
    response = await client.get(f"{path}?format=csv")
    assert len(read_back(await response.get_data(as_text=False))) == rows


async def test_an_export_has_the_sources_of_its_principal_alone(store: MemoryStore) -> None:
    async for app in running(create_app(Settings(), store, CLOCK, access=Seeing("t"))):
        assert [line["key"] for line in await exported(app.test_client(), "")] == ["t/other"]
        assert await exported(app.test_client(), "&source=s") == []


async def test_one_export_too_many_is_told_when_to_come_back(app: Quart, client: Requests) -> None:
    exports: Exports = app.extensions["taskscope"].exports
    slots = [exports.take() for _ in range(exports.concurrent)]
    response = await client.get("/api/tasks?format=csv")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "5")
    assert (await response.get_json(force=True))["type"] == "urn:taskscope:problem:too-many-exports"
    assert (await client.head("/api/tasks?format=csv")).status_code == 200
    assert (await client.get("/api/tasks")).status_code == 200
    slots.clear()
    assert (await client.get("/api/tasks?format=csv")).status_code == 200
    assert exports.running == 0


async def test_a_place_is_given_back_by_an_answer_that_was_never_sent(app: Quart) -> None:
    exports: Exports = app.extensions["taskscope"].exports
    async with app.test_request_context("/api/tasks?format=csv"):
        response = exports.stream("x", Format.CSV, CsvWriter(["a"]), _never(), CLOCK)
        assert exports.running == 1
        del response
        gc.collect()
    assert exports.running == 0


async def _never() -> AsyncGenerator[Sequence[dict[str, Any]]]:
    yield []


async def test_rows_that_are_there_already_are_exported_too(app: Quart) -> None:
    class Cell(msgspec.Struct):
        name: str
        runtime: dict[str, float | None]

    exports: Exports = app.extensions["taskscope"].exports
    rows = [Cell(f"=n{number}", {"p50": number / 2, "p99": None}) for number in range(TURN_ROWS + 1)]
    async with app.test_request_context("/api/tasks/analytics"):
        response = await exports.rows("analytics", Format.CSV, [*rows, {"extra": 1}], CLOCK)
        lines = read_back(await response.get_data(as_text=False))
        assert (lines[1], len(lines)) == ({"name": "'=n1", "runtime.p50": "0.5", "runtime.p99": "", "extra": ""}, len(rows) + 1)
        assert lines[-1] == {"name": "", "runtime.p50": "", "runtime.p99": "", "extra": "1"}
        response = await exports.rows("analytics", Format.NDJSON, rows, CLOCK)
        first = (await response.get_data(as_text=True)).splitlines()[0]
        assert json.loads(first) == {"name": "=n0", "runtime": {"p50": 0.0, "p99": None}}
    assert exports.running == 0


# ------------------------------------------------------------------------------------------- while tasks change and leave


def view_of(count: int) -> LiveView:
    live = LiveView()
    replica = live.replicas["s"] = Replica("s")
    for number in range(count):
        replica.put(task(f"{number:04}", seq=1, updated_at=START + number, args="1"))
    return live


@pytest.mark.parametrize("sort", ["updated_at", "-updated_at"])
async def test_tasks_that_change_are_exported_once_as_they_were_read_and_those_that_left_are_not(sort: str) -> None:
    live = view_of(2000)
    replica = live.replicas["s"]
    version = 1

    def change() -> None:
        nonlocal version
        version += 1
        for number in range(version % 7, 2000, 7):
            replica.put(task(f"{number:04}", seq=version, updated_at=START + 5000 + version, args=str(version)))
        replica.remove("1999", Position(1, version))
        replica.remove("0003", Position(1, version))
        replica.put(task(f"new-{version}", seq=version, updated_at=START + 9000 + version))

    async def changing() -> None:
        while True:
            change()
            await asyncio.sleep(0)

    disturber = asyncio.create_task(changing())
    rows: list[Any] = []
    async for batch in _batches(live, Matcher(Filter(), None), sort_named(sort), 10**6):
        rows += batch
        await asyncio.sleep(0)
    disturber.cancel()
    ids = [row.id for row in rows if not row.id.startswith("new-")]
    assert len(ids) == len(set(ids))
    assert len({row.key for row in rows}) == len(rows)
    assert all(row.args == row.version.partition("-")[2] for row in rows if not row.id.startswith("new-"))
    assert version > 5


async def test_what_does_not_match_any_more_or_left_after_the_beginning_is_left_out() -> None:
    live = view_of(200)
    replica = live.replicas["s"]
    batches = _batches(live, Matcher(Filter(state=("running",)), None), sort_named("updated_at"), 10**6)
    rows = list(await anext(batches))
    replica.put(task("0100", seq=2, state=State.SUCCEEDED, updated_at=START + 900))
    replica.put(task("0101", seq=2, updated_at=START + 900, args="new"))
    replica.remove("0102", Position(1, 2))
    replica.put(task("0000", seq=3, updated_at=START + 900, args="too late"))
    replica.put(task("late", seq=3, updated_at=START + 901))
    rows += [row async for batch in batches for row in batch]
    ids = [row.id for row in rows]  # type: ignore[attr-defined]
    assert ids == [f"{number:04}" for number in range(200) if number not in (100, 102)]
    assert [rows[number].args for number in (0, 100)] == ["1", "new"]  # type: ignore[attr-defined]


async def test_a_source_that_goes_away_ends_its_rows_alone() -> None:
    live = view_of(200)
    other = live.replicas["t"] = Replica("t")
    other.put(task("other", source="t", updated_at=START - 1))
    batches = _batches(live, Matcher(Filter(), None), sort_named("-updated_at"), 10**6)
    first = await anext(batches)
    live.forget("s")
    rest = [row.key async for batch in batches for row in batch]  # type: ignore[attr-defined]
    assert (len(first), rest) == (64, ["t/other"])

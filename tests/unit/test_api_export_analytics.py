"""Analytics as CSV and NDJSON say what the JSON answer says."""

import csv
import json
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import msgspec
import pytest
from quart import Quart, Response
from quart.typing import TestClientProtocol as Requests
from support.api import task
from support.ledger import Ledger
from support.waiting import eventually
from taskscope_api.analytics.rows import Analytics
from taskscope_api.app import create_app
from taskscope_api.errors import ApiError
from taskscope_api.export_analytics import Table, export_analytics, table_asked
from taskscope_api.export_rows import Format, undefused
from taskscope_api.exports import Exports
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import State
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

STARTS = ["2026-03-01T09:30:00.000Z", "2026-03-01T09:35:00.000Z"]
DURATIONS = {"count": 2, "mean": 1.5, "p50": 1.25, "p95": None, "p99": 2.0}
COUNTS = ("attempts", "finished", "succeeded", "failed", "retried", "revoked", "rejected", "lost")
TOTALS = {
    **dict.fromkeys(COUNTS, 3),
    "success_rate": 0.5,
    "retry_rate": None,
    "per_second": 0.25,
    "runtime": DURATIONS,
    "wait": None,
}
SERIES_COUNTS = ("succeeded", "failed", "retried", "revoked", "rejected", "lost")
QUANTILES = tuple(f"{what}_{part}" for what in ("runtime", "wait") for part in ("p50", "p95", "p99"))
COLUMNS = {
    **{name: [1, None] for name in SERIES_COUNTS},
    **{name: [0.5, None] for name in ("runtime_mean", "wait_mean", *QUANTILES)},
}


def group(name: str | None, **fields: Any) -> dict[str, Any]:
    return {**TOTALS, "group": name, "kind": "vod", "share": 1.0, "slowest": [], "latest_failed": [], **fields}


def analytics(**fields: Any) -> Analytics:
    stretch = {"start": STARTS[0], "end": STARTS[1], "seconds": 300.0, "watched": 1.0, "totals": TOTALS}
    change = dict.fromkeys(("per_second", "success_rate", "retry_rate", "runtime_mean", "runtime_p95", "wait_mean", "wait_p95"))
    known = {
        "at": STARTS[1], "start": STARTS[0], "end": STARTS[1], "seconds": 300.0, "group_by": "name", "sources": ["s"],
        "watched": 1.0, "watched_from": STARTS[0], "unwatched": [],
        "stale": False, "stale_reasons": [], "gaps": [], "totals": TOTALS, "slowest": [], "latest_failed": [], "before": None,
        "change": None, "groups": [group("=evil", wait=DURATIONS), group(None)], "group_count": 2, "unattributed": None,
        "series": {
            "bucket_seconds": 300, "starts": STARTS, "total": COLUMNS, "groups": [{**COLUMNS, "group": "=evil"}],
            "rest": {**COLUMNS, **dict.fromkeys(QUANTILES)},
        },
        "kinds": None, "queues": [], "unknown": {},
        "last_day": {
            "now": stretch, "before": stretch, "trend": change,
            "hours": [], "finished": [], "success_rate": [], "runtime_mean": [],
        },
    }  # fmt: skip
    return msgspec.convert({**known, **fields}, Analytics)


async def exported(found: Analytics, format_: Format, table: Table) -> tuple[Response, str]:
    async with Quart("test").test_request_context("/api/tasks/analytics"):
        response = await export_analytics(Exports(), ManualClock(), found, format_, table)
        return response, (await response.get_data(as_text=False)).decode()


async def lines(found: Analytics, table: Table) -> list[dict[str, str]]:
    _, text = await exported(found, Format.CSV, table)
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


async def test_groups_are_lines_whose_durations_are_columns() -> None:
    first, second = await lines(analytics(), Table.GROUPS)
    assert list(first)[:5] == ["start", "end", "group_by", "group", "kind"]
    assert (undefused(first["group"]), first["group"], second["group"]) == ("=evil", "'=evil", "")
    assert (first["start"], first["attempts"], first["success_rate"], first["slowest"]) == (STARTS[0], "3", "0.5", "[]")
    assert [first[f"wait.{name}"] for name in DURATIONS] == ["2", "1.5", "1.25", "", "2.0"]
    assert [second[f"wait.{name}"] for name in DURATIONS] == [""] * 5
    assert "wait" not in first


async def test_points_of_the_series_are_lines() -> None:
    found = await lines(analytics(), Table.SERIES)
    assert [(line["start"], line["series"], line["group"]) for line in found] == [
        (STARTS[0], "total", ""),
        (STARTS[1], "total", ""),
        (STARTS[0], "group", "'=evil"),
        (STARTS[1], "group", "'=evil"),
        (STARTS[0], "rest", ""),
        (STARTS[1], "rest", ""),
    ]
    assert [(line["succeeded"], line["runtime_p50"]) for line in found] == [("1", "0.5"), ("", "")] * 2 + [("1", ""), ("", "")]


async def test_ndjson_has_the_groups_as_the_answer_has_them() -> None:
    answer = analytics()
    response, text = await exported(answer, Format.NDJSON, Table.GROUPS)
    found = [json.loads(line) for line in text.splitlines()]
    listed = json.loads(msgspec.json.encode(answer.groups))
    assert found == [{"start": STARTS[0], "end": STARTS[1], "group_by": "name", **one} for one in listed]
    assert response.headers["Content-Disposition"] == 'attachment; filename="taskscope-analytics-20231114T221320Z.ndjson"'


async def test_an_answer_without_groups_or_series_is_empty() -> None:
    found = analytics(groups=[], series=None)
    assert (await exported(found, Format.CSV, Table.GROUPS))[1] == ""
    assert (await exported(found, Format.CSV, Table.SERIES))[1].startswith("start,series,group,succeeded")
    assert (await exported(found, Format.NDJSON, Table.SERIES))[1] == ""


def test_an_unknown_table_is_named() -> None:
    assert (table_asked({}), table_asked({"table": ["series"]})) == (Table.GROUPS, Table.SERIES)
    with pytest.raises(ApiError, match="'rows' is no table; use one of groups, series"):
        table_asked({"table": ["rows"]})


@pytest.fixture
async def client() -> AsyncIterator[Requests]:
    clock = ManualClock(1_800_000_000.0)
    store = MemoryStore(clock)
    ledger = Ledger(store, clock, "s")
    await ledger.begin()
    ended = {"finished_at": clock.now() - 60, "runtime_seconds": 2.0}
    await ledger.write(*(task(str(number), state=State.SUCCEEDED, **ended) for number in range(3)))
    app = create_app(Settings(), store, clock)
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and "s" in services.live.replicas)
        yield running.test_client()


async def test_the_route_exports_what_it_answers(client: Requests) -> None:
    answer = await (await client.get("/api/tasks/analytics?window=1h")).get_json()
    response = await client.get("/api/tasks/analytics?window=1h", headers={"Accept": "text/csv"})
    (line,) = csv.DictReader(StringIO(await response.get_data(as_text=True), newline=""), strict=True)
    assert (line["group"], line["attempts"], line["runtime.mean"]) == ("archive.encode", "3", "2.0")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="taskscope-analytics-2027')
    points = await (await client.get("/api/tasks/analytics?window=1h&format=ndjson&table=series")).get_data(as_text=True)
    total = [json.loads(line) for line in points.splitlines() if json.loads(line)["series"] == "total"]
    assert [point["start"] for point in total] == answer["series"]["starts"]
    assert [point["succeeded"] for point in total] == answer["series"]["total"]["succeeded"]


@pytest.mark.parametrize(
    ("query", "field"), [("format=xlsx", "format"), ("table=rows", "table"), ("format=csv&window=x", "window")]
)
async def test_the_route_names_what_it_cannot_export(client: Requests, query: str, field: str) -> None:
    response = await client.get(f"/api/tasks/analytics?{query}")
    assert (response.status_code, (await response.get_json(force=True))["field"]) == (400, field)

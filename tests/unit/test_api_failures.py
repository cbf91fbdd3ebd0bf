"""Failures by exception type and shape of message."""

import csv
import json
import re
import time
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart.typing import TestClientProtocol as Requests
from support.access import Seeing
from support.api import Writing, task
from support.waiting import eventually
from taskscope_api.analytics.failures import shape
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import State, Task
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

NOW = 1_800_000_000.0


def failed(id_: str, message: str | None, kind_of: str | None = "KeyError", ago: float = 60.0, **fields: Any) -> Task:
    known = {"exception": message, "exception_type": kind_of, "finished_at": NOW - ago, "kind": "vod", "queue": "q"}
    return task(id_, state=State.FAILED, **{**known, **fields})


@pytest.fixture(params=[None, Seeing("s")], ids=["all", "narrow"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Requests]:
    clock = ManualClock(NOW)
    store = MemoryStore(clock)
    one = await Writing(store, clock).begin()
    await one.write(
        failed("1", "no key 'a17' in 3 attempts", ago=300.0),
        failed("2", "no key 'b' in 12 attempts", ago=20.0, name="other.task"),
        failed("3", "no key 'c' in 1 attempts", "LookupError", queue="r"),
        failed("4", None, None),
        failed("old", "no key 'd' in 2 attempts", ago=90_000.0),
        task("fine", state=State.SUCCEEDED, finished_at=NOW - 5),
    )
    other = await Writing(store, clock, "t").begin()
    await other.write(failed("5", "no key 'e' in 7 attempts"))
    app = create_app(Settings(), store, clock, access=request.param)
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and len(services.live.replicas) == 2)
        yield running.test_client()


async def get(client: Requests, query: str = "", status: int = 200) -> Any:
    response = await client.get(f"/api/tasks/analytics/failures?{query}")
    assert response.status_code == status, await response.get_data()
    return await response.get_json(force=True)


async def test_equal_causes_are_one_group_with_the_latest_as_its_example(
    client: Requests, request: pytest.FixtureRequest
) -> None:
    narrow = "narrow" in request.node.name
    found = await get(client, "window=24h")
    first = found["items"][0]
    assert (first["exception_type"], first["shape"]) == ("KeyError", "no key <text> in <n> attempts")
    assert first["count"] == (2 if narrow else 3)
    assert (first["example"]["id"], first["example"]["message"]) == ("2", "no key 'b' in 12 attempts")
    assert first["names"] == ["other.task", "archive.encode"]
    assert (first["first_at"], first["last_at"]) == ("2027-01-15T07:55:00.000Z", "2027-01-15T07:59:40.000Z")
    assert {(each["exception_type"], each["shape"]) for each in found["items"][1:]} == {
        ("LookupError", "no key <text> in <n> attempts"),
        (None, None),
    }
    assert (found["failed"], found["group_count"]) == ((4, 3) if narrow else (5, 3))
    assert "retained" in found["covers"]


async def test_filters_and_the_window_choose_the_tasks(client: Requests) -> None:
    assert (await get(client, "queue=r&kind=vod"))["failed"] == 1
    assert (await get(client, "name=other.*&window=1m"))["failed"] == 1
    assert (await get(client, "window=30s"))["failed"] == 1
    assert (await get(client, f"window=1d&until={NOW - 80_000}"))["failed"] == 1
    assert len((await get(client, "groups=1"))["items"]) == 1
    for window in ("never", "100y", "-1h", "91d", "9999999w"):
        assert (await get(client, f"window={window}", 400))["field"] == "window"
    for until in ("0", "-5", "2099-01-01", "1e300", "inf"):
        assert (await get(client, f"until={until}", 400))["field"] == "until"
    assert (await get(client, f"window=30s&until={NOW + 60}"))["failed"] == 1  # clocks differ
    assert (await get(client, "state=failed", 400))["field"] == "state"


async def test_the_groups_come_as_files_too(client: Requests) -> None:
    groups = (await get(client))["items"]
    response = await client.get("/api/tasks/analytics/failures?format=csv")
    assert response.content_type.startswith("text/csv")
    rows = list(csv.DictReader(StringIO(await response.get_data(as_text=True), newline="")))
    told = [(row["exception_type"], row["shape"], row["count"], row["example.id"], row["example.message"]) for row in rows]
    assert told == [
        (
            one["exception_type"] or "",
            one["shape"] or "",
            str(one["count"]),
            one["example"]["id"],
            one["example"]["message"] or "",
        )
        for one in groups
    ]
    assert {row["end"] for row in rows} == {"2027-01-15T08:00:00.000Z"}
    lines = await client.get("/api/tasks/analytics/failures", headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line)["example"] for line in (await lines.get_data()).splitlines()] == [one["example"] for one in groups]
    refused = await client.get("/api/tasks/analytics/failures", headers={"Accept": "image/png"})
    assert (refused.status_code, (await refused.get_json(force=True))["field"]) == (406, "Accept")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("timed out after 30.5 s, 4 left.", "timed out after <n> s, <n> left."),
        ("user 6f1d2c3a-7d1e-4a55-9b1f-0a6b7c8d9e0f not found", "user <id> not found"),
        ("<Foo object at 0x7f3a11ffac10> is bad", "<Foo object at <id>> is bad"),
        ('cannot open "/var/a.txt": errno 2', "cannot open <text>: errno <n>"),
        ("commit deadbeef01 is gone", "commit <id> is gone"),
        ("a facade defaced", "a facade defaced"),
        ("utf8 is not utf16", "utf8 is not utf16"),
        ("many   spaces\nand lines", "many spaces and lines"),
        ("it's not a user's number", "it's not a user's number"),
        ("", ""),
    ],
)
def test_what_differs_from_case_to_case_is_replaced(message: str, expected: str) -> None:
    assert shape(message) == expected


@given(st.text(), st.integers(0, 10**12), st.integers(0, 10**12))
def test_messages_that_differ_in_a_number_have_one_shape(text: str, one: int, other: int) -> None:
    plain = re.sub(r"[^a-z ]", "", text)
    assert shape(f"{plain} took {one} s") == shape(f"{plain} took {other} s")


@pytest.mark.parametrize("part", ["'", '"', "a", "0", "f", "-", "0x", "12345678-"])
def test_no_message_takes_long(part: str) -> None:
    began = time.perf_counter()
    shape(part * 100_000)
    assert time.perf_counter() - began < 0.5

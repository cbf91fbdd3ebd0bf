"""Analytics over the in-memory store: what is asked, what is answered, and for whom."""

import csv
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.access import Seeing
from support.analytics import NOW, Site, ended, serving
from taskscope_shared.model import Attempt, Engine, Queue, State
from taskscope_shared.store import StoreError


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async for made in serving(Site()):
        yield made


@pytest.fixture
async def narrow() -> AsyncIterator[Site]:
    async for made in serving(Site(), Seeing("s")):
        yield made


async def test_counts_rates_and_durations_of_a_window(site: Site) -> None:
    retried = Attempt(1, State.RETRYING, finished_at=NOW - 60, runtime_seconds=1.0)
    await site.s.write(
        *[ended(str(n), runtime_seconds=float(n + 1)) for n in range(8)],
        ended("bad", State.FAILED, exception_type="ValueError", history=(retried,), attempts=2),
        ended("stopped", State.REVOKED, runtime_seconds=None, wait_seconds=None),
    )
    found = await site.get("window=1h&bucket=5m")
    totals = found["totals"]
    assert (totals["attempts"], totals["finished"], totals["succeeded"]) == (11, 10, 8)
    assert (totals["failed"], totals["retried"], totals["revoked"]) == (1, 1, 1)
    assert totals["success_rate"] == pytest.approx(8 / 9, abs=1e-6)
    assert totals["retry_rate"] == pytest.approx(1 / 11, abs=1e-6)
    assert totals["per_second"] == pytest.approx(10 / found["seconds"], abs=1e-6)
    assert totals["runtime"]["mean"] == pytest.approx((36 + 2 + 1) / 10, abs=1e-6)
    assert totals["runtime"]["p50"] == pytest.approx(3, rel=0.025)
    assert (totals["wait"]["count"], totals["wait"]["mean"], totals["wait"]["p99"]) == (9, 0.5, pytest.approx(0.5, rel=0.0244))
    assert found["quantile_error"] == 0.0244
    assert found["slowest"][0] | {"ended_at": None} == {
        "id": "7", "source": "s", "ended_at": None, "seconds": 8.0, "exception_type": None, "retained": True,
    }  # fmt: skip
    assert [each["id"] for each in found["latest_failed"]] == ["bad"]


async def test_groups_are_the_largest_first_with_their_share_and_series(site: Site) -> None:
    await site.s.write(*[ended(f"a{n}", name="a") for n in range(3)], ended("b", name="b", kind="cleanup"))
    await site.t.write(ended("c", name="a", finished_at=NOW - 400), ended("d", name=None))
    found = await site.get("window=1h&bucket=5m&series=1")
    assert [(row["group"], row["kind"], row["attempts"]) for row in found["groups"]] == [("a", "vod", 4), ("b", "cleanup", 1)]
    assert found["groups"][0]["share"] == pytest.approx(4 / 6, abs=1e-6)
    assert (found["totals"]["attempts"], found["unattributed"], found["group_count"]) == (6, 1, 2)
    series = found["series"]
    assert [each["group"] for each in series["groups"]] == ["a"]
    assert (sum(series["total"]["succeeded"]), sum(series["groups"][0]["succeeded"]), sum(series["rest"]["succeeded"])) == (
        6,
        4,
        2,
    )
    assert series["groups"][0]["succeeded"][-2:] == [1, 3]
    assert (series["groups"][0]["runtime_mean"][-1], series["rest"]["runtime_mean"][-1]) == (2.0, 2.0)
    assert series["groups"][0]["runtime_mean"][0] is None
    assert series["rest"]["runtime_p95"] is None
    assert len(series["starts"]) == len(series["total"]["lost"]) == 12
    assert [(each["kind"], each["attempts"]) for each in found["kinds"]] == [("vod", 4), ("cleanup", 1), ("other", 1)][:2]


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("kind", {"vod": 2, "cleanup": 1}),
        ("queue", {"q": 2, "r": 1}),
        ("worker", {"w": 1, "v": 2}),
        ("source", {"s": 2, "t": 1}),
    ],
)
async def test_every_grouping_counts_the_same_attempts(site: Site, group_by: str, expected: dict[str, int]) -> None:
    await site.s.write(ended("1"), ended("2", name="x", kind="cleanup", queue="r", worker="v"))
    await site.t.write(ended("3", name="y", worker="v"))
    found = await site.get(f"window=1h&group_by={group_by}")
    assert {row["group"]: row["attempts"] for row in found["groups"]} == expected
    series = {each["group"]: sum(each["succeeded"]) for each in found["series"]["groups"]}
    assert series == expected
    assert sum(found["series"]["total"]["succeeded"]) == found["totals"]["succeeded"] == 3


async def test_workers_have_counts_alone_and_the_answer_says_why(site: Site) -> None:
    await site.s.write(ended("1"))
    found = await site.get("window=1h&group_by=worker")
    assert (found["groups"][0]["runtime"], found["groups"][0]["succeeded"]) == (None, 1)
    assert found["totals"]["runtime"]["count"] == 1
    assert "counts alone" in found["unknown"]["groups.runtime"]
    assert found["series"]["groups"][0]["runtime_p50"] is None
    filtered = await site.get("window=1h&worker=w")
    assert (filtered["totals"]["succeeded"], filtered["totals"]["runtime"]) == (1, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=vod", 2),
        ("name=archive.*", 1),
        ("name=*ode,zip", 2),
        ("queue=r", 2),
        ("worker=v&group_by=source", 1),
        ("source=t", 1),
        ("source=t&kind=vod", 0),
        ("source=nowhere", 0),
        ("name=zip&kind=cleanup", 1),
    ],
)
async def test_filters_that_a_marginal_can_answer(site: Site, query: str, expected: int) -> None:
    await site.s.write(ended("1"), ended("2", name="x", queue="r", worker="v"))
    await site.t.write(ended("3", name="zip", kind="cleanup", queue="r"))
    found = await site.get(f"window=1h&{query}")
    assert found["totals"]["succeeded"] == expected
    assert sum(found["series"]["total"]["succeeded"]) == expected
    assert found["last_day"]["now"]["totals"]["succeeded"] == expected
    assert sum(found["last_day"]["finished"]) == expected


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("kind=vod&queue=q", "queue", "each by itself"),
        ("queue=q&group_by=name", "queue", "group_by=queue"),
        ("worker=w&group_by=kind", "worker", "group_by=worker"),
        ("group_by=color", "group_by", "name, kind, queue, worker, source"),
        ("window=91d", "window", "90d"),
        ("window=1d&until=2026-10-18T00:00:00Z", "window", "90d"),
        ("window=30s", "window", "1m"),
        ("window=soon", "window", "24h"),
        ("window=60d&compare=true", "compare", "90d"),
        ("window=24h&bucket=1m", "bucket", "take 5m"),
        ("window=7d&bucket=5m", "bucket", "take 1h"),
        ("window=90d&bucket=1h", "bucket", "take 3h"),
        ("window=1h&bucket=90s", "bucket", "multiple of 1m"),
        ("window=1h&bucket=7m", "bucket", "divides a day"),
        ("window=1h&bucket=2h", "bucket", "longer than the window"),
        ("bucket=0m", "bucket", "no duration"),
        ("until=yesterday", "until", "RFC 3339"),
        ("until=nan", "until", "RFC 3339"),
        ("until=2026-01-01T00:00:00", "until", "90d"),
        ("until=0", "until", "90d"),
        ("until=9999-12-31T23:59:59Z", "until", "still to come"),
        ("until=1e300", "until", "still to come"),
        ("window=100y", "window", "24h"),
        ("window=-1h", "window", "24h"),
        ("bucket=1s", "bucket", "1m"),
        ("compare=perhaps", "compare", "true nor false"),
        ("series=51", "series", "between 0 and 50"),
        ("groups=501", "groups", "between 0 and 500"),
        ("windows=1h", "windows", "window"),
        ("window=1h&window=2h", "window", "once"),
        ("name=" + "x" * 600, "name", "512"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_what_can(site: Site, query: str, field: str, says: str) -> None:
    named, detail = await site.problem(query)
    assert named == field
    assert says in detail


async def test_a_principal_sees_its_own_sources_alone(narrow: Site) -> None:
    await narrow.s.write(ended("1"))
    await narrow.t.write(ended("2"), ended("3", name="secret"), queues=[Queue("q", "t", Engine.CELERY, depth=3)])
    found = await narrow.get("window=1h")
    assert (found["sources"], found["totals"]["succeeded"], [row["group"] for row in found["groups"]]) == (
        ["s"],
        1,
        ["archive.encode"],
    )
    assert (found["queues"], found["last_day"]["now"]["totals"]["succeeded"]) == ([], 1)
    assert (await narrow.get("window=1h&source=t"))["totals"]["attempts"] == 0
    assert [row["group"] for row in (await narrow.get("window=1h&group_by=source"))["groups"]] == ["s"]


async def test_a_correction_of_a_closed_period_is_in_the_next_answer(site: Site) -> None:
    await site.s.write(ended("1", State.LOST, finished_at=NOW - 1000, runtime_seconds=None), ended("2", finished_at=NOW - 1000))
    await site.s.advance(4000)
    before = await site.get("window=2h&bucket=5m")
    assert (before["totals"]["lost"], before["totals"]["succeeded"]) == (1, 1)
    await site.s.write(ended("1", finished_at=NOW - 1000))
    site.clock.advance(11)
    after = await site.get("window=2h&bucket=5m")
    assert (after["totals"]["lost"], after["totals"]["succeeded"]) == (0, 2)
    assert (sum(after["series"]["total"]["lost"]), sum(after["series"]["total"]["succeeded"])) == (0, 2)


async def test_what_did_not_change_is_not_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.s.write(*[ended(str(n), finished_at=NOW - 60 * n) for n in range(50)])
    await site.s.advance(700)
    asked: list[int] = []
    load = site.store.load_cells
    monkeypatch.setattr(site.store, "load_cells", counting(load, asked))
    first = await site.get("window=2h&bucket=5m&source=s")
    cold, asked[:] = sum(asked), []
    assert await site.get("window=2h&bucket=5m&source=s") == first
    assert asked == []
    site.clock.advance(2)
    await site.get("window=2h&bucket=5m&source=s")
    assert 0 < sum(asked) < cold / 3


def counting(load: Callable[..., Any], asked: list[int]) -> Callable[..., Any]:
    async def counted(source: str, wanted: Any) -> Any:
        asked.append(len(wanted))
        return await load(source, wanted)

    return counted


async def test_the_window_before_is_compared_and_may_end_earlier(site: Site) -> None:
    await site.s.write(*[ended(f"old{n}", finished_at=NOW - 3700 - n, runtime_seconds=1.0) for n in range(10)])
    await site.s.write(*[ended(f"new{n}", finished_at=NOW - 100 - n) for n in range(20)], ended("f", State.FAILED))
    found = await site.get("window=1h&bucket=5m&compare=true")
    assert (found["before"]["totals"]["succeeded"], found["totals"]["succeeded"]) == (10, 20)
    assert found["change"]["per_second"] == pytest.approx(21 / 10 * found["before"]["seconds"] / found["seconds"], abs=1e-3)
    assert found["change"]["runtime_mean"] == 2.0
    assert found["change"]["success_rate"] == pytest.approx(20 / 21 - 1, abs=1e-5)
    earlier = await site.get(f"window=1h&bucket=5m&until={NOW - 3600}")
    assert (earlier["totals"]["succeeded"], earlier["seconds"]) == (10, 3600.0)
    assert (await site.get("window=1h"))["before"] is None


async def test_an_answer_that_was_just_made_is_not_given_again_as_live_when_its_source_became_stale(site: Site) -> None:
    assert not (await site.get("window=1h"))["stale"]
    site.live.mark("s", "its collector is silent")
    body = await site.get("window=1h")
    assert (body["stale"], body["stale_reasons"]) == (True, ["s: its collector is silent"])


async def test_while_redis_is_away_the_last_answer_is_given_marked_stale_else_a_503(site: Site) -> None:
    await site.s.write(ended("1"))
    known = await site.get("window=1h")
    site.store.fault = StoreError("the store cannot be reached: refused")
    site.clock.advance(2)
    again = await site.client.get("/api/tasks/analytics?window=1h")
    body = await again.get_json()
    assert (again.status_code, again.headers["X-Taskscope-Stale"], body["stale"]) == (200, "true", True)
    assert (body["at"], body["totals"]) == (known["at"], known["totals"])
    assert "refused" in body["stale_reasons"][0]
    problem = await site.get("window=2h", 503)
    assert problem["type"] == "urn:taskscope:problem:analytics-unavailable"
    assert "refused" in problem["detail"]


async def test_what_expired_is_null_and_told_as_a_gap(site: Site) -> None:
    found = await site.get("window=6h&bucket=1m")
    assert found["series"]["total"]["succeeded"][0] is None
    assert found["series"]["total"]["succeeded"][20] == 0
    assert "before the cells that are kept" in found["unknown"]["series.total"]
    long = await site.get("window=90d")
    assert {gap["source"] for gap in long["gaps"]} == {"s", "t"}
    assert long["gaps"][0]["start"] == long["start"]


async def test_a_long_window_is_answered_in_buckets_that_fit(site: Site) -> None:
    await site.s.write(ended("1", finished_at=NOW - 80 * 86_400), ended("2", finished_at=NOW - 3 * 86_400))
    found = await site.get("window=90d")
    assert (found["series"]["bucket_seconds"], found["totals"]["succeeded"]) == (86_400, 2)
    assert sum(each or 0 for each in found["series"]["total"]["succeeded"]) == 2
    assert (await site.get("window=90d&bucket=3h"))["totals"]["succeeded"] == 2


async def test_groups_and_points_as_files(site: Site) -> None:
    await site.s.write(ended("1"))
    response = await site.client.get("/api/tasks/analytics?window=1h&bucket=5m&format=csv")
    rows = list(csv.DictReader((await response.get_data(as_text=True)).splitlines()))
    assert response.content_type.startswith("text/csv")
    assert [(row["group"], row["attempts"], row["runtime.mean"]) for row in rows] == [("archive.encode", "1", "2.0")]
    points = await site.client.get(
        "/api/tasks/analytics?window=1h&bucket=5m&table=series", headers={"Accept": "application/x-ndjson"}
    )
    assert len((await points.get_data(as_text=True)).splitlines()) == 36
    assert await site.problem("format=xml") == ("format", "'xml' is no format; use one of json, csv, ndjson")
    assert (await site.problem("table=legs"))[0] == "table"

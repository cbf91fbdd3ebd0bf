"""Analytics of windows that nobody watched as a whole: rates are of what was watched, and nothing is compared with the rest."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.analytics import NOW, Site, ended, serving
from support.waiting import eventually
from taskscope_api.wire import moment_text
from taskscope_shared.model import Engine, Queue
from taskscope_shared.watched import FIELD, Watched

HOUR = 3600


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async for made in serving(Site()):
        yield made


async def watching(site: Site, s: Watched, t: Watched | None = None) -> None:
    """The sources were watched so, up to now."""
    for ledger, watched in ((site.s, s), (site.t, t or s)):
        ledger.restart({"rolled:3600": str(int(NOW)), FIELD: watched.text_at(NOW)})
        await ledger.write()
    site.clock.advance(2)


def minutes_ago(minutes: float) -> int:
    return int(NOW - 60 * minutes)


async def test_a_rate_is_of_the_time_that_was_watched(site: Site) -> None:
    await watching(site, Watched(minutes_ago(10)))
    await site.s.write(*[ended(str(n)) for n in range(30)])
    found = await site.get("window=24h")
    assert found["totals"]["per_second"] == pytest.approx(30 / 602, abs=1e-4)
    assert found["groups"][0]["per_second"] == found["totals"]["per_second"]
    assert found["seconds"] == 602
    assert found["watched"] == pytest.approx(602 / (24 * HOUR), rel=0.02)
    assert found["watched_from"] == moment_text(minutes_ago(10))
    assert {each["source"]: (each["start"], each["end"]) for each in found["unwatched"]} == dict.fromkeys(
        "st", (found["start"], moment_text(minutes_ago(10)))
    )


async def test_a_window_that_was_watched_as_a_whole_says_so(site: Site) -> None:
    found = await site.get("window=1h")
    assert (found["watched"], found["watched_from"], found["unwatched"]) == (1.0, found["start"], [])


async def test_what_was_found_of_the_time_before_is_counted_and_in_no_rate(site: Site) -> None:
    await watching(site, Watched(minutes_ago(10)))
    await site.s.write(*[ended(f"old{n}", finished_at=NOW - 7200) for n in range(500)], ended("new"))
    found = await site.get("window=24h&bucket=5m")
    assert found["totals"]["finished"] == 501
    assert found["totals"]["per_second"] == pytest.approx(1 / 602, abs=1e-5)
    assert sum(each or 0 for each in found["series"]["total"]["succeeded"]) == 501


async def test_the_series_has_no_zeros_where_nobody_watched(site: Site) -> None:
    await watching(site, Watched(minutes_ago(10)))
    await site.s.write(ended("1"))
    found = await site.get("window=1h&bucket=5m")
    succeeded = found["series"]["total"]["succeeded"]
    assert succeeded[:9] == [None] * 9
    assert (sum(succeeded[-2:]), succeeded[-3:].count(None)) == (1, 0)
    assert found["series"]["groups"][0]["succeeded"][0] is found["series"]["rest"]["succeeded"][0] is None
    assert "nobody watched" in found["unknown"]["series.total"]
    assert found["last_day"]["finished"][0] is None


async def test_a_stretch_without_a_collector_is_left_out_of_rates(site: Site) -> None:
    await watching(site, Watched(0, gaps=((minutes_ago(40), minutes_ago(10)),)))
    await site.s.write(*[ended(str(n)) for n in range(30)], ended("meanwhile", finished_at=NOW - 1500))
    found = await site.get("window=1h&bucket=1m")
    assert found["totals"]["finished"] == 31
    assert found["totals"]["per_second"] == pytest.approx(30 / found["seconds"], abs=1e-5)
    assert found["seconds"] == pytest.approx(1800, abs=60)
    assert found["watched_from"] == found["start"]


async def test_while_no_collector_runs_time_does_not_lower_the_rate(site: Site) -> None:
    await site.s.write(*[ended(str(n)) for n in range(30)])
    before = (await site.get("window=1h&source=s"))["totals"]["per_second"]
    site.clock.advance(1200)
    found = await site.get("window=1h&source=s")
    assert found["totals"]["per_second"] == pytest.approx(30 / 2400, rel=0.03)
    assert before < found["totals"]["per_second"]
    assert found["unwatched"][0]["end"] == found["end"]


async def test_the_rates_of_sources_that_were_watched_differently_add_up(site: Site) -> None:
    await watching(site, Watched(0), Watched(minutes_ago(10)))
    await site.s.write(*[ended(f"s{n}", name="of_s") for n in range(24)])
    await site.t.write(*[ended(f"t{n}", name="of_t") for n in range(60)])
    found = await site.get("window=24h")
    by_name = {row["group"]: row["per_second"] for row in found["groups"]}
    assert by_name["of_t"] == pytest.approx(60 / 602, abs=1e-4)
    assert by_name["of_s"] == pytest.approx(24 / found["seconds"], abs=1e-5)
    assert found["totals"]["per_second"] == pytest.approx(sum(by_name.values()), abs=1e-5)
    by_source = {row["group"]: row["per_second"] for row in (await site.get("window=24h&group_by=source"))["groups"]}
    assert by_source == {"s": by_name["of_s"], "t": by_name["of_t"]}
    assert (found["watched_from"], {each["source"] for each in found["unwatched"]}) == (found["start"], {"t"})


async def test_nothing_is_compared_with_a_window_that_was_not_watched(site: Site) -> None:
    await watching(site, Watched(minutes_ago(70)))
    await site.s.write(*[ended(str(n)) for n in range(30)], ended("old", finished_at=NOW - 4000))
    found = await site.get("window=1h&compare=true")
    assert found["before"]["watched"] < 0.9
    assert set(found["change"].values()) == {None}
    assert set(found["last_day"]["trend"].values()) == {None}
    assert "nobody watched" in found["unknown"]["change"]
    assert "nobody watched" in found["unknown"]["last_day.trend"]


async def test_a_short_stretch_without_a_collector_does_not_end_comparisons(site: Site) -> None:
    await watching(site, Watched(0, gaps=((minutes_ago(100), minutes_ago(97)),)))
    await site.s.write(*[ended(str(n)) for n in range(30)], *[ended(f"o{n}", finished_at=NOW - 4000) for n in range(10)])
    found = await site.get("window=1h&compare=true")
    assert 0.9 < found["before"]["watched"] < 1
    assert found["change"]["per_second"] == pytest.approx(3 * 57 / 60, rel=0.05)
    assert "change" not in found["unknown"]


async def test_a_window_of_which_nothing_was_watched_has_no_rate(site: Site) -> None:
    await watching(site, Watched(minutes_ago(10)))
    found = await site.get(f"window=1h&until={NOW - 2 * HOUR}")
    assert (found["totals"]["per_second"], found["watched_from"], found["watched"]) == (None, None, 0)


async def test_a_queue_drains_at_the_rate_of_the_minutes_that_were_watched(site: Site) -> None:
    await watching(site, Watched(minutes_ago(5)))
    await site.s.write(*[ended(str(n)) for n in range(30)], queues=[Queue("q", "s", Engine.CELERY, depth=10)])
    await eventually(lambda: bool(site.live.queues(lambda _: True)), what="the queue to be known")
    row: dict[str, Any] = (await site.get("window=1h"))["queues"][0]
    assert row["finished_per_second"] == pytest.approx(30 / 302, abs=1e-4)
    assert row["seconds_to_drain"] == pytest.approx(10 * 302 / 30, rel=0.01)

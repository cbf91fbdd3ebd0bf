"""What analytics tell of queues: how long they take to drain, and what comes into them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.analytics import NOW, Site, ended, serving
from support.waiting import eventually
from taskscope_shared.model import Engine, Queue


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async for made in serving(Site()):
        yield made


async def test_the_time_to_drain_follows_from_depth_and_rate(site: Site) -> None:
    queues = [
        Queue(name, "s", Engine.CELERY, depth=depth) for name, depth in (("q", 90), ("idle", 5), ("empty", 0), ("mute", None))
    ]
    await site.s.write(*[ended(str(n)) for n in range(30)], queues=queues)
    await eventually(lambda: _has_queues(site), what="the queues to be known")
    found = {row["queue"]: row for row in (await site.get("window=1h"))["queues"]}
    assert found["q"]["seconds_to_drain"] == pytest.approx(90 / (30 / 900), rel=1e-3)
    assert found["empty"]["seconds_to_drain"] == 0.0
    assert (found["idle"]["seconds_to_drain"], found["mute"]["seconds_to_drain"]) == (None, None)
    assert "15 minutes" in found["idle"]["reason"]
    assert "depth" in found["mute"]["reason"]
    assert [row["queue"] for row in (await site.get("window=1h&queue=idle"))["queues"]] == ["idle"]


MINUTE = NOW // 60 * 60
UP = (10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 70)
"""Depths of 15 minutes, by which a queue became 60 deeper."""
DOWN = tuple(reversed(UP))


async def drains(site: Site, *queues: Queue, finished: int = 30) -> dict[str, Any]:
    """What is answered of queues, `finished` tasks of each having ended 5 minutes ago."""
    tasks = [ended(f"{queue.name}-{n}", queue=queue.name, finished_at=NOW - 300) for queue in queues for n in range(finished)]
    await site.s.write(*tasks, queues=list(queues))
    await eventually(lambda: len(site.live.queues(lambda _: True)) == len(queues), what="the queues to be known")
    return {row["queue"]: row for row in (await site.get("window=1h&series=0&groups=0"))["queues"]}


def deep(name: str, depth: int | None, depths: tuple[int | None, ...], at: float | None = MINUTE) -> Queue:
    return Queue(name, "s", Engine.CELERY, depth=depth, depths=depths, depths_at=at)


async def test_what_came_is_what_ended_and_the_change_of_depth_over_the_same_minutes(site: Site) -> None:
    found = await drains(
        site, deep("up", 70, UP), deep("down", 10, DOWN, MINUTE), deep("same", 5, (5,) * 16), deep("empty", 0, DOWN)
    )
    rows = {name: (row["in_per_second"], row["net_drain_seconds"], row["grows"]) for name, row in found.items()}
    assert rows == {
        "up": (pytest.approx(90 / 900, abs=1e-6), None, True),
        "down": (None, pytest.approx(10 / (60 / 900), abs=1e-3), False),
        "same": (pytest.approx(30 / 900, abs=1e-6), None, False),
        "empty": (None, 0.0, False),
    }
    assert "grows" in found["up"]["unknown"]["net_drain_seconds"]
    assert "as much" in found["same"]["unknown"]["net_drain_seconds"]
    assert "removed" in found["down"]["unknown"]["in_per_second"]
    assert found["up"]["seconds_to_drain"] == pytest.approx(70 / (30 / 900), rel=1e-3), "as if nothing came"
    assert [row["out_per_second"] for row in found.values()] == pytest.approx([30 / 900] * 4, abs=1e-6)


async def test_a_queue_that_was_deeper_and_is_not_any_more_does_not_grow(site: Site) -> None:
    found = await drains(site, deep("back", 10, UP), deep("gone", 0, UP))
    assert [(row["grows"], row["net_drain_seconds"]) for row in (found["back"], found["gone"])] == [(False, None), (False, 0.0)]
    assert "as much" in found["back"]["unknown"]["net_drain_seconds"]


async def test_what_ended_outside_of_the_minutes_with_known_depths_is_left_out_of_what_came(site: Site) -> None:
    known = deep("q", 12, (10, 11, 12, 12), MINUTE - 60)
    before = [ended(f"b{n}", queue="q", finished_at=MINUTE - 300) for n in range(7)]
    within = [ended(f"w{n}", queue="q", finished_at=MINUTE - 100) for n in range(9)]
    after = [ended(f"a{n}", queue="q", finished_at=MINUTE - 10) for n in range(5)]
    await site.s.write(*before, *within, *after)
    found = await drains(site, known, finished=0)
    assert found["q"]["in_per_second"] == pytest.approx((9 + 2) / 180, abs=1e-6)
    assert found["q"]["unknown"].keys() == {"net_drain_seconds"}


@pytest.mark.parametrize(
    ("queue", "says"),
    [
        (deep("q", None, ()), "broker"),
        (deep("q", 5, (), None), "3 of the last 15 minutes"),
        (deep("q", 5, (1, 2, 5)), "3 of the last 15 minutes"),
        (deep("q", 5, (1, 2, 3, 4, 5), MINUTE - 360), "up to now"),
        (deep("q", 5, (*UP, *(None,) * 16)), "3 of the last 15 minutes"),
        (deep("q", 5, UP, MINUTE + 3600), "3 of the last 15 minutes"),
    ],
)
async def test_where_too_little_is_known_of_the_depth_nothing_is_derived(site: Site, queue: Queue, says: str) -> None:
    row = (await drains(site, queue))["q"]
    assert (row["in_per_second"], row["out_per_second"], row["net_drain_seconds"], row["grows"]) == (None, None, None, None)
    assert says in row["unknown"]["out_per_second"]
    assert says in row["unknown"]["in_per_second"]
    assert says in row["unknown"]["net_drain_seconds"]


async def test_what_came_is_not_derived_from_tasks_whose_queue_nobody_told(site: Site) -> None:
    await site.s.write(*[ended(str(n), queue=None, finished_at=NOW - 300) for n in range(5)])
    row = (await drains(site, deep("q", 70, UP), finished=0))["q"]
    assert (row["in_per_second"], row["grows"]) == (None, True)
    assert "queue is not known" in row["unknown"]["in_per_second"]


async def test_gaps_between_two_known_depths_do_not_matter(site: Site) -> None:
    row = (await drains(site, deep("q", 40, (100, *(None,) * 8, 40), MINUTE - 60), finished=90))["q"]
    assert row["in_per_second"] == pytest.approx((90 - 60) / 540, abs=1e-6)
    assert row["net_drain_seconds"] == pytest.approx(40 / (60 / 540), abs=1e-3)


async def _has_queues(site: Site) -> bool:
    return len((await site.get("window=1h"))["queues"]) == 4

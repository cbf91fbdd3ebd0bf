"""How deep queues were in the minutes of the last hour: bounded, nothing twice, and unknown where nobody counted."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reducing import T0, reducer
from support.waiting import eventually
from taskscope_collector.observations import QueuesSeen
from taskscope_collector.pipeline import Pipeline
from taskscope_collector.reducer.depths import going_on
from taskscope_collector.reducer.queues import Queues
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import decode_queue, encode
from taskscope_shared.model import Engine, Queue
from taskscope_shared.testing import MemoryStore

BEGAN = 1_700_000_040.0
"""A whole minute."""


def queue(depth: int | None, at: float, name: str = "q") -> Queue:
    return Queue(name, "s", Engine.CELERY, depth, at=BEGAN + at)


def counted(*counts: tuple[float, int | None], known: Queue | None = None) -> Queue:
    """After these counts: seconds and depth."""
    queues = Queues()
    queues.load([] if known is None else [known])
    for at, depth in counts:
        queues.seen(QueuesSeen([queue(depth, at)], BEGAN + at))
    return queues.known["q"]


@pytest.mark.parametrize(
    ("counts", "depths", "last"),
    [
        ([(0, 5)], (5,), 0),
        ([(0, 5), (2, 6), (58, 7)], (5,), 0),
        ([(0, 5), (59, 7), (61, 8)], (5, 8), 60),
        ([(30, 5), (185, 0)], (5, None, None, 0), 180),
        ([(0, None)], (), None),
        ([(0, None), (1, 4), (61, 5)], (4, 5), 60),
        ([(0, 4), (61, None), (62, 6), (70, 7)], (4, 6), 60),
        ([(0, 4), (61, None), (121, 6)], (4, None, 6), 120),
        ([(0, 4), (3599, 6)], (4, *(None,) * 58, 6), 3540),
        ([(0, 4), (3600, 6)], (6,), 3600),
    ],
)
def test_each_minute_has_the_first_depth_that_was_counted_in_it(
    counts: list[tuple[float, int | None]], depths: tuple[int | None, ...], last: float | None
) -> None:
    found = counted(*counts)
    assert (found.depths, found.depths_at) == (depths, None if last is None else BEGAN + last)


@given(st.lists(st.tuples(st.integers(0, 400), st.none() | st.integers(0, 9)), max_size=80))
def test_it_is_bounded_and_a_minute_counts_once_however_often_it_is_counted(steps: list[tuple[int, int | None]]) -> None:
    at, known = 0.0, None
    first: dict[float, int] = {}
    for pause, depth in steps:
        at += pause
        if depth is not None:
            first.setdefault((BEGAN + at) // 60 * 60, depth)
        known = going_on(queue(depth, at), going_on(queue(depth, at), known))
        assert len(known.depths) <= 60
    if known is not None and known.depths_at is not None:
        began = [known.depths_at - 60 * back for back in reversed(range(len(known.depths)))]
        assert all(later - earlier == 60 for earlier, later in pairwise(began))
        assert known.depths == tuple(first.get(minute) for minute in began)


def test_it_goes_on_from_what_was_stored_and_the_time_between_is_unknown() -> None:
    before = counted((0, 3), (61, 4))
    assert counted((245, 9), known=decode_queue(encode(before))).depths == (3, 4, None, None, 9)
    assert counted((100, 9), known=before).depths == (3, 4), "the same minute again"


def test_a_clock_that_is_behind_adds_nothing_and_one_that_was_far_ahead_is_forgotten() -> None:
    before = counted((600, 3), (661, 4))
    assert counted((590, 9), known=before).depths == (3, 4)
    ahead = counted((9000, 3))
    assert (counted((0, 9), known=ahead).depths, counted((0, 9), known=ahead).depths_at) == ((9,), BEGAN)


def test_a_queue_that_stays_as_it_is_is_written_no_more_often_than_before() -> None:
    queues = Queues()
    written = 0
    for second in range(600):
        queues.seen(QueuesSeen([queue(7, second)], BEGAN + second))
        written += len(queues.drain()[0])
    assert written == 60, "once in ten seconds, to show that it is fresh"


def test_its_history_is_small_beside_what_a_flush_may_hold() -> None:
    longest = counted(*[(60.0 * minute, 70_000) for minute in range(200)])
    assert len(encode(longest)) - len(encode(queue(70_000, 0))) < 320


def test_what_another_wrote_is_gone_on_from_and_what_was_counted_here_since_stays() -> None:
    stored = counted((0, 3), (61, 4), (121, 5))
    queues = Queues()
    queues.load([counted((0, 3)), queue(1, 0, "mine")])
    queues.seen(QueuesSeen([queue(8, 185), queue(1, 185, "mine")], BEGAN + 185))
    queues.inherit([stored, queue(2, 100, "theirs")])
    assert {name: (one.depth, one.depths) for name, one in queues.known.items()} == {
        "q": (8, (3, 4, 5, 8)),
        "mine": (1, (1,)),
        "theirs": (2, ()),
    }
    assert {one.name for one in queues.drain()[0]} == {"q", "mine", "theirs"}
    queues.inherit([stored])
    assert queues.known["q"].depths == (3, 4, 5, 8), "older than what is known"


def test_what_was_counted_while_nothing_could_be_written_is_kept() -> None:
    queues = Queues()
    queues.load([counted((0, 3), (61, 4), (121, 5), (190, 6))])
    queues.inherit([counted((0, 3), (61, 9))])
    assert (queues.known["q"].depth, queues.known["q"].depths) == (6, (3, 9, 5, 6))


@given(*[st.lists(st.integers(0, 4000), min_size=1, max_size=30).map(sorted)] * 2)
def test_what_two_counted_is_bounded_and_has_the_minutes_of_both(one: list[int], other: list[int]) -> None:
    queues = Queues()
    queues.load([counted(*((at, 1) for at in one))])
    queues.inherit([counted(*((at, 2) for at in other))])
    found = queues.known["q"]
    assert found.depths_at is not None
    assert found.depths_at == BEGAN + max(one[-1], other[-1]) // 60 * 60
    assert len(found.depths) <= 60
    for back, depth in enumerate(reversed(found.depths)):
        minute = (found.depths_at - BEGAN) // 60 - back
        counters = {2 for at in other if at // 60 == minute and at // 60 > other[-1] // 60 - 60} or {
            1 for at in one if at // 60 == minute and at // 60 > one[-1] // 60 - 60
        }
        assert depth == (counters.pop() if counters else None)


async def test_a_standby_that_takes_over_goes_on_with_what_the_other_counted() -> None:
    store = MemoryStore(SystemClock())
    first, second = (Pipeline("s", reducer(), store, SystemClock(), holder=name, lease_seconds=4.0) for name in "ab")

    def seen(depth: int, at: float) -> list[QueuesSeen]:
        return [QueuesSeen([Queue("q", "s", Engine.RQ, depth, at=T0 + at)], T0 + at)]

    def stored() -> tuple[int | None, ...]:
        held = store._states["s"].queues.get("q")
        return () if held is None else held.depths

    await first.load()
    writing = asyncio.create_task(first.run())
    first.buffer.put(list(seen(1, 0)))
    await eventually(lambda: stored() == (1,))
    await second.load()
    standing_by = asyncio.create_task(second.run())
    try:
        first.buffer.put([*seen(2, 60), *seen(3, 120)])
        await eventually(lambda: stored() == (1, 2, 3))
        writing.cancel()
        await eventually(second.active, what="the second one to write")
        await eventually(lambda: stored() == (1, 2, 3))
        second.buffer.put(list(seen(7, 300)))
        await eventually(lambda: stored() == (1, 2, 3, None, None, 7), what="the history to go on")
    finally:
        for task in (writing, standing_by):
            task.cancel()
        await asyncio.gather(writing, standing_by, return_exceptions=True)

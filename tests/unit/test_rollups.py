"""Rollups: every attempt counts once, whatever is corrected later, and periods are compacted without losing or doubling any."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.rollups import NOW, Stored, advance, begun, task, versions
from taskscope_collector import rollups
from taskscope_collector.contributions import contributions
from taskscope_collector.rollups import Change
from taskscope_shared.cells import decode_cell
from taskscope_shared.corrected import REMEMBERED, Corrected
from taskscope_shared.model import HISTORY, Attempt, State, Task


def test_a_task_that_has_not_ended_contributes_nothing() -> None:
    assert contributions(task(state=State.RUNNING, finished_at=None)) == ()


def test_each_ended_attempt_contributes_once() -> None:
    history = (Attempt(1, State.RETRYING, worker="v", finished_at=NOW - 9), Attempt(2, State.LOST, finished_at=NOW - 5))
    found = contributions(task(history=history, attempts=3))
    assert [(each[0], each[1], each[8]) for each in found] == [(1, NOW - 9, "v"), (2, NOW - 5, "w"), (3, NOW, "w")]


async def test_an_ended_task_is_in_the_cell_of_its_name_queue_source_and_worker() -> None:
    stored = Stored()
    await stored.write(begun(), [task(kind="vod", exception_type="E")], NOW)
    cells = stored.cells[60, int(NOW) // 60 * 60]
    assert set(cells) == {"name:n", "queue:q", "source:", "worker:w"}
    named, worker = decode_cell(cells["name:n"]), decode_cell(cells["worker:w"])
    assert (named.total, named.runtime.count, named.kind, named.slowest[0].id) == (1, 1, "vod", "1")
    assert (worker.total, worker.runtime.count, worker.slowest) == (1, 0, [])


async def test_a_corrected_task_replaces_what_it_contributed() -> None:
    stored, rollup = Stored(), begun()
    await stored.write(rollup, [task(state=State.LOST, runtime_seconds=None)], NOW)
    await stored.write(rollup, [task(state=State.SUCCEEDED)], NOW + 1)
    cell = stored.level(60)["source:"]
    assert cell.counts == [1, 0, 0, 0, 0, 0]


async def test_an_attempt_that_falls_out_of_the_history_stays_counted() -> None:
    stored, rollup = Stored(), begun()
    attempts = tuple(Attempt(number, State.RETRYING, finished_at=NOW) for number in range(1, HISTORY + 3))
    for first in range(3):
        await stored.write(rollup, [task(state=State.RUNNING, history=attempts[first : first + HISTORY])], NOW)
    assert stored.level(60)["source:"].counts[2] == HISTORY + 2


async def test_an_attempt_that_gets_another_number_is_counted_once() -> None:
    stored, rollup = Stored(), begun()
    first, second = (Attempt(number, State.RETRYING, finished_at=NOW) for number in (1, 2))
    await stored.write(rollup, [task(state=State.RUNNING, history=(first,))], NOW)
    await stored.write(rollup, [task(state=State.RUNNING, history=(second,))], NOW)  # one before it had been missed
    assert stored.level(60)["source:"].counts[2] == 1


async def test_an_attempt_whose_end_nobody_saw_ends_when_the_next_one_began_until_it_is_known() -> None:
    stored, rollup = Stored(), begun()
    lost = Attempt(1, State.LOST, received_at=NOW - 200, started_at=NOW - 190)
    await stored.write(rollup, [task(state=State.RUNNING, started_at=NOW - 60, finished_at=None, history=(lost,))], NOW)
    assert decode_cell(stored.cells[60, int(NOW - 60) // 60 * 60]["source:"]).total == 1
    known = replace(lost, finished_at=NOW - 130)
    await stored.write(rollup, [task(state=State.RUNNING, started_at=NOW - 60, finished_at=None, history=(known,))], NOW)
    assert decode_cell(stored.cells[60, int(NOW - 60) // 60 * 60]["source:"]).total == 0
    assert decode_cell(stored.cells[60, int(NOW - 130) // 60 * 60]["source:"]).total == 1


def test_an_attempt_before_a_wait_ends_when_the_wait_began_or_when_it_was_last_seen() -> None:
    ended = [
        contributions(task(state=State.QUEUED, finished_at=None, sent_at=sent_at, history=(attempt,)))[0][1]
        for sent_at, attempt in (
            (NOW, Attempt(1, State.RETRYING, started_at=NOW - 9)),
            (NOW - 20, Attempt(1, State.RETRYING, started_at=NOW - 9)),
            (None, Attempt(1, State.RETRYING, received_at=NOW - 7)),
        )
    ]
    assert ended == [NOW, NOW - 9, NOW - 7]


async def test_after_a_restart_nothing_is_counted_twice() -> None:
    stored = Stored()
    await stored.write(begun(), [task()], NOW)
    stored.contributed = {"1": contributions(task())}  # as it is derived from what is stored of it
    again = begun(NOW + 1, stored)
    await stored.write(again, [task(), task("2")], NOW + 1)
    assert stored.level(60)["source:"].total == 2


async def test_labels_of_a_bucket_are_bounded_and_the_rest_is_other() -> None:
    stored, rollup = Stored(), begun()
    await stored.write(rollup, [task(str(n), name=f"n{n}", worker=f"w{n}", queue=f"q{n}") for n in range(600)], NOW)
    cells = stored.level(60)
    assert cells["name:other"].total == 100
    assert cells["queue:other"].total == 400
    assert cells["worker:other"].total == 100
    assert cells["source:"].total == 600
    again = begun(NOW, stored)
    await stored.write(again, [task("700", name="n700"), task("0", state=State.FAILED, name="n0")], NOW)
    cells = stored.level(60)
    assert (cells["name:other"].total, cells["name:n0"].counts[:2]) == (101, [0, 1])


async def test_a_closed_period_is_compacted_once() -> None:
    stored, rollup = Stored(), begun()
    start = int(NOW) // 300 * 300
    for minute in range(5):
        at = start + minute * 60 + 1.0
        await stored.write(rollup, [task(str(minute), finished_at=at)], at)
    assert stored.level(300) == {}
    await stored.write(rollup, [], start + 304.0)
    assert stored.level(300) == {}
    await stored.write(rollup, [], start + 306.0)
    await stored.write(rollup, [], start + 307.0)
    assert stored.level(300) == stored.level(60)
    assert stored.meta["rolled:300"] == str(start + 300)


async def test_a_correction_reaches_the_compacted_periods() -> None:
    stored, rollup = Stored(), begun()
    start = int(NOW) // 3600 * 3600
    await stored.write(rollup, [task(state=State.LOST, finished_at=start + 10.0)], start + 10.0)
    await advance(stored, rollup, start + 10, start + 3700)
    assert stored.level(3600)["source:"].counts[5] == 1
    await stored.write(rollup, [task(finished_at=start + 10.0), task("late", finished_at=start + 20.0)], start + 3700.0)
    for resolution in (60, 300, 3600):
        assert stored.level(resolution)["source:"].counts == [2, 0, 0, 0, 0, 0]


async def test_what_is_written_again_of_closed_periods_is_told_to_readers() -> None:
    stored, rollup = Stored(), begun()
    start = int(NOW) // 3600 * 3600
    await stored.write(rollup, [task(finished_at=start + 10.0)], start + 10.0)
    await advance(stored, rollup, start + 10, start + 3700)
    before = Corrected.parse(stored.meta["corrected"])
    await stored.write(
        rollup, [task("late", finished_at=start + 320.0), task("now", finished_at=start + 3699.0)], start + 3700.0
    )
    after = Corrected.parse(stored.meta["corrected"])
    assert after.since(before.count) == frozenset({start + 300})
    await stored.write(begun(start + 3700, stored), [task("later", finished_at=start + 10.0)], start + 3700.0)
    assert Corrected.parse(stored.meta["corrected"]).since(before.count) == frozenset({start, start + 300})


def test_of_more_corrections_than_are_remembered_nothing_is_known() -> None:
    corrected = Corrected()
    for number in range(REMEMBERED + 5):
        corrected.add([300 * number])
    again = Corrected.parse(corrected.text)
    assert again == corrected
    assert again.since(5) == frozenset(300 * (number + 5) for number in range(REMEMBERED))
    assert again.since(4) is None
    assert again.since(REMEMBERED + 6) is None
    assert Corrected.parse("no number") == Corrected()


async def test_the_hour_is_compacted_after_a_restart_too() -> None:
    stored = Stored()
    start = int(NOW) // 3600 * 3600
    await stored.write(begun(start), [task(finished_at=start + 10.0)], start + 10.0)
    await advance(stored, begun(start + 7200, stored), start + 7200, start + 7300, 1)
    assert stored.level(3600)["source:"].total == 1


async def test_a_flush_that_failed_leaves_no_trace() -> None:
    stored, rollup = Stored(), begun()
    await stored.write(rollup, [task()], NOW)
    await rollup.stage([Change("2", (), contributions(task("2")))], NOW, stored.load)
    rollup.forget()
    await stored.write(rollup, [task("3")], NOW)
    assert stored.level(60)["source:"].total == 2


async def test_what_ended_before_the_minutes_are_kept_goes_to_the_coarser_periods_alone() -> None:
    stored = Stored()
    await stored.write(begun(), [task(finished_at=NOW - 7 * 3600)], NOW)
    assert {resolution for resolution, _ in stored.cells} == {300, 3600}


async def test_a_cell_that_cannot_be_read_is_left_alone() -> None:
    stored = Stored()
    bucket = (60, int(NOW) // 60 * 60)
    stored.cells[bucket] = {"source:": b"\xc1"}
    rollup = begun()
    await stored.write(rollup, [task()], NOW)
    assert stored.cells[bucket]["source:"] == b"\xc1"
    assert rollup.unreadable == 1
    assert decode_cell(stored.cells[bucket]["name:n"]).total == 1


async def test_cells_are_forgotten_when_there_are_too_many_and_loaded_again() -> None:
    stored, rollup = Stored(), begun()
    minutes = rollups.CACHED_CELLS // 4 + 10
    finished = [task(str(n), finished_at=NOW - 60.0 * n) for n in range(300)]
    for first in range(0, minutes, 300):
        await stored.write(rollup, [task(f"{first}-{each.id}", finished_at=each.finished_at) for each in finished], NOW)
    total = stored.level(60)["source:"].total
    assert total == 300 * len(range(0, minutes, 300))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(versions, max_size=4, unique_by=lambda each: each.id), max_size=8),
    st.lists(st.integers(0, 3), max_size=8),
)
async def test_any_corrections_give_the_rollup_of_the_final_tasks(batches: list[list[Task]], restarts: list[int]) -> None:
    """Final tasks written once into an empty store are what corrections, failures, restarts and compactions must add up to."""
    stored, rollup, now = Stored(), begun(), NOW
    final: dict[str, Task] = {}
    for index, batch in enumerate(batches):
        now += 150
        fate = restarts[index] if index < len(restarts) else 3
        if fate == 0:
            rollup = begun(now, stored)
        if fate == 1:
            await rollup.stage([Change("a", stored.contributed.get("a", ()), ())], now, stored.load)
            rollup.forget()
        await stored.write(rollup, batch, now)
        final.update((each.id, each) for each in batch)
    await advance(stored, rollup, now, now + 4000)
    expected = Stored()
    await expected.write(begun(now + 4000), list(final.values()), now + 4000)
    for resolution in (60, 300, 3600):
        assert stored.level(resolution) == expected.level(resolution)

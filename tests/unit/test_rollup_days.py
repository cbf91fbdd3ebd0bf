"""Rollups of days: they grow by the hour, are corrected, and are made anew of the hours where they are not to be trusted."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.rollups import DAY, HOUR, MIDNIGHT, NOW, Stored, advance, begun, task, versions, with_days
from taskscope_collector import rollups
from taskscope_collector.rollups import Change
from taskscope_shared.cells import decode_cell
from taskscope_shared.corrected import DAYS_FIELD, Corrected, days_rolled
from taskscope_shared.model import State, Task


async def test_a_day_is_what_its_hours_are_and_grows_by_the_hour() -> None:
    stored = with_days(MIDNIGHT)
    rollup = begun(MIDNIGHT, stored)
    for number in range(30):
        at = MIDNIGHT + number * HOUR + 10.0
        await stored.write(rollup, [task(str(number), name=f"n{number % 3}", finished_at=at)], at)
        await advance(stored, rollup, at + 100, at + HOUR - 10, 150)
    assert stored.meta["rolled:86400"] == stored.meta["rolled:3600"] == str(MIDNIGHT + 29 * HOUR)
    for day in (MIDNIGHT, MIDNIGHT + DAY):
        found = stored.between(DAY, day, day + 1)
        assert found == stored.between(HOUR, day, day + DAY)
        assert found["name:n1"].total > 0
    assert stored.level(DAY)["source:"].total == 29


async def test_corrections_reach_days_that_are_over_and_the_one_that_is_not() -> None:
    stored = with_days(MIDNIGHT - DAY)
    rollup = begun(NOW, stored)
    ends = {"over": MIDNIGHT - 5 * HOUR, "early": MIDNIGHT + 10, "now": NOW - 10, "before days": MIDNIGHT - 3 * DAY}
    await stored.write(rollup, [task(id_, State.LOST, finished_at=end) for id_, end in ends.items()], NOW)
    await advance(stored, rollup, NOW, NOW + 40, 1)
    assert stored.level(DAY)["source:"].counts == [0, 0, 0, 0, 0, 4]
    await stored.write(rollup, [task(id_, finished_at=end) for id_, end in ends.items()], NOW + 40)
    assert stored.level(DAY)["source:"].counts == [4, 0, 0, 0, 0, 0]
    assert Corrected.parse(stored.meta["corrected"]).count == int(stored.meta[DAYS_FIELD])


async def test_of_hours_alone_days_are_made_an_hour_a_second_and_not_twice() -> None:
    stored, rollup = Stored(), begun()
    ends = [NOW - days * DAY - 1000 for days in range(89)]
    await stored.write(rollup, [task(str(number), finished_at=end) for number, end in enumerate(ends)], NOW)
    for _ in range(3):
        await stored.write(rollup, [], NOW + 0.5)
    first = int(stored.meta["rolled:86400"])
    assert (first % DAY, first <= NOW - 89 * DAY) == (HOUR, True)
    await stored.write(rollup, [], NOW + 1)
    assert int(stored.meta["rolled:86400"]) == first + HOUR
    await advance(stored, rollup, NOW + 2, NOW + 2300, 1)
    made = stored.level(DAY)
    assert made == stored.level(HOUR)
    assert made["source:"].total == 89
    stored.cells[DAY, MIDNIGHT - DAY]["name:gone"] = stored.cells[DAY, MIDNIGHT - DAY]["name:n"]
    del stored.meta["rolled:86400"]  # as when nothing was written for so long that the meta hash expired
    rollup = begun(NOW + 2300, stored)
    assert days_rolled(stored.meta) == 0
    await advance(stored, rollup, NOW + 2300, NOW + 4600, 1)
    assert stored.level(DAY) == made


async def test_days_that_an_older_taskscope_did_not_correct_are_made_anew() -> None:
    stored = with_days(MIDNIGHT - DAY)
    rollup = begun(NOW, stored)
    lost, seen = task(state=State.LOST, finished_at=MIDNIGHT - HOUR), task(finished_at=MIDNIGHT - HOUR)
    await stored.write(rollup, [lost], NOW)
    await advance(stored, rollup, NOW, NOW + 40, 1)
    known = {key: dict(cells) for key, cells in stored.cells.items() if key[0] == DAY}
    written = {field: stored.meta[field] for field in ("rolled:86400", DAYS_FIELD)}
    await stored.write(rollup, [seen], NOW + 40)
    stored.cells.update(known)  # what one that knows no days leaves: hours are corrected, days and their mark are as they were
    stored.meta.update(written)
    assert days_rolled(stored.meta) == 0
    await advance(stored, begun(NOW + 41, stored), NOW + 41, NOW + 2400, 1)
    assert days_rolled(stored.meta) == NOW
    assert stored.level(DAY)["source:"].counts == [1, 0, 0, 0, 0, 0]


async def test_labels_of_a_day_are_bounded_though_no_hour_has_too_many() -> None:
    stored = with_days(MIDNIGHT)
    rollup = begun(MIDNIGHT + 3 * HOUR, stored)
    tasks = [
        task(f"{hour}-{number}", name=f"n{hour}-{number}", queue=f"q{number % 150}", finished_at=MIDNIGHT + hour * HOUR + 10)
        for hour in range(3)
        for number in range(300)
    ]
    await stored.write(rollup, tasks, MIDNIGHT + 3 * HOUR)
    await advance(stored, rollup, MIDNIGHT + 3 * HOUR, MIDNIGHT + 3 * HOUR + 10, 1)
    day = stored.level(DAY)
    assert (day["source:"].total, day["name:other"].total, "name:other" in stored.level(HOUR)) == (900, 400, False)
    assert len([field for field in day if field.startswith("name:")]) == 501
    assert len([field for field in day if field.startswith("queue:")]) == 150
    corrected = [replace(each, state=State.FAILED) for each in tasks]
    await stored.write(rollup, corrected, MIDNIGHT + 3 * HOUR + 10)
    day = stored.level(DAY)
    assert (day["source:"].counts[:2], day["name:other"].counts[:2]) == ([0, 900], [0, 400])


async def test_a_flush_that_failed_while_an_hour_was_added_leaves_no_trace() -> None:
    stored = with_days(MIDNIGHT)
    rollup = begun(MIDNIGHT + 2 * HOUR, stored)
    await stored.write(rollup, [task(finished_at=MIDNIGHT + 10), task("2", finished_at=MIDNIGHT + HOUR)], MIDNIGHT + 2 * HOUR)
    staged = await rollup.stage([], MIDNIGHT + 2 * HOUR + 1, stored.load)
    assert (DAY, MIDNIGHT) in staged.cells
    rollup.forget()
    await advance(stored, rollup, MIDNIGHT + 2 * HOUR + 2, MIDNIGHT + 2 * HOUR + 5, 1)
    assert stored.level(DAY) == stored.level(HOUR)


async def test_others_run_while_a_day_of_many_labels_grows() -> None:
    stored = with_days(MIDNIGHT)
    rollup = begun(MIDNIGHT + HOUR, stored)
    many = [task(str(n), name=f"n{n}", worker=f"w{n}", finished_at=MIDNIGHT + 10) for n in range(490)]
    await stored.write(rollup, many, MIDNIGHT + HOUR)
    stored.meta["rolled:86400"] = str(MIDNIGHT)
    rollup = begun(MIDNIGHT + HOUR, stored)  # the hour is to be added anew, and all cells have to be read
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    staged = await rollup.stage([], MIDNIGHT + HOUR + 10, stored.load)
    running.cancel()
    cells = len(staged.cells[DAY, MIDNIGHT])
    assert cells > 900
    assert turns >= 4 * cells // rollups.TURN_CELLS - 4  # the hour read, the day read, added and encoded


async def test_a_day_cell_that_cannot_be_read_is_left_alone_when_days_are_made_anew() -> None:
    stored = with_days(MIDNIGHT)
    stored.cells[DAY, MIDNIGHT] = {"source:": b"\xc1"}
    rollup = begun(MIDNIGHT + HOUR, stored)
    await stored.write(rollup, [task(finished_at=MIDNIGHT + 10)], MIDNIGHT + HOUR)
    await advance(stored, rollup, MIDNIGHT + HOUR + 1, MIDNIGHT + HOUR + 5, 1)
    assert stored.cells[DAY, MIDNIGHT]["source:"] == b"\xc1"
    assert decode_cell(stored.cells[DAY, MIDNIGHT]["name:n"]).total == 1


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 6 * HOUR),
    st.integers(-30, 3),
    st.lists(
        st.tuples(st.lists(versions, max_size=4, unique_by=lambda each: each.id), st.integers(0, 3), st.integers(1, 30)),
        max_size=6,
    ),
)
async def test_any_corrections_give_days_of_the_final_tasks(
    after: int, made: int, batches: list[tuple[list[Task], int, int]]
) -> None:
    """Around midnight, from days made up to some hour, with restarts, failed flushes and hours that go by between them."""
    now = MIDNIGHT + float(after)
    stored = with_days(now // HOUR * HOUR + min(made, 0) * HOUR)
    rollup = begun(now, stored)
    final: dict[str, Task] = {}
    for batch, fate, flushes in batches:
        if fate == 0:
            rollup = begun(now, stored)
        if fate == 1:
            await rollup.stage([Change("a", stored.contributed.get("a", ()), ())], now, stored.load)
            rollup.forget()
        moved = [_moved(each, now - NOW) for each in batch]
        await stored.write(rollup, moved, now)
        final.update((each.id, each) for each in moved)
        await advance(stored, rollup, now, now + 150 * flushes, 150)
        now += 150 * flushes
    settled = (now // HOUR + 2) * HOUR + 600
    await advance(stored, rollup, now, settled, 100)
    now = settled
    await advance(stored, rollup, now, now + 40, 1)
    expected = with_days(MIDNIGHT - 2 * DAY)
    again = begun(now, expected)
    await expected.write(again, list(final.values()), now)
    await advance(expected, again, now, now + 100, 1)
    assert int(stored.meta["rolled:86400"]) == int(expected.meta["rolled:86400"]) == now // HOUR * HOUR
    for day in (MIDNIGHT - DAY, MIDNIGHT):
        assert stored.between(DAY, day, day + DAY) == expected.between(DAY, day, day + DAY)
        assert stored.between(HOUR, day, day + DAY) == expected.between(HOUR, day, day + DAY)


def _moved(task_: Task, seconds: float) -> Task:
    history = tuple(replace(each, finished_at=(each.finished_at or 0) + seconds) for each in task_.history)
    return replace(task_, finished_at=(task_.finished_at or 0) + seconds, history=history)

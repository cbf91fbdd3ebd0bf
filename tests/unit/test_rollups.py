"""Rollups: every attempt counts once, whatever is corrected later, and periods are compacted without losing or doubling any."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from taskscope_collector import rollups
from taskscope_collector.contributions import Contributions, contributions
from taskscope_collector.rollups import Bucket, Change, Rollups
from taskscope_shared.cells import Cell, decode_cell, merged
from taskscope_shared.corrected import DAYS_FIELD, REMEMBERED, Corrected, days_rolled
from taskscope_shared.model import HISTORY, Attempt, Engine, State, Task

NOW = 1_800_000_000.0
HOUR, DAY = 3600, 86_400
MIDNIGHT = int(NOW) // DAY * DAY
FINAL = [State.SUCCEEDED, State.FAILED, State.REVOKED, State.REJECTED, State.LOST]


@dataclass
class Stored:
    """What the store would hold, and the records' `contributed`."""

    cells: dict[Bucket, dict[str, bytes]] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    contributed: dict[str, Contributions] = field(default_factory=dict)
    loads: int = 0

    async def load(self, wanted: Mapping[Bucket, Sequence[str]]) -> dict[tuple[int, int, str], bytes]:
        self.loads += 1
        return {(*bucket, name): data for bucket in wanted for name, data in self.cells.get(bucket, {}).items()}

    async def write(self, rollup: Rollups, tasks: Sequence[Task], now: float) -> None:
        changes = [Change(task.id, self.contributed.get(task.id, ()), contributions(task)) for task in tasks]
        staged = await rollup.stage(changes, now, self.load)
        for bucket, cells in staged.cells.items():
            stored = self.cells.setdefault(bucket, {})
            stored.update({name: cell for name, cell in cells.items() if cell is not None})
            for name in [name for name, cell in cells.items() if cell is None]:
                stored.pop(name, None)
        self.meta.update(staged.meta)
        self.contributed.update((change.id, change.after) for change in changes)
        rollup.commit()

    def level(self, resolution: int) -> dict[str, Cell]:
        """All cells of a resolution, merged by field, without examples and without those that are empty."""
        return self.between(resolution, 0, 1 << 40)

    def between(self, resolution: int, since: int, until: int) -> dict[str, Cell]:
        """`level` of the buckets that begin at `since` or later, and before `until`."""
        by_field: dict[str, list[Cell]] = {}
        for (each, start), cells in self.cells.items():
            for name, data in cells.items() if each == resolution and since <= start < until else ():
                by_field.setdefault(name, []).append(decode_cell(data))
        total = {name: merged(cells) for name, cells in by_field.items()}
        for cell in total.values():
            cell.slowest, cell.failed, cell.kind = [], [], None
        return {name: cell for name, cell in total.items() if cell != Cell()}


def begun(now: float = NOW, stored: Stored | None = None) -> Rollups:
    rollup = Rollups()
    rollup.begin(stored.meta if stored else {}, now)
    return rollup


def task(id_: str = "1", state: State = State.SUCCEEDED, **fields: object) -> Task:
    values: dict[str, object] = {
        "name": "n",
        "queue": "q",
        "worker": "w",
        "finished_at": NOW,
        "runtime_seconds": 1.0,
        "attempts": 1,
    }
    return Task(id_, "s", Engine.CELERY, state, 1, 1, **{**values, **fields})  # type: ignore[arg-type]


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
    await _advance(stored, rollup, start + 10, start + 3700)
    assert stored.level(3600)["source:"].counts[5] == 1
    await stored.write(rollup, [task(finished_at=start + 10.0), task("late", finished_at=start + 20.0)], start + 3700.0)
    for resolution in (60, 300, 3600):
        assert stored.level(resolution)["source:"].counts == [2, 0, 0, 0, 0, 0]


async def test_what_is_written_again_of_closed_periods_is_told_to_readers() -> None:
    stored, rollup = Stored(), begun()
    start = int(NOW) // 3600 * 3600
    await stored.write(rollup, [task(finished_at=start + 10.0)], start + 10.0)
    await _advance(stored, rollup, start + 10, start + 3700)
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
    await _advance(stored, begun(start + 7200, stored), start + 7200, start + 7300, 1)
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


def with_days(until: float) -> Stored:
    """A store whose days are written up to `until`."""
    return Stored(meta={"rolled:86400": str(int(until)), DAYS_FIELD: "0"})


async def test_a_day_is_what_its_hours_are_and_grows_by_the_hour() -> None:
    stored = with_days(MIDNIGHT)
    rollup = begun(MIDNIGHT, stored)
    for number in range(30):
        at = MIDNIGHT + number * HOUR + 10.0
        await stored.write(rollup, [task(str(number), name=f"n{number % 3}", finished_at=at)], at)
        await _advance(stored, rollup, at + 100, at + HOUR - 10, 150)
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
    await _advance(stored, rollup, NOW, NOW + 40, 1)
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
    await _advance(stored, rollup, NOW + 2, NOW + 2300, 1)
    made = stored.level(DAY)
    assert made == stored.level(HOUR)
    assert made["source:"].total == 89
    stored.cells[DAY, MIDNIGHT - DAY]["name:gone"] = stored.cells[DAY, MIDNIGHT - DAY]["name:n"]
    del stored.meta["rolled:86400"]  # as when nothing was written for so long that the meta hash expired
    rollup = begun(NOW + 2300, stored)
    assert days_rolled(stored.meta) == 0
    await _advance(stored, rollup, NOW + 2300, NOW + 4600, 1)
    assert stored.level(DAY) == made


async def test_days_that_an_older_taskscope_did_not_correct_are_made_anew() -> None:
    stored = with_days(MIDNIGHT - DAY)
    rollup = begun(NOW, stored)
    lost, seen = task(state=State.LOST, finished_at=MIDNIGHT - HOUR), task(finished_at=MIDNIGHT - HOUR)
    await stored.write(rollup, [lost], NOW)
    await _advance(stored, rollup, NOW, NOW + 40, 1)
    known = {key: dict(cells) for key, cells in stored.cells.items() if key[0] == DAY}
    written = {field: stored.meta[field] for field in ("rolled:86400", DAYS_FIELD)}
    await stored.write(rollup, [seen], NOW + 40)
    stored.cells.update(known)  # what one that knows no days leaves: hours are corrected, days and their mark are as they were
    stored.meta.update(written)
    assert days_rolled(stored.meta) == 0
    await _advance(stored, begun(NOW + 41, stored), NOW + 41, NOW + 2400, 1)
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
    await _advance(stored, rollup, MIDNIGHT + 3 * HOUR, MIDNIGHT + 3 * HOUR + 10, 1)
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
    await _advance(stored, rollup, MIDNIGHT + 2 * HOUR + 2, MIDNIGHT + 2 * HOUR + 5, 1)
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
    await _advance(stored, rollup, MIDNIGHT + HOUR + 1, MIDNIGHT + HOUR + 5, 1)
    assert stored.cells[DAY, MIDNIGHT]["source:"] == b"\xc1"
    assert decode_cell(stored.cells[DAY, MIDNIGHT]["name:n"]).total == 1


async def _advance(stored: Stored, rollup: Rollups, since: float, until: float, step: int = 20) -> None:
    for now in range(int(since), int(until), step):
        await stored.write(rollup, [], float(now))


offsets = st.integers(0, 4000)
versions = st.builds(
    lambda id_, state, offset, runtime, name, retries: task(
        id_,
        state,
        finished_at=NOW - offset,
        runtime_seconds=runtime,
        name=name,
        attempts=retries + 1,
        history=tuple(Attempt(n + 1, State.RETRYING, finished_at=NOW - offset - 60 * (retries - n)) for n in range(retries)),
    ),
    st.sampled_from("abcd"),
    st.sampled_from(FINAL),
    offsets,
    st.none() | st.floats(0.001, 100),
    st.sampled_from([None, "x", "y"]),
    st.integers(0, 2),
)


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
    await _advance(stored, rollup, now, now + 4000)
    expected = Stored()
    await expected.write(begun(now + 4000), list(final.values()), now + 4000)
    for resolution in (60, 300, 3600):
        assert stored.level(resolution) == expected.level(resolution)


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
        await _advance(stored, rollup, now, now + 150 * flushes, 150)
        now += 150 * flushes
    settled = (now // HOUR + 2) * HOUR + 600
    await _advance(stored, rollup, now, settled, 100)
    now = settled
    await _advance(stored, rollup, now, now + 40, 1)
    expected = with_days(MIDNIGHT - 2 * DAY)
    again = begun(now, expected)
    await expected.write(again, list(final.values()), now)
    await _advance(expected, again, now, now + 100, 1)
    assert int(stored.meta["rolled:86400"]) == int(expected.meta["rolled:86400"]) == now // HOUR * HOUR
    for day in (MIDNIGHT - DAY, MIDNIGHT):
        assert stored.between(DAY, day, day + DAY) == expected.between(DAY, day, day + DAY)
        assert stored.between(HOUR, day, day + DAY) == expected.between(HOUR, day, day + DAY)


def _moved(task_: Task, seconds: float) -> Task:
    history = tuple(replace(each, finished_at=(each.finished_at or 0) + seconds) for each in task_.history)
    return replace(task_, finished_at=(task_.finished_at or 0) + seconds, history=history)

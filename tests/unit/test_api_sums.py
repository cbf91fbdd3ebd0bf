"""Sums that are kept: whatever is put together from them is what adding everything up anew gives."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskscope_api.analytics.cellar import CORRECTED_SECONDS, CORRECTED_SHARE, Cellar
from taskscope_api.analytics.periods import DAY, HOUR, RUN_DAYS, Bucket, Marks, cover, runs
from taskscope_api.analytics.rests import Rests
from taskscope_api.analytics.sums import Groups, Joints, by_kind, joined
from taskscope_api.analytics.tally import Point, Tally, point
from taskscope_shared.cells import Cell, Example, encode_cell
from taskscope_shared.clock import ManualClock
from taskscope_shared.corrected import DAYS_FIELD, Corrected
from taskscope_shared.store import Reader
from taskscope_shared.watched import Watched

LABELS = [f"name-{number}" for number in range(40)]


def cell(draw: random.Random, label: str) -> Cell:
    made = Cell(kind=f"kind-{len(label) % 3}", counts=[draw.randrange(9) for _ in range(6)])
    for _ in range(draw.randrange(6)):
        made.runtime.add(draw.lognormvariate(0, 2))
        made.wait.add(draw.lognormvariate(-2, 2))
    made.slowest = [Example(str(draw.random()), draw.random(), draw.random())]
    made.failed = [Example(str(draw.random()), draw.random())]
    return made


def part(draw: random.Random) -> Groups:
    groups = Groups(Tally(), {}, draw.randrange(2))
    for label in draw.sample(LABELS, 20):
        groups.by_label[label] = Tally()
        groups.by_label[label].add(cell(draw, label))
        groups.total.add(groups.by_label[label])
    groups.total.kind = None
    return groups


def shown(tally: Tally) -> tuple[object, ...]:
    return (
        tally.counts,
        sorted(tally.runtime.items()),
        tally.runtime_us,
        sorted(tally.wait.items()),
        tally.wait_us,
        tally.slowest,
        tally.failed,
        tally.kind,
    )


def all_of(groups: Groups) -> tuple[object, ...]:
    return shown(groups.total), {label: shown(tally) for label, tally in groups.by_label.items()}, groups.unreadable


async def test_what_is_kept_added_up_is_what_adding_everything_gives_whatever_changes() -> None:
    draw, joints = random.Random(3), Joints()
    parts = [part(draw) for _ in range(4)]
    for _ in range(60):
        before = [all_of(each) for each in parts]
        whole = await joints.of("a window", parts)
        assert all_of(whole) == all_of(joined(parts))
        kinds = {label: tally.kind for label, tally in whole.by_label.items() if draw.random() < 0.9}
        expected = by_kind(Groups(Tally(), whole.by_label), kinds)
        assert {kind: shown(tally) for kind, tally in by_kind(whole, kinds).items()} == {
            kind: shown(tally) for kind, tally in expected.items()
        }
        assert [all_of(each) for each in parts] == before
        parts = parts[draw.randrange(2) :] or [part(draw)]
        if draw.random() < 0.5:
            parts[draw.randrange(len(parts))] = part(draw)
        parts += [part(draw) for _ in range(draw.randrange(2))]


async def test_what_did_not_change_is_not_added_up_again() -> None:
    draw, joints = random.Random(5), Joints()
    steady = [part(draw) for _ in range(5)]
    bases = [(await joints.of("a window", [*steady, part(draw)])).parts[0] for _ in range(4)]
    assert all(base is bases[0] for base in bases)


def test_whole_days_are_runs_by_themselves() -> None:
    hours: list[Bucket] = [(HOUR, 20 * DAY + number * HOUR) for number in range(-3, 50)]
    fives: list[Bucket] = [(300, 22 * DAY + 2 * HOUR + 300 * number) for number in range(5)]
    found = runs([*hours, *fives])
    assert [(run[0][1] - 20 * DAY, len(run)) for run in found] == [
        (-3 * HOUR, 3),
        (0, 48),
        (2 * DAY, 2),
        (2 * DAY + 2 * HOUR, 5),
    ]
    assert [bucket for run in found for bucket in run] == [*hours, *fives]


@pytest.mark.parametrize("resolution", [HOUR, DAY])
def test_many_whole_days_are_runs_of_the_same_days_while_the_window_moves(resolution: int) -> None:
    def days(first: int) -> set[tuple[Bucket, ...]]:
        return set(runs([(resolution, first * DAY + each) for each in range(0, 90 * DAY, resolution)]))

    assert len(days(160)) == 6
    assert len(days(160) & days(161)) == 4  # days 161 to 175 and 240 to 250 are summed up anew, those between are not


NOW = 20_833 * DAY + 8 * HOUR + 1234.0


def marks(days: int, now: float = NOW) -> Marks:
    """Of a source that writes: fives and hours are compacted up to now, days up to `days`."""
    rolled = {"rolled:300": now // 300 * 300, "rolled:3600": now // HOUR * HOUR, "rolled:86400": days}
    return Marks.of({field: str(int(until)) for field, until in rolled.items()} | {DAYS_FIELD: "0"})


def test_whole_days_are_read_as_days_and_the_ends_of_a_window_finer() -> None:
    today = int(NOW) // DAY * DAY
    found = cover(today - 3 * DAY - HOUR, int(NOW) // 60 * 60, marks(today + 8 * HOUR), NOW)
    assert Counter(resolution for resolution, _ in found.buckets) == {DAY: 3, HOUR: 9, 300: 4}
    assert not found.gaps
    assert found.buckets[0] == (HOUR, today - 3 * DAY - HOUR)
    assert found.buckets[1] == (DAY, today - 3 * DAY)


@given(
    st.integers(0, 91 * DAY // 60), st.integers(0, 91 * DAY // 60), st.integers(-95 * 24, 8), st.sampled_from([60, 3600, DAY])
)
def test_days_hold_what_their_hours_would_each_moment_once(since: int, until: int, made: int, step: int) -> None:
    """Whatever the window and however far days are made: the same stretch and the same gaps as without days, in order."""
    now = int(NOW) // 60 * 60
    start, end = sorted((now - since * 60, now - until * 60))
    start, end = start // step * step, end // step * step
    days = max(0, now // DAY * DAY + made * HOUR)
    found, plain = cover(start, end, marks(days), NOW), cover(start, end, marks(0), NOW)
    assert found.gaps == plain.gaps
    split = [each for bucket in found.buckets for each in _hours(bucket)]
    assert split == plain.buckets
    assert all(start + DAY <= days for resolution, start in found.buckets if resolution == DAY)
    assert max(map(len, runs(found.buckets)), default=0) <= RUN_DAYS * 24


def test_while_days_of_long_ago_are_made_a_window_is_read_anew_for_runs_of_them_alone() -> None:
    today = int(NOW) // DAY * DAY
    fronts = [today - 80 * DAY + hour * HOUR for hour in range(80 * 24 + 1)]
    ways = {tuple(cover(today - 89 * DAY, today, marks(front), NOW).buckets) for front in fronts}
    assert len(ways) <= 80 // RUN_DAYS + 3
    assert tuple((DAY, today - back * DAY) for back in range(89, 0, -1)) in ways


def _hours(bucket: Bucket) -> list[Bucket]:
    resolution, start = bucket
    return [bucket] if resolution != DAY else [(HOUR, start + each) for each in range(0, DAY, HOUR)]


@pytest.mark.parametrize("known", [{}, {"rolled:86400": str(20_000 * DAY)}, {"rolled:86400": "0", DAYS_FIELD: "0"}])
def test_days_are_not_read_where_an_older_collector_writes(known: dict[str, str]) -> None:
    hours = {"rolled:300": str(20_000 * DAY), "rolled:3600": str(20_000 * DAY), "corrected": "0"}
    assert not Marks.of(hours | known).holds((DAY, 19_990 * DAY), 20_000 * DAY)
    written = hours | {"rolled:86400": str(20_000 * DAY), DAYS_FIELD: "7"}
    assert Marks.of(written | {"corrected": "7 0"}).holds((DAY, 19_990 * DAY), 20_000 * DAY)
    assert not Marks.of(written | {"corrected": "8 0"}).holds((DAY, 19_990 * DAY), 20_000 * DAY)


def points(draw: random.Random, count: int) -> list[Point | None]:
    found: list[Point | None] = []
    for _ in range(count):
        tally = Tally()
        tally.add(cell(draw, "a"))
        found.append(point(tally) if draw.random() < 0.9 else None)
    return found


def test_rests_that_are_kept_are_those_of_what_is_given() -> None:
    draw, rests = random.Random(7), Rests()
    whole, lines = points(draw, 30), [points(draw, 30) for _ in range(4)]
    for moved in range(20):
        starts = range(moved, moved + 30)
        found = rests.rest("a series", starts, whole, lines, measured=True)
        assert found == Rests().rest("anew", starts, whole, lines, measured=True)
        for series in (whole, *lines):
            series[:] = [*series[1:], *points(draw, 1)]
        lines[draw.randrange(4)][draw.randrange(30)] = points(draw, 1)[0]


class SlowReader:
    """Rollups whose reading takes `seconds` of the clock."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.clock, self.seconds, self.reads = clock, seconds, 0

    async def load_cells(
        self, source: str, wanted: Mapping[tuple[int, int], Sequence[str]]
    ) -> dict[tuple[int, int, str], bytes]:
        assert source == "s"
        self.reads += 1
        self.clock.advance(self.seconds)
        return {(resolution, start, "source:"): encode_cell(Cell(counts=[1] * 6)) for resolution, start in wanted}


async def test_what_takes_long_to_read_is_not_read_for_ever_though_corrections_do_not_end() -> None:
    clock = ManualClock()
    reader = SlowReader(clock, 4 * CORRECTED_SECONDS)
    cellar = Cellar(cast("Reader", reader), clock)

    async def ask(corrections: int) -> int:
        rolled = {300: 10 * HOUR, HOUR: 10 * HOUR, DAY: 0}
        marks = Marks(
            "i", complete=True, rolled=rolled, corrected=Corrected(corrections, (0,) * corrections), watched=Watched()
        )
        return (await cellar.groups("s", "name", [(HOUR, 0)], marks)).total.total

    assert [await ask(number) for number in range(3)] == [6, 6, 6]
    assert reader.reads == 1
    clock.advance(CORRECTED_SHARE * reader.seconds)
    await ask(9)
    assert reader.reads == 2

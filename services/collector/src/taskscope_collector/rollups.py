"""What ended, summed up by period and label, for charts that never read tasks.

What a task contributes is a pure function of it (`contributions.py`), so a corrected task is what it contributes now minus
what it contributed when it was last written. `docs/architecture.md` ("Rollups") says where it goes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from math import ceil

import msgspec
from taskscope_shared.cells import Cell, UnknownCellError, decode_cell
from taskscope_shared.corrected import DAYS_FIELD, FIELD, Corrected, days_rolled
from taskscope_shared.keys import ROLLUP_SECONDS
from taskscope_shared.model import HISTORY
from taskscope_shared.watched import FIELD as WATCHED
from taskscope_shared.watched import Watched

from taskscope_collector.bucket import Cells, Sample, sample_of
from taskscope_collector.contributions import Contribution, Contributions
from taskscope_collector.contributions import contributions as contributions  # noqa: PLC0414 - what is summed up, under one name

MINUTE, FIVE, HOUR, DAY = sorted(ROLLUP_SECONDS)
FINER = {FIVE: (MINUTE, FIVE), HOUR: (FIVE, HOUR), DAY: (HOUR, HOUR)}
"""What a coarse resolution is made of, and how many seconds of it at once: a day grows by the hour."""
CACHED_CELLS = 2_000
"""Cells remembered between flushes: 2 to 10 KB each."""
GRACE_SECONDS = 5.0
"""A period is compacted so long after its end; what ends in it later reaches the coarser cell by itself."""
MARGIN_SECONDS = 300.0
"""A bucket is left alone so long before it expires, so that nothing is taken from one that has just gone."""

DAY_PACE_SECONDS = 1.0
"""Between the hours that are added to days: where days have to be made first, 90 of them take 36 minutes."""

SLICE = 100
"""Minutes added before others may run: what ended long ago is spread over many of them."""
TURN_CELLS = 50
"""Cells read, merged or encoded before others may run: 1 to 3 ms."""

Bucket = tuple[int, int]
"""(resolution, start), both seconds."""
Load = Callable[[Mapping[Bucket, Sequence[str]]], Awaitable[dict[tuple[int, int, str], bytes]]]
"""`Writer.load_cells` of one source."""


class Change(msgspec.Struct, gc=False):
    """A task that is about to be written: what it contributed when last written, and what it contributes now."""

    id: str
    before: Contributions
    after: Contributions


class Step(msgspec.Struct, frozen=True):
    """One compaction: `bucket` takes in the cells of `finer`, and is written up to `until` then."""

    bucket: Bucket
    finer: tuple[Bucket, ...]
    until: int

    @property
    def first(self) -> bool:
        """Whether nothing was compacted into the bucket before."""
        return self.finer[0][1] == self.bucket[1]


class Staged(msgspec.Struct):
    """What a flush has to write for the rollups."""

    cells: dict[Bucket, dict[str, bytes | None]]
    meta: dict[str, str]


Delta = tuple[str, Contribution, int]
"""(task id, contribution, 1 or -1)"""


def deltas(changes: Iterable[Change]) -> list[Delta]:
    """What has to be taken back and added. An attempt that merely fell out of a full history stays counted."""
    found: list[Delta] = []
    for change in changes:
        before, after = change.before, change.after
        if not before:
            for each in after:
                found.append((change.id, each, 1))  # noqa: PERF401 - one, nearly always: a comprehension costs twice as much
        elif before != after:
            oldest = after[0][0] if len(after) >= HISTORY else 0
            found += [(change.id, each, -1) for each in before if each not in after and each[0] >= oldest]
            found += [(change.id, each, 1) for each in after if each not in before]
    return found


class Rollups:
    """The rollups of one source: a cache of buckets over what is stored, and how far they are compacted.

    The cache holds what the store will hold once the staged flush is written; after one that failed call `forget`.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[Bucket, Cells] = OrderedDict()
        self._rolled: dict[int, int] = {}
        self._staged_rolled: dict[int, int] = {}
        self._day_at = 0.0
        self._corrected = Corrected()
        self._watched = Watched()
        self.unreadable = 0

    def begin(self, meta: Mapping[str, str], now: float, began: float | None = None) -> None:
        """Start over from what the meta hash says. Nothing compacted yet: what ended before now goes to the hours, too.

        `began` is since when this collector watches (None: since now), also while it stood by or the store was away.

        Where it says nothing of days, or an older Taskscope wrote since, they are made anew of the hours that are kept.
        """
        self._buckets.clear()
        self._corrected = Corrected.parse(meta.get(FIELD))
        self._watched = Watched.begun(meta, now if began is None else began)
        for resolution in (FIVE, HOUR):
            current = int(now) // resolution * resolution
            self._rolled[resolution] = int(meta.get(f"rolled:{resolution}", current))
        self._rolled[DAY] = days_rolled(meta)
        self._staged_rolled = dict(self._rolled)
        self._day_at = now - DAY_PACE_SECONDS

    def forget(self) -> None:
        """The staged flush was not written: what was staged is not so."""
        self._buckets.clear()
        self._staged_rolled = dict(self._rolled)

    def commit(self) -> None:
        """The staged flush was written."""
        self._rolled = dict(self._staged_rolled)

    async def stage(self, changes: Iterable[Change], now: float, load: Load) -> Staged:
        """The cells and meta fields to write with the tasks of `changes`. Raises what `load` raises, changing nothing."""
        found = deltas(changes)
        periods = {minute: self._periods(minute, now) for minute in {int(each[1][1]) // MINUTE for each in found}}
        due = self._due(now)
        self._corrected.add(minute * MINUTE for minute, buckets in periods.items() if any(each[0] > MINUTE for each in buckets))
        wanted = {bucket for buckets in periods.values() for bucket in buckets}
        wanted.update(bucket for step in due for bucket in (step.bucket, *step.finer))
        await self._load(wanted, load)
        self._take_back(found, periods)
        await self._add(found, periods)
        for step in due:
            await self._compact(step)
        cells = await self._encoded(wanted)
        self._evict(len(wanted))
        return Staged(cells, self._meta(now))

    def _meta(self, now: float) -> dict[str, str]:
        rolled = {f"rolled:{resolution}": str(until) for resolution, until in self._staged_rolled.items()}
        corrected = {FIELD: self._corrected.text, DAYS_FIELD: str(self._corrected.count)}
        return {**rolled, **corrected, WATCHED: self._watched.text_at(now)}

    def _take_back(self, found: Iterable[Delta], periods: Mapping[int, list[Bucket]]) -> None:
        for id_, contribution, times in found:
            if times < 0:
                for bucket in periods[int(contribution[1]) // MINUTE]:
                    self._buckets[bucket].take_back(id_, contribution)

    async def _add(self, found: Iterable[Delta], periods: Mapping[int, list[Bucket]]) -> None:
        """The usual way: first sorted by minute and label, then each cell takes all of its own at once."""
        minutes: dict[int, list[Sample]] = {}
        for id_, contribution, times in found:
            if times > 0:
                minutes.setdefault(int(contribution[1]) // MINUTE, []).append(sample_of(id_, contribution))
        for number, (minute, samples) in enumerate(minutes.items(), 1):
            for bucket in periods[minute]:
                self._buckets[bucket].add(samples)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _periods(self, minute: int, now: float) -> list[Bucket]:
        """The buckets that an attempt which ended in `minute` belongs to by now."""
        at = minute * MINUTE
        buckets = []
        for resolution, kept in ROLLUP_SECONDS.items():
            start = at // resolution * resolution
            if self._takes(resolution, at) and start + resolution + kept - MARGIN_SECONDS > now:
                buckets.append((resolution, start))
        return buckets

    def _takes(self, resolution: int, at: int) -> bool:
        """Whether what ended at `at` is counted in that resolution itself, since no compaction brings it there any more."""
        if resolution == MINUTE:
            return True
        step = FINER[resolution][1]
        return at // step * step + step <= self._rolled[resolution]

    def _due(self, now: float) -> list[Step]:
        """At most one compaction into each coarse resolution; what has expired meanwhile is passed over."""
        due = []
        for resolution, (finer, step) in FINER.items():
            alive = ceil((now - ROLLUP_SECONDS[finer]) / resolution) * resolution
            start = max(self._rolled[resolution], alive)
            ready = now - GRACE_SECONDS if resolution == FIVE else min(now, self._rolled[finer])
            if start + step <= ready and (resolution != DAY or self._is_time_for_days(now)):
                parts = tuple((finer, each) for each in range(start, start + step, finer))
                due.append(Step((resolution, start // resolution * resolution), parts, start + step))
        return due

    def _is_time_for_days(self, now: float) -> bool:
        if 0 <= now - self._day_at < DAY_PACE_SECONDS:
            return False
        self._day_at = now
        return True

    async def _compact(self, step: Step) -> None:
        coarse = self._buckets[step.bucket]
        if step.first and step.bucket[0] == DAY:
            coarse.drop()
        for finer in step.finer:
            for number, _ in enumerate(coarse.merge(self._buckets[finer]), 1):
                if number % TURN_CELLS == 0:
                    await asyncio.sleep(0)
        self._staged_rolled[step.bucket[0]] = step.until

    async def _encoded(self, wanted: Iterable[Bucket]) -> dict[Bucket, dict[str, bytes | None]]:
        cells: dict[Bucket, dict[str, bytes | None]] = {}
        found = ((bucket, *each) for bucket in wanted for each in self._buckets[bucket].encoded())
        for number, (bucket, field, data) in enumerate(found, 1):
            cells.setdefault(bucket, {})[field] = data
            if number % TURN_CELLS == 0:
                await asyncio.sleep(0)
        return cells

    async def _load(self, wanted: Iterable[Bucket], load: Load) -> None:
        missing = [bucket for bucket in wanted if bucket not in self._buckets]
        loaded: dict[Bucket, dict[str, Cell | None]] = {bucket: {} for bucket in missing}
        if missing:
            found = await load(dict.fromkeys(missing, ()))
            for number, ((resolution, start, field), data) in enumerate(found.items(), 1):
                loaded[resolution, start][field] = self._decoded(data)
                if number % TURN_CELLS == 0:
                    await asyncio.sleep(0)
        for bucket, cells in loaded.items():
            self._buckets[bucket] = Cells(cells)
        for bucket in wanted:
            self._buckets.move_to_end(bucket)

    def _decoded(self, data: bytes) -> Cell | None:
        try:
            return decode_cell(data)
        except (UnknownCellError, msgspec.DecodeError):
            self.unreadable += 1
            return None

    def _evict(self, keep: int) -> None:
        """Forget the buckets used longest ago, but none of the `keep` last ones. An empty bucket counts as a cell."""
        cells = sum(1 + len(bucket.cells) for bucket in self._buckets.values())
        while cells > CACHED_CELLS and len(self._buckets) > keep:
            cells -= 1 + len(self._buckets.popitem(last=False)[1].cells)

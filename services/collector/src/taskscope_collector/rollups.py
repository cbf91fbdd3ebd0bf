"""What ended, summed up by period and label, for charts that never read tasks.

What a task contributes is a pure function of it (`contributions.py`), so a corrected task is what it contributes now minus
what it contributed when it was last written. `docs/architecture.md` ("Rollups") says where it goes.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from math import ceil

import msgspec
from taskscope_shared.cells import (
    EXAMPLES,
    OUTCOME_OF,
    Cell,
    Example,
    Sketch,
    UnknownCellError,
    bucket_of,
    decode_cell,
    encode_cell,
    keep_latest,
    keep_slowest,
)
from taskscope_shared.corrected import FIELD, Corrected
from taskscope_shared.keys import ROLLUP_SECONDS
from taskscope_shared.model import HISTORY, State

from taskscope_collector.contributions import Contribution, Contributions
from taskscope_collector.contributions import contributions as contributions  # noqa: PLC0414 - what is summed up, under one name

MINUTE, FIVE, HOUR = sorted(ROLLUP_SECONDS)
LABELS = {"name": 500, "queue": 200, "worker": 500, "source": 1}
"""Labels a bucket, by marginal; attempts under any further one are counted under OTHER."""
OTHER = "other"
CACHED_CELLS = 2_000
"""Cells remembered between flushes: 2 to 10 KB each."""
GRACE_SECONDS = 5.0
"""A period is compacted so long after its end; what ends in it later reaches the coarser cell by itself."""
MARGIN_SECONDS = 300.0
"""A bucket is left alone so long before it expires, so that nothing is taken from one that has just gone."""

SLICE = 100
"""Minutes added, or buckets encoded, before others may run: what ended long ago is spread over many of them."""

_FAILED = OUTCOME_OF[State.FAILED]

Bucket = tuple[int, int]
"""(resolution, start), both seconds."""
Load = Callable[[Mapping[Bucket, Sequence[str]]], Awaitable[dict[tuple[int, int, str], bytes]]]
"""`Writer.load_cells` of one source."""


class Change(msgspec.Struct, gc=False):
    """A task that is about to be written: what it contributed when last written, and what it contributes now."""

    id: str
    before: Contributions
    after: Contributions


class Staged(msgspec.Struct):
    """What a flush has to write for the rollups."""

    cells: dict[Bucket, dict[str, bytes | None]]
    meta: dict[str, str]


_Sample = tuple[str, Contribution, int | None, int, int | None, int]
"""(task id, contribution, runtime's bucket and microseconds, wait's bucket and microseconds)"""
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


class _Bucket:
    """The cells of one bucket, all of them; `changed` are those that have to be written."""

    def __init__(self, cells: dict[str, Cell | None]) -> None:
        self.cells = cells
        self.changed: set[str] = set()
        self._labels = dict.fromkeys(LABELS, 0)
        for field in cells:
            self._labels[field.partition(":")[0]] += 1

    def take(self, marginal: str, label: str) -> Cell | None:
        """The cell of a label, made if there is room, else that of the others; None for one that cannot be read."""
        field = f"{marginal}:{label}"
        if field not in self.cells:
            field = self._admit(marginal, field)
        self.changed.add(field)
        return self.cells[field]

    def _admit(self, marginal: str, field: str) -> str:
        if self._labels[marginal] >= LABELS[marginal]:
            field = f"{marginal}:{OTHER}"
        if field not in self.cells:
            self._labels[marginal] += 1
            self.cells[field] = Cell()
        return field

    def measured(self, name: str | None, queue: str | None) -> list[Cell]:
        """The cells that hold durations of an attempt."""
        cells = [self.take("source", "")]
        if name is not None:
            cells.append(self.take("name", name))
        if queue is not None:
            cells.append(self.take("queue", queue))
        return [cell for cell in cells if cell is not None]

    def add(self, samples: list[_Sample]) -> None:
        """Count all `samples`."""
        names: dict[tuple[str, str], list[_Sample]] = {}
        queues: dict[str, list[_Sample]] = {}
        workers: dict[tuple[str, int], int] = {}
        for sample in samples:
            _, _, outcome, _, _, name, kind, queue, worker, _ = sample[1]
            if name is not None:
                names.setdefault((name, kind), []).append(sample)
            if queue is not None:
                queues.setdefault(queue, []).append(sample)
            if worker is not None:
                workers[worker, outcome] = workers.get((worker, outcome), 0) + 1
        self._fill("source", "", samples)
        for (name, kind), own in names.items():
            self._fill("name", name, own, kind)
        for queue, own in queues.items():
            self._fill("queue", queue, own)
        for (worker, outcome), count in workers.items():
            if (cell := self.take("worker", worker)) is not None:
                cell.counts[outcome] += count

    def _fill(self, marginal: str, label: str, samples: list[_Sample], kind: str | None = None) -> None:
        cell = self.take(marginal, label)
        if cell is not None:
            cell.kind = kind
            _fill(cell, samples)

    def encoded(self) -> dict[str, bytes | None]:
        """The changed cells; from now on none is."""
        cells = ((field, self.cells[field]) for field in self.changed)
        encoded: dict[str, bytes | None] = {field: encode_cell(cell) for field, cell in cells if cell is not None}
        self.changed = set()
        return encoded


class Rollups:
    """The rollups of one source: a cache of buckets over what is stored, and how far they are compacted.

    The cache holds what the store will hold once the staged flush is written; after one that failed call `forget`.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[Bucket, _Bucket] = OrderedDict()
        self._rolled: dict[int, int] = {}
        self._staged_rolled: dict[int, int] = {}
        self._corrected = Corrected()
        self.unreadable = 0

    def begin(self, meta: Mapping[str, str], now: float) -> None:
        """Start over from what the meta hash says. Nothing compacted yet: what ended before now goes to all resolutions."""
        self._buckets.clear()
        self._corrected = Corrected.parse(meta.get(FIELD))
        for resolution in (FIVE, HOUR):
            current = int(now) // resolution * resolution
            self._rolled[resolution] = int(meta.get(f"rolled:{resolution}", current))
        self._staged_rolled = dict(self._rolled)

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
        wanted.update(bucket for each in due for bucket in (each, *_finer(each)))
        await self._load(wanted, load)
        self._take_back(found, periods)
        await self._add(found, periods)
        for bucket in due:
            self._compact(bucket)
        cells = {}
        for number, bucket in enumerate(wanted, 1):
            if encoded := self._buckets[bucket].encoded():
                cells[bucket] = encoded
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self._evict(len(wanted))
        meta = {f"rolled:{resolution}": str(until) for resolution, until in self._staged_rolled.items()}
        return Staged(cells, {**meta, FIELD: self._corrected.text})

    def _take_back(self, found: Iterable[Delta], periods: Mapping[int, list[Bucket]]) -> None:
        for id_, contribution, times in found:
            if times < 0:
                for bucket in periods[int(contribution[1]) // MINUTE]:
                    _take_back(self._buckets[bucket], id_, contribution)

    async def _add(self, found: Iterable[Delta], periods: Mapping[int, list[Bucket]]) -> None:
        """The usual way: first sorted by minute and label, then each cell takes all of its own at once."""
        minutes: dict[int, list[_Sample]] = {}
        for id_, contribution, times in found:
            if times > 0:
                minutes.setdefault(int(contribution[1]) // MINUTE, []).append(_sample(id_, contribution))
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
            closed = resolution == MINUTE or start + resolution <= self._rolled[resolution]
            if closed and start + resolution + kept - MARGIN_SECONDS > now:
                buckets.append((resolution, start))
        return buckets

    def _due(self, now: float) -> list[Bucket]:
        """At most one period of each resolution that has to be compacted; what has expired meanwhile is passed over."""
        due = []
        for resolution, finer in ((FIVE, MINUTE), (HOUR, FIVE)):
            alive = ceil((now - ROLLUP_SECONDS[finer]) / resolution) * resolution
            start = max(self._rolled[resolution], alive)
            ready = now - GRACE_SECONDS if resolution == FIVE else min(now, self._rolled[FIVE])
            if start + resolution <= ready:
                due.append((resolution, start))
        return due

    def _compact(self, bucket: Bucket) -> None:
        resolution, start = bucket
        coarse = self._buckets[bucket]
        for finer in _finer(bucket):
            for field, cell in self._buckets[finer].cells.items():
                marginal, _, label = field.partition(":")
                into = coarse.take(marginal, label)
                if cell is not None and into is not None:
                    into.merge(cell)
        self._staged_rolled[resolution] = start + resolution

    async def _load(self, wanted: Iterable[Bucket], load: Load) -> None:
        missing = [bucket for bucket in wanted if bucket not in self._buckets]
        loaded: dict[Bucket, dict[str, Cell | None]] = {bucket: {} for bucket in missing}
        if missing:
            for (resolution, start, field), data in (await load(dict.fromkeys(missing, ()))).items():
                loaded[resolution, start][field] = self._decoded(data)
        for bucket, cells in loaded.items():
            self._buckets[bucket] = _Bucket(cells)
        for bucket in wanted:
            self._buckets.move_to_end(bucket)

    def _decoded(self, data: bytes) -> Cell | None:
        try:
            return decode_cell(data)
        except (UnknownCellError, msgspec.DecodeError):
            self.unreadable += 1
            return None

    def _evict(self, keep: int) -> None:
        """Forget the buckets used longest ago, but none of the `keep` last ones."""
        cells = sum(len(bucket.cells) for bucket in self._buckets.values())
        while cells > CACHED_CELLS and len(self._buckets) > keep:
            cells -= len(self._buckets.popitem(last=False)[1].cells)


def _finer(bucket: Bucket) -> list[Bucket]:
    resolution, start = bucket
    step = MINUTE if resolution == FIVE else FIVE
    return [(step, each) for each in range(start, start + resolution, step)]


def _sample(id_: str, contribution: Contribution) -> _Sample:
    runtime, wait = contribution[3], contribution[4]
    return (
        id_,
        contribution,
        None if runtime is None else bucket_of(runtime),
        0 if runtime is None else round(runtime * 1e6),
        None if wait is None else bucket_of(wait),
        0 if wait is None else round(wait * 1e6),
    )


def _fill(cell: Cell, samples: list[_Sample]) -> None:
    """Count all `samples`. Comprehensions and one C function: this is done four times for each finished task."""
    for sample in samples:
        cell.counts[sample[1][2]] += 1
    _fill_sketch(cell.runtime, [sample[2] for sample in samples], [sample[3] for sample in samples])
    _fill_sketch(cell.wait, [sample[4] for sample in samples], [sample[5] for sample in samples])
    least = (cell.slowest[-1].seconds or 0.0) if len(cell.slowest) >= EXAMPLES else -1.0
    slow = [each for each in samples if each[1][3] is not None and each[1][3] > least]
    if slow:
        slow.sort(key=_runtime, reverse=True)
        cell.slowest = keep_slowest([*cell.slowest, *(_example(each[0], each[1]) for each in slow[:EXAMPLES])])
    failed = [_example(each[0], each[1]) for each in samples if each[1][2] == _FAILED]
    if failed:
        cell.failed = keep_latest([*cell.failed, *failed])


def _runtime(sample: _Sample) -> float:
    return sample[1][3] or 0.0


def _fill_sketch(sketch: Sketch, buckets: list[int | None], microseconds: list[int]) -> None:
    counts = Counter(buckets)
    known = sketch.buckets
    for bucket, count in counts.items():
        if bucket is not None:
            known[bucket] = known.get(bucket, 0) + count
            if not known[bucket]:
                del known[bucket]
    sketch.sum_us += sum(microseconds)


def _take_back(bucket: _Bucket, id_: str, contribution: Contribution) -> None:
    _, at, outcome, runtime, wait, name, _, queue, worker, _ = contribution
    for cell in bucket.measured(name, queue):
        cell.counts[outcome] -= 1
        if runtime is not None:
            cell.runtime.add(runtime, -1)
        if wait is not None:
            cell.wait.add(wait, -1)
        cell.slowest = [each for each in cell.slowest if (each.id, each.at) != (id_, at)]
        cell.failed = [each for each in cell.failed if (each.id, each.at) != (id_, at)]
    if worker is not None and (counted := bucket.take("worker", worker)) is not None:
        counted.counts[outcome] -= 1


def _example(id_: str, contribution: Contribution) -> Example:
    return Example(id_, contribution[1], contribution[3], contribution[9])

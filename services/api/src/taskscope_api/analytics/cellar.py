"""Cells from the store, in bounded portions, and sums of them: of what is closed they are kept until it is corrected."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence

import msgspec
from taskscope_shared.cells import Cell
from taskscope_shared.clock import Clock
from taskscope_shared.corrected import PERIOD_SECONDS
from taskscope_shared.store import Reader

from taskscope_api.analytics.periods import Bucket, Marks
from taskscope_api.analytics.tally import Tally, read_cell

OVERFLOW = "other"
"""The label under which the collector counts what exceeds a bucket's bound of labels."""
LIVE_SECONDS = 1.0
"""What still changes is read again after so long."""
CORRECTED_SECONDS = 10.0
"""A sum over what was corrected is made anew at most so often."""
KEPT_TALLIES = 2_000
"""Sums of groups that are kept: 5 to 20 KB each."""
LABELS = 2_000
"""Groups told apart in one stretch of time."""
WHOLE_BUCKETS = 8
"""Whole buckets asked for at once: 200 KB each with 200 task names."""
PART_BUCKETS = 64
"""Buckets of which a few cells are asked for at once."""
TURN_CELLS = 48
"""Cells added before others may run: about 1 ms."""
RUNNING = 32
"""Readings under way at once; a request that would begin another one fails."""

Wanted = Mapping[Bucket, Sequence[str]]


class BusyError(Exception):
    """Too much is being read already."""


class Groups(msgspec.Struct):
    """Sums of a stretch of time: of all attempts, and of each label of one marginal. `unreadable` cells are left out."""

    total: Tally
    by_label: dict[str, Tally]
    unreadable: int = 0


class _Kept(msgspec.Struct):
    """A reading, under way or done. `count`: corrections that were known when it began; `at`: when that was, monotonic."""

    task: "asyncio.Task[Groups]"
    at: float
    count: int


class Cellar:
    """Reads the rollups through `reader` and remembers sums. A reading goes on when the request that began it has given up."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._marks: dict[str, tuple[float, Marks]] = {}
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._raw: dict[tuple[str, Bucket], tuple[float, dict[str, bytes]]] = {}

    def moment(self) -> float:
        """Monotonic seconds."""
        return self._clock.monotonic()

    async def marks(self, source: str) -> Marks:
        """What the source's meta hash says, at most `LIVE_SECONDS` old. Raises `StoreError`."""
        now = self._clock.monotonic()
        known = self._marks.get(source)
        if known is None or now - known[0] >= LIVE_SECONDS:
            known = self._marks[source] = (now, Marks.of(await self._reader.meta(source)))
        return known[1]

    async def groups(self, source: str, marginal: str, buckets: Sequence[Bucket], marks: Marks) -> Groups:
        """Sums over `buckets`, not to be changed; `marginal` `source`: the total alone. Raises `StoreError`, `BusyError`."""
        closed = tuple(bucket for bucket in buckets if marks.closed(bucket))
        opened = tuple(bucket for bucket in buckets if not marks.closed(bucket))
        parts = [await self._sum(source, marginal, part, marks, is_closed=part is closed) for part in (closed, opened) if part]
        if len(parts) == 1:
            return parts[0]
        await asyncio.sleep(0)
        return joined(parts)

    async def cells(self, source: str, wanted: Wanted, marks: Marks) -> AsyncIterator[tuple[Bucket, dict[str, bytes]]]:
        """The cells of each bucket with the fields asked for (none: all), as they are stored."""
        closed = {bucket: fields for bucket, fields in wanted.items() if marks.closed(bucket)}
        for bucket, fields in wanted.items():
            if bucket not in closed:
                whole = await self._live(source, bucket)
                yield bucket, {name: whole[name] for name in fields or whole if name in whole}
        size = PART_BUCKETS if all(closed.values()) else WHOLE_BUCKETS
        order = list(closed)
        for first in range(0, len(order), size):
            portion = {bucket: closed[bucket] for bucket in order[first : first + size]}
            for bucket, found in (await self._load(source, portion)).items():
                yield bucket, found

    async def _load(self, source: str, wanted: Wanted) -> dict[Bucket, dict[str, bytes]]:
        found: dict[Bucket, dict[str, bytes]] = {bucket: {} for bucket in wanted}
        for (resolution, start, field), data in (await self._reader.load_cells(source, wanted)).items():
            found[resolution, start][field] = data
        return found

    async def _live(self, source: str, bucket: Bucket) -> dict[str, bytes]:
        now = self._clock.monotonic()
        known = self._raw.get((source, bucket))
        if known is not None and now - known[0] < LIVE_SECONDS:
            return known[1]
        self._raw = {key: each for key, each in self._raw.items() if now - each[0] < LIVE_SECONDS}
        found = (await self._load(source, {bucket: ()}))[bucket]
        self._raw[source, bucket] = (now, found)
        return found

    async def _sum(self, source: str, marginal: str, buckets: tuple[Bucket, ...], marks: Marks, *, is_closed: bool) -> Groups:
        key = (source, marks.incarnation, marginal, buckets)
        kept = self._kept.get(key)
        if kept is None or not self._holds(kept, buckets, marks, is_closed=is_closed):
            kept = self._begin(key, lambda: self._read(source, marginal, buckets, marks), marks)
        self._kept.move_to_end(key)
        return await asyncio.shield(kept.task)

    def _holds(self, kept: _Kept, buckets: tuple[Bucket, ...], marks: Marks, *, is_closed: bool) -> bool:
        if not kept.task.done():
            return True
        if kept.task.cancelled() or kept.task.exception() is not None:
            return False
        age = self._clock.monotonic() - kept.at
        if not is_closed:
            return age < LIVE_SECONDS
        if not reaches(marks.corrected.since(kept.count), buckets[0][1], sum(buckets[-1])):
            kept.count = marks.corrected.count
            return True
        return age < CORRECTED_SECONDS

    def _begin(self, key: Hashable, read: Callable[[], Awaitable[Groups]], marks: Marks) -> _Kept:
        if sum(not kept.task.done() for kept in self._kept.values()) >= RUNNING:
            raise BusyError
        task = asyncio.ensure_future(read())
        task.add_done_callback(_settled)
        kept = self._kept[key] = _Kept(task, self._clock.monotonic(), marks.corrected.count)
        self._evict()
        return kept

    def _evict(self) -> None:
        sizes = {key: _size(kept.task) for key, kept in self._kept.items()}
        total = sum(sizes.values())
        for key, size in sizes.items():
            if total <= KEPT_TALLIES:
                return
            if self._kept[key].task.done():
                del self._kept[key]
                total -= size

    async def _read(self, source: str, marginal: str, buckets: tuple[Bucket, ...], marks: Marks) -> Groups:
        fields: tuple[str, ...] = ("source:",) if marginal == "source" else ()
        summing = _Summing(marginal)
        async for _, found in self.cells(source, dict.fromkeys(buckets, fields), marks):
            for number, (field, data) in enumerate(found.items()):
                summing.add(field, data)
                if number % TURN_CELLS == TURN_CELLS - 1:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
        return summing.groups

    async def close(self) -> None:
        """End what is being read."""
        tasks = [kept.task for kept in self._kept.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()


class _Summing:
    """Adds cells by label."""

    def __init__(self, marginal: str) -> None:
        self._prefix = marginal + ":"
        self.groups = Groups(Tally(), {})

    def add(self, field: str, data: bytes) -> None:
        """Add a cell, if it is the source's or one of the marginal's."""
        is_total = field == "source:"
        if not is_total and not field.startswith(self._prefix):
            return
        cell = read_cell(data)
        if cell is None:
            self.groups.unreadable += 1
        elif is_total:
            self.groups.total.add(cell)
        else:
            self._tally(field.removeprefix(self._prefix), cell).add(cell)

    def _tally(self, label: str, cell: Cell) -> Tally:
        known = self.groups.by_label
        if label == OVERFLOW or (label not in known and len(known) >= LABELS):
            cell.kind = None  # of several names, so it says nothing
            label = OVERFLOW
        if label not in known:
            known[label] = Tally()
        return known[label]


def joined(parts: Sequence[Groups]) -> Groups:
    """All of them added up; the sums of a label that one part alone has are the same objects."""
    total, by_label = Tally(), dict[str, Tally]()
    shared: set[str] = set()
    for part in parts:
        total.add(part.total)
        for label, tally in part.by_label.items():
            if label not in by_label:
                by_label[label] = tally
                continue
            if label not in shared:
                shared.add(label)
                own = Tally()
                own.add(by_label[label])
                by_label[label] = own
            by_label[label].add(tally)
    return Groups(total, by_label, sum(part.unreadable for part in parts))


def reaches(corrected: frozenset[int] | None, start: int, end: int) -> bool:
    """Whether what was corrected (None: it is not known) lies between `start` and `end`."""
    return corrected is None or any(at < end and at + PERIOD_SECONDS > start for at in corrected)


def _size(task: "asyncio.Task[Groups]") -> int:
    done = task.done() and not task.cancelled() and task.exception() is None
    return 1 + len(task.result().by_label) if done else 1


def _settled(task: "asyncio.Future[Groups]") -> None:
    """A failure is told to whoever waits; when nobody does any more, it is nobody's."""
    if not task.cancelled():
        task.exception()

"""Cells from the store, in bounded portions, and sums of them: of what is closed they are kept until it is corrected."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.corrected import PERIOD_SECONDS
from taskscope_shared.store import Reader

from taskscope_api.analytics.periods import Bucket, Marks, runs
from taskscope_api.analytics.sums import Groups, Joints, Summing
from taskscope_api.analytics.tally import Tally

LIVE_SECONDS = 1.0
"""What still changes is read again after so long."""
CORRECTED_SECONDS = 10.0
"""A sum over what was corrected is made anew at most so often."""
CORRECTED_SHARE = 4
"""And not before so many times as long as it took passed since it began: else a long window would be read for ever."""
KEPT_TALLIES = 3_000
"""Sums of groups that are kept: 5 to 20 KB each."""
OPENED = 64
"""Buckets that still change whose sums are kept, each with its cells: some 500 KB with 200 task names."""
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


class _Kept(msgspec.Struct):
    """A reading, under way or done. `count`: corrections that were known when it began; `at`, `read_at`: when it began and was
    done, monotonic.
    """

    task: "asyncio.Task[Groups]"
    at: float
    count: int
    read_at: float = 0.0


class Cellar:
    """Reads the rollups through `reader` and remembers sums. A reading goes on when the request that began it has given up."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._marks: dict[str, tuple[float, Marks]] = {}
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._raw: dict[tuple[str, Bucket], tuple[float, dict[str, bytes]]] = {}
        self._opened: OrderedDict[tuple[str, str, Bucket], tuple[dict[str, bytes], Groups]] = OrderedDict()
        self._joints = Joints()

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

    async def groups(self, source: str, marginal: str, buckets: Sequence[Bucket], marks: Marks, use: str = "all") -> Groups:
        """Sums over `buckets`, not to be changed; `marginal` `source`: the total alone; `use` tells apart what begins alike.

        Raises `StoreError`, `BusyError`.
        """
        closed = [bucket for bucket in buckets if marks.closed(bucket)]
        parts = [await self._sum(source, marginal, run, marks) for run in runs(closed)]
        parts += [await self._opened_sum(source, marginal, bucket) for bucket in buckets if not marks.closed(bucket)]
        if not parts:
            return Groups(Tally(), {})
        return await self._joints.of((source, marginal, marks.incarnation, use, buckets[0]), parts)

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

    async def _opened_sum(self, source: str, marginal: str, bucket: Bucket) -> Groups:
        """The sum of a bucket that may change: the same object while its cells are the same bytes."""
        key = source, marginal, bucket
        found = await self._live(source, bucket)
        known = self._opened.get(key)
        if known is not None and known[0] == found:
            return known[1]
        summing = Summing(marginal)
        await self._add(summing, found)
        self._opened[key] = found, summing.groups
        self._opened.move_to_end(key)
        if len(self._opened) > OPENED:
            self._opened.popitem(last=False)
        return summing.groups

    async def _sum(self, source: str, marginal: str, buckets: tuple[Bucket, ...], marks: Marks) -> Groups:
        key = (source, marks.incarnation, marginal, buckets)
        kept = self._kept.get(key)
        if kept is None or not self._holds(kept, buckets, marks):
            kept = self._begin(key, lambda: self._read(source, marginal, buckets, marks), marks)
        self._kept.move_to_end(key)
        return await asyncio.shield(kept.task)

    def _holds(self, kept: _Kept, buckets: tuple[Bucket, ...], marks: Marks) -> bool:
        if not kept.task.done():
            return True
        if kept.task.cancelled() or kept.task.exception() is not None:
            return False
        if not reaches(marks.corrected.since(kept.count), buckets[0][1], sum(buckets[-1])):
            kept.count = marks.corrected.count
            return True
        took = kept.read_at - kept.at
        return self._clock.monotonic() - kept.at < max(CORRECTED_SECONDS, CORRECTED_SHARE * took)

    def _begin(self, key: Hashable, read: Callable[[], Awaitable[Groups]], marks: Marks) -> _Kept:
        if sum(not kept.task.done() for kept in self._kept.values()) >= RUNNING:
            raise BusyError
        task = asyncio.ensure_future(read())
        kept = self._kept[key] = _Kept(task, self._clock.monotonic(), marks.corrected.count)
        task.add_done_callback(lambda done: self._settled(kept, done))
        self._evict()
        return kept

    def _settled(self, kept: _Kept, task: "asyncio.Future[Groups]") -> None:
        """A failure is told to whoever waits; when nobody does any more, it is nobody's."""
        kept.read_at = self._clock.monotonic()
        if not task.cancelled():
            task.exception()

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
        summing = Summing(marginal)
        async for _, found in self.cells(source, dict.fromkeys(buckets, fields), marks):
            await self._add(summing, found)
            await asyncio.sleep(0)
        for number, tally in enumerate(summing.groups.by_label.values(), 1):
            tally.sort()
            if number % TURN_CELLS == 0:
                await asyncio.sleep(0)
        return summing.groups

    async def _add(self, summing: Summing, found: Mapping[str, bytes]) -> None:
        for number, (field, data) in enumerate(found.items(), 1):
            summing.add(field, data)
            if number % TURN_CELLS == 0:
                await asyncio.sleep(0)

    async def close(self) -> None:
        """End what is being read."""
        tasks = [kept.task for kept in self._kept.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()


def reaches(corrected: frozenset[int] | None, start: int, end: int) -> bool:
    """Whether what was corrected (None: it is not known) lies between `start` and `end`."""
    return corrected is None or any(at < end and at + PERIOD_SECONDS > start for at in corrected)


def _size(task: "asyncio.Task[Groups]") -> int:
    done = task.done() and not task.cancelled() and task.exception() is None
    return 1 + len(task.result().by_label) if done else 1

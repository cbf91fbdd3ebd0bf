"""Series: what is said of a group in each bucket of the window. Points of closed buckets are kept."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from taskscope_api.analytics.cellar import LIVE_SECONDS, Cellar, reaches
from taskscope_api.analytics.periods import Bucket, Marks, cover
from taskscope_api.analytics.tally import Point, Tally, point, read_cell

KEPT_POINTS = 30_000
"""About 600 B each."""
TURN_POINTS = 24
"""Points made before others may run: about 1 ms."""


class Line(msgspec.Struct, frozen=True):
    """One series: the cells' fields that it is the sum of."""

    fields: tuple[str, ...]


class Steps(msgspec.Struct, frozen=True):
    """The buckets of the series: starts, each `seconds` long; the last one ends at `end`, which may be earlier."""

    starts: tuple[int, ...]
    seconds: int
    end: int


class _Kept(msgspec.Struct):
    """Points of closed steps; those of the last ones are `live` for a moment after `at`. `counts`: corrections known."""

    points: dict[int, Point | None]
    counts: dict[str, int]
    live: dict[int, Point | None] = {}
    at: float = 0.0


class Series:
    """Makes the points of lines, of several sources together."""

    def __init__(self, cellar: Cellar) -> None:
        self._cellar = cellar
        self._kept: OrderedDict[object, _Kept] = OrderedDict()

    async def points(
        self, lines: Sequence[Line], steps: Steps, marks: dict[str, Marks], now: float
    ) -> list[list[Point | None]]:
        """For each line a point for each step: None where some of the step is not kept any more. Raises `StoreError`."""
        kept = [self._of(line, steps, marks) for line in lines]
        moment = self._cellar.moment()
        for each in kept:
            if moment - each.at >= LIVE_SECONDS:
                each.live = {}
        missing: dict[int, list[int]] = {}
        for index, each in enumerate(kept):
            for start in steps.starts:
                if start not in each.points and start not in each.live:
                    missing.setdefault(start, []).append(index)
        fresh = await self._read(lines, missing, steps, marks, now)
        found = [
            [
                each.points[start] if start in each.points else fresh.get((index, start), each.live.get(start))
                for start in steps.starts
            ]
            for index, each in enumerate(kept)
        ]
        self._keep(kept, fresh, steps, marks)
        return found

    def _of(self, line: Line, steps: Steps, marks: dict[str, Marks]) -> _Kept:
        """What is kept of a line, without what was corrected meanwhile."""
        key = (line.fields, steps.seconds, tuple((source, each.incarnation) for source, each in marks.items()))
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept({}, {source: each.corrected.count for source, each in marks.items()})
        self._kept.move_to_end(key)
        for source, each in marks.items():
            corrected = each.corrected.since(kept.counts[source])
            if corrected is None or corrected:
                kept.points = {
                    start: known for start, known in kept.points.items() if not reaches(corrected, start, start + steps.seconds)
                }
            kept.counts[source] = each.corrected.count
        return kept

    def _keep(
        self, kept: list[_Kept], fresh: dict[tuple[int, int], Point | None], steps: Steps, marks: dict[str, Marks]
    ) -> None:
        closed = min((each.rolled[300] for each in marks.values()), default=0)
        for (index, start), made in fresh.items():
            if made is not None and start + steps.seconds <= min(closed, steps.end):
                kept[index].points[start] = made
            else:
                if not kept[index].live:
                    kept[index].at = self._cellar.moment()
                kept[index].live[start] = made
        wanted = frozenset(steps.starts)
        for each in kept:
            if len(each.points) > 2 * len(wanted):
                each.points = {start: known for start, known in each.points.items() if start in wanted}
        total = sum(len(each.points) for each in self._kept.values())
        while total > KEPT_POINTS and len(self._kept) > 1:
            total -= len(self._kept.popitem(last=False)[1].points)

    async def _read(
        self, lines: Sequence[Line], missing: dict[int, list[int]], steps: Steps, marks: dict[str, Marks], now: float
    ) -> dict[tuple[int, int], Point | None]:
        tallies = {(index, start): Tally() for start, indices in missing.items() for index in indices}
        gone: set[int] = set()
        for source, each in marks.items():
            step_of: dict[Bucket, int] = {}
            for start in missing:
                covered = cover(start, min(start + steps.seconds, steps.end), each, now)
                if covered.gaps:
                    gone.add(start)
                step_of.update(dict.fromkeys(covered.buckets, start))
            await self._add(source, each, lines, missing, step_of, tallies)
        made: dict[tuple[int, int], Point | None] = {}
        for number, (place, tally) in enumerate(tallies.items(), 1):
            made[place] = None if place[1] in gone else point(tally)
            if number % TURN_POINTS == 0:
                await asyncio.sleep(0)
        return made

    async def _add(
        self,
        source: str,
        marks: Marks,
        lines: Sequence[Line],
        missing: dict[int, list[int]],
        step_of: dict[Bucket, int],
        tallies: dict[tuple[int, int], Tally],
    ) -> None:
        wanted = {
            bucket: tuple({field for index in missing[start] for field in lines[index].fields})
            for bucket, start in step_of.items()
        }
        lines_of: dict[str, list[int]] = {}
        for index, line in enumerate(lines):
            for field in line.fields:
                lines_of.setdefault(field, []).append(index)
        async for bucket, found in self._cellar.cells(source, {key: fields for key, fields in wanted.items() if fields}, marks):
            start = step_of[bucket]
            for field, data in found.items():
                cell = read_cell(data)
                for index in lines_of[field] if cell is not None else ():
                    if cell is not None and (index, start) in tallies:
                        tallies[index, start].add(cell)
            await asyncio.sleep(0)

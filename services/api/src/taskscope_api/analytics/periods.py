"""Which buckets of the rollups hold a stretch of time, as coarse as can be, and what none holds. Times are epoch seconds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby

import msgspec
from taskscope_shared.corrected import FIELD, Corrected, days_rolled
from taskscope_shared.keys import ROLLUP_SECONDS
from taskscope_shared.watched import FIELD as WATCHED
from taskscope_shared.watched import Watched

MINUTE, FIVE, HOUR, DAY = sorted(ROLLUP_SECONDS)
MARGIN_SECONDS = 300.0
"""A bucket is not read so long before it expires: the collector does not correct it any more."""

RUN_DAYS = 16
"""Whole days summed up together: of 90 days six parts are kept, and a correction has one of them read again."""

Bucket = tuple[int, int]
"""(resolution, start), both seconds."""


class Marks(msgspec.Struct, frozen=True):
    """What a source's meta hash says of its rollups. `rolled`: up to when each coarse resolution is written."""

    incarnation: str
    complete: bool
    rolled: dict[int, int]
    corrected: Corrected
    watched: Watched

    @classmethod
    def of(cls, meta: Mapping[str, str]) -> "Marks":
        """Without rollups nothing is closed."""
        rolled = {resolution: int(meta.get(f"rolled:{resolution}", 0)) for resolution in (FIVE, HOUR)}
        rolled[DAY] = _in_blocks(days_rolled(meta), rolled[HOUR])
        corrected, watched = Corrected.parse(meta.get(FIELD)), Watched.parse(meta.get(WATCHED))
        return cls(meta.get("incarnation", ""), meta.get("complete") == "1", rolled, corrected, watched)

    def holds(self, bucket: Bucket, now: float) -> bool:
        """Whether all that ended in the bucket's time is in it."""
        resolution, start = bucket
        written = resolution == MINUTE or start + resolution <= self.rolled[resolution]
        return written and kept(bucket, now)

    def closed(self, bucket: Bucket) -> bool:
        """Whether only corrections, which `corrected` tells, still change the bucket."""
        resolution, start = bucket
        return start + resolution <= self.rolled[FIVE]


def _in_blocks(days: int, hours: int) -> int:
    """Up to when days are read: by whole runs while those of long ago are made, so that sums are not read anew for each."""
    return days if hours - days < 2 * DAY else days - days % (RUN_DAYS * DAY)


def kept(bucket: Bucket, now: float) -> bool:
    """Whether the bucket did not expire, nor will at once. Of a day the first hour tells: it is as good as its hours are."""
    resolution, start = bucket
    return start + (resolution if resolution != DAY else 0) + ROLLUP_SECONDS[resolution] - MARGIN_SECONDS > now


class Cover(msgspec.Struct):
    """Buckets that together hold a stretch of time, each moment once, and the stretches that none holds."""

    buckets: list[Bucket]
    gaps: list[tuple[int, int]]


def cover(start: int, end: int, marks: Marks, now: float) -> Cover:
    """The buckets from `start` to `end`, both multiples of a minute; the last one may not be over yet."""
    found = Cover([], [])
    at = start
    while at < end:
        bucket = _at(at, end, marks, now)
        if bucket is not None:
            found.buckets.append(bucket)
            at += bucket[0]
        else:
            until = min(_next(at, now), end)
            _gap(found.gaps, at, until)
            at = until
    return found


def _at(at: int, end: int, marks: Marks, now: float) -> Bucket | None:
    for resolution in (DAY, HOUR, FIVE, MINUTE):
        if at % resolution == 0 and at + resolution <= end and marks.holds((resolution, at), now):
            return resolution, at
    return None


def _next(at: int, now: float) -> int:
    """The next time at which a bucket may begin, since none holds `at`."""
    step = next((each for each in (MINUTE, FIVE) if kept((each, at // each * each), now)), HOUR)
    return at // step * step + step


def _gap(gaps: list[tuple[int, int]], start: int, end: int) -> None:
    if gaps and gaps[-1][1] == start:
        gaps[-1] = (gaps[-1][0], end)
    else:
        gaps.append((start, end))


def runs(buckets: Iterable[Bucket]) -> list[tuple[Bucket, ...]]:
    """Buckets that follow each other, in runs of one resolution, whole days by themselves, at most `RUN_DAYS` of them.

    While a window moves on, its ends change each five minutes or each hour, the first and last of its whole days once a day.
    Whole days in hours are those that were not yet made days of.
    """
    days = _whole_days(buckets := list(buckets))

    def block(bucket: Bucket) -> tuple[int, int | None]:
        resolution, day = bucket[0], bucket[1] // DAY
        return resolution, day // RUN_DAYS if day in days else None

    return [tuple(run) for _, run in groupby(buckets, block)]


def _whole_days(buckets: Iterable[Bucket]) -> frozenset[int]:
    seconds: Counter[int] = Counter()
    for resolution, start in buckets:
        if resolution >= HOUR:
            seconds[start // DAY] += resolution
    return frozenset(day for day, number in seconds.items() if number == DAY)

"""Sums of cells, fast: thousands of them are added for one answer. All durations are seconds, sums microseconds."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec
from taskscope_shared.cells import (
    CELL,
    EXAMPLES,
    GAMMA,
    OUTCOMES,
    TOP_BUCKET,
    ZERO_BUCKET,
    Cell,
    Example,
    keep_latest,
    keep_slowest,
    seconds_of,
)

SUCCEEDED, FAILED, RETRIED, REVOKED, REJECTED, LOST = range(len(OUTCOMES))
"""Indices of `OUTCOMES`."""
QUANTILES = (0.5, 0.95, 0.99)
RELATIVE_ERROR = round((GAMMA - 1) / (GAMMA + 1), 4)
"""A quantile is off by at most this share of itself."""
SECONDS = {bucket: float(f"{seconds_of(bucket):.6g}") for bucket in range(ZERO_BUCKET, TOP_BUCKET + 1)}
"""What stands for each bucket of a sketch; rounded so that it stays within the error said."""

_decode = msgspec.msgpack.Decoder(Cell).decode


class Durations(NamedTuple):
    """What is said of a sketch: how many durations, their mean, and the quantiles of `QUANTILES`. None without any."""

    known: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    sum_us: int = 0


NOTHING = Durations(0, None, None, None, None)


class Tally:
    """Cells added up."""

    __slots__ = ("counts", "failed", "kind", "runtime", "runtime_us", "slowest", "wait", "wait_us")

    def __init__(self) -> None:
        self.counts = [0] * len(OUTCOMES)
        self.runtime: dict[int, int] = {}
        self.runtime_us = 0
        self.wait: dict[int, int] = {}
        self.wait_us = 0
        self.slowest: list[Example] = []
        self.failed: list[Example] = []
        self.kind: str | None = None

    @property
    def total(self) -> int:
        """Attempts that ended, whatever way."""
        return sum(self.counts)

    def add(self, other: "Cell | Tally") -> None:
        """Add a cell or another sum, which is not changed."""
        if isinstance(other, Cell):
            self._sum(other.counts, other.runtime.buckets, other.runtime.sum_us, other.wait.buckets, other.wait.sum_us)
        else:
            self._sum(other.counts, other.runtime, other.runtime_us, other.wait, other.wait_us)
        if other.slowest and (len(self.slowest) < EXAMPLES or _slowness(other.slowest[0]) >= _slowness(self.slowest[-1])):
            self.slowest = keep_slowest([*self.slowest, *other.slowest])
        if other.failed and (len(self.failed) < EXAMPLES or other.failed[0].at >= self.failed[-1].at):
            self.failed = keep_latest([*self.failed, *other.failed])
        self.kind = self.kind or other.kind

    def copy(self) -> "Tally":
        """Another sum of the same cells."""
        made = Tally()
        made.counts, made.kind = self.counts, self.kind
        made.runtime, made.runtime_us = self.runtime.copy(), self.runtime_us
        made.wait, made.wait_us = self.wait.copy(), self.wait_us
        made.slowest, made.failed = self.slowest, self.failed
        return made

    def sort(self) -> None:
        """Put the buckets into their order, in which copies have them, too: what is nearly sorted is sorted soon."""
        self.runtime, self.wait = dict(sorted(self.runtime.items())), dict(sorted(self.wait.items()))

    def _sum(self, counts: list[int], runtime: dict[int, int], runtime_us: int, wait: dict[int, int], wait_us: int) -> None:
        self.counts = [one + more for one, more in zip(self.counts, counts, strict=True)]
        _merge(self.runtime, runtime)
        _merge(self.wait, wait)
        self.runtime_us += runtime_us
        self.wait_us += wait_us


def _slowness(example: Example) -> float:
    return example.seconds or 0.0


def _merge(into: dict[int, int], more: dict[int, int]) -> None:
    if not into:
        into.update(more)
        return
    get = into.get
    for bucket, count in more.items():
        into[bucket] = get(bucket, 0) + count


def durations(buckets: dict[int, int], sum_us: int) -> Durations:
    """Mean and quantiles, as `cells.Sketch` defines them, in one pass."""
    count = sum(buckets.values())
    if count <= 0:
        return NOTHING
    ordered = sorted(buckets)
    seen = list(accumulate(map(buckets.__getitem__, ordered)))
    found = [SECONDS[ordered[bisect_right(seen, q * (count - 1))]] for q in QUANTILES]
    return Durations(count, round(sum_us / 1e6 / count, 6), found[0], found[1], found[2], sum_us)


def tally_of(cells: Iterable["Cell | Tally"]) -> Tally:
    """All of them added up."""
    total = Tally()
    for cell in cells:
        total.add(cell)
    return total


def read_cell(data: bytes) -> Cell | None:
    """The cell, or None for one that cannot be read (a newer Taskscope's)."""
    try:
        cell = _decode(data)
    except msgspec.DecodeError:
        return None
    return cell if cell.version <= CELL else None


class Point(NamedTuple):
    """What is said of one group in one bucket of a series. `counts` in the order of `OUTCOMES`."""

    counts: tuple[int, ...]
    runtime: Durations
    wait: Durations
    row: tuple[int | float | None, ...]
    """The members of `rows.Columns`."""


def point(tally: Tally) -> Point:
    """What is said of the sum."""
    return point_of(tally.counts, durations(tally.runtime, tally.runtime_us), durations(tally.wait, tally.wait_us))


def point_of(counts: Iterable[int], runtime: Durations, wait: Durations) -> Point:
    """The point with these durations."""
    kept = tuple(counts)
    return Point(kept, runtime, wait, (*kept, *runtime[1:5], *wait[1:5]))


def success_rate(counts: Sequence[int]) -> float | None:
    """Of tasks that ran to an end: revoked ones are left out, and retried attempts, which come again. None without any."""
    ended = counts[SUCCEEDED] + counts[FAILED] + counts[REJECTED] + counts[LOST]
    return round(counts[SUCCEEDED] / ended, 6) if ended else None


def retry_rate(counts: Sequence[int]) -> float | None:
    """The share of ended attempts that were retried. None without any."""
    total = sum(counts)
    return round(counts[RETRIED] / total, 6) if total else None

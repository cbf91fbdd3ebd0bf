"""Rollup cells: what ended in one period under one label, and how long it waited and ran.

A cell can be added to, subtracted from and merged; counts, sums and sketches are integers, so that the order never matters.
"""

from collections.abc import Iterable
from math import ceil, log

import msgspec

from taskscope_shared.model import State

CELL = 1
"""Version written. A cell of a newer one is refused, and left as it is."""

OUTCOMES: tuple[State, ...] = (State.SUCCEEDED, State.FAILED, State.RETRYING, State.REVOKED, State.REJECTED, State.LOST)
"""Order of `Cell.counts`. RETRYING counts attempts that were retried."""
OUTCOME_OF: dict[State, int] = {state: index for index, state in enumerate(OUTCOMES)}
EXAMPLES = 3
"""Examples kept of the slowest, and of the failed, attempts of a cell."""

GAMMA = 1.05
"""Width of a bucket: a quantile is off by at most (GAMMA - 1) / (GAMMA + 1) = 2.44 %."""
_LOG_GAMMA = log(GAMMA)
ZERO_BUCKET = -300
"""Everything below GAMMA ** -300 = 0.44 microseconds."""
TOP_BUCKET = 420
"""Everything above GAMMA ** 420 = 25 years."""


def bucket_of(seconds: float) -> int:
    """The sketch's bucket: the i with GAMMA ** (i - 1) < seconds <= GAMMA ** i."""
    if seconds <= 1e-6:
        return ZERO_BUCKET
    return min(ceil(log(seconds) / _LOG_GAMMA), TOP_BUCKET)


def seconds_of(bucket: int) -> float:
    """What stands for a bucket: within 2.44 % of all that is in it."""
    return 0.0 if bucket <= ZERO_BUCKET else 2 * GAMMA**bucket / (GAMMA + 1)


class Sketch(msgspec.Struct, array_like=True):
    """Durations as counts by logarithmic bucket, and their sum in microseconds. A bucket at zero is left out."""

    buckets: dict[int, int] = {}
    sum_us: int = 0

    @property
    def count(self) -> int:
        """How many durations."""
        return sum(self.buckets.values())

    @property
    def mean(self) -> float | None:
        """Seconds; None without any."""
        count = self.count
        return self.sum_us / 1e6 / count if count else None

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a duration `times` times; -1 takes one back that was counted."""
        self.put(bucket_of(seconds), round(seconds * 1e6), times)

    def put(self, bucket: int, microseconds: int, times: int) -> None:
        """`add` for a duration whose bucket is known already."""
        buckets = self.buckets
        count = buckets.get(bucket, 0) + times
        if count:
            buckets[bucket] = count
        else:
            del buckets[bucket]
        self.sum_us += microseconds * times

    def merge(self, other: "Sketch") -> None:
        """Add all of `other`."""
        for bucket, count in other.buckets.items():
            self.put(bucket, 0, count)
        self.sum_us += other.sum_us

    def quantile(self, q: float) -> float | None:
        """The duration in seconds that the share `q` (0 to 1) does not exceed, within 2.44 %; None without any."""
        left = q * (self.count - 1)
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left < 0:
                return seconds_of(bucket)
        return seconds_of(max(self.buckets)) if self.buckets else None


class Example(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attempt that a chart may lead to. `at` is its end, epoch seconds; `detail` the exception's type."""

    id: str
    at: float
    seconds: float | None = None
    detail: str | None = None


class Cell(msgspec.Struct, array_like=True):
    """Attempts that ended in one period under one label. `counts` in the order of `OUTCOMES`.

    Cells of workers hold counts alone. `kind` is set in cells of task names. Examples are best effort: one whose attempt was
    corrected is taken out, and nothing takes its place.
    """

    version: int = CELL
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * len(OUTCOMES))
    runtime: Sketch = msgspec.field(default_factory=Sketch)
    wait: Sketch = msgspec.field(default_factory=Sketch)
    slowest: list[Example] = []
    failed: list[Example] = []
    kind: str | None = None

    @property
    def total(self) -> int:
        """Attempts that ended, whatever way."""
        return sum(self.counts)

    def merge(self, other: "Cell") -> None:
        """Add all of `other`, which is not changed."""
        for index, count in enumerate(other.counts):
            self.counts[index] += count
        self.runtime.merge(other.runtime)
        self.wait.merge(other.wait)
        self.slowest = keep_slowest([*self.slowest, *other.slowest])
        self.failed = keep_latest([*self.failed, *other.failed])
        self.kind = self.kind or other.kind


def keep_slowest(examples: list[Example]) -> list[Example]:
    """The slowest of `examples`, slowest first."""
    return sorted(examples, key=lambda example: (-(example.seconds or 0.0), example.id))[:EXAMPLES]


def keep_latest(examples: list[Example]) -> list[Example]:
    """The latest of `examples`, latest first."""
    return sorted(examples, key=lambda example: (-example.at, example.id))[:EXAMPLES]


def merged(cells: Iterable[Cell]) -> Cell:
    """One cell that holds all of `cells`."""
    total = Cell()
    for cell in cells:
        total.merge(cell)
    return total


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cell)

encode_cell = _encoder.encode


class UnknownCellError(Exception):
    """A cell was written by a newer Taskscope."""

    def __init__(self, version: int) -> None:
        super().__init__(f"cell version {version} cannot be read; this Taskscope reads up to {CELL}")


def decode_cell(data: bytes) -> Cell:
    """Raises `UnknownCellError` for a newer version, `msgspec.DecodeError` for what is no cell."""
    cell = _decoder.decode(data)
    if cell.version > CELL:
        raise UnknownCellError(cell.version)
    return cell

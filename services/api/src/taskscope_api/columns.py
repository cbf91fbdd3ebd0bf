"""What lists are made by, as arrays: one row a task. A filter is a mask over the rows, a count a bincount, a sort a partition.

Values that many tasks share (states, names, ..) are held as codes, times and durations as numbers (NaN: unknown). A row is
written through memoryviews, which cost a third of what assigning to an array element does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import nan
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from taskscope_shared.model import Task

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
Numbers = NDArray[np.float64]
Keys = NDArray[np.uint64]

CODED = ("state", "kind", "name", "queue", "worker", "engine", "exception_type")
NUMBERS = (
    "updated_at",
    "sent_at",
    "received_at",
    "started_at",
    "finished_at",
    "eta_at",
    "expires_at",
    "wait_seconds",
    "runtime_seconds",
    "retries",
    "attempts",
)
HASHED = ("root_id", "parent_id", "group_id")
"""Held as 64 bits: of 100,000 tasks two different ids agree once in 4 billion such views."""
_coded_of = attrgetter(*CODED)
_numbers_of = attrgetter(*NUMBERS)
_hashed_of = attrgetter(*HASHED)
FIRST_CAPACITY = 256
KEY_BYTES = 8
KEPT_BYTES = 8 * 1024 * 1024


class Codes:
    """One column of values that repeat. `values[code]` is the value of `array`'s rows with that code; code 0 is None.

    `codes` are those of the values: where a value has one, whoever writes many rows puts it into `array` itself.
    """

    def __init__(self) -> None:
        self.array = np.zeros(FIRST_CAPACITY, np.int32)
        self.values: list[str | None] = [None]
        self.codes: dict[str | None, int] = {None: 0}
        self._cells = self.array.data
        self._unused: list[int] = []
        self._bound = FIRST_CAPACITY

    def write(self, row: int, value: str | None) -> None:
        """Put a value into a row."""
        code = self.codes.get(value)
        if code is None:
            code = self._begin(value)
        self._cells[row] = code

    def fill(self, first: int, values: Sequence[str | None]) -> None:
        """Put values into the rows from `first` on."""
        if new := {*values} - self.codes.keys():
            for row, value in enumerate(values, first):
                if value in new:
                    self.write(row, value)  # at once: codes that no row has are used again
        self.array[first : first + len(values)] = [self.codes[value] for value in values]

    def grow(self, capacity: int) -> None:
        """Make room for so many rows."""
        self.array = grown(self.array, capacity)
        self._cells = self.array.data

    def among(self, wanted: Iterable[str], size: int) -> Mask:
        """Rows that have one of these values."""
        codes = [self.codes[value] for value in wanted if value in self.codes]
        rows = self.array[:size]
        if not codes:
            return np.zeros(size, np.bool_)
        if len(codes) == 1:
            only: Mask = rows == codes[0]
            return only
        verdicts = np.zeros(len(self.values), np.bool_)
        verdicts[codes] = True
        return verdicts[rows]

    def where(self, verdict: Callable[[str], bool], size: int) -> Mask:
        """Rows whose value is judged so; each distinct value is asked about once."""
        verdicts = np.fromiter((value is not None and verdict(value) for value in self.values), np.bool_, len(self.values))
        return verdicts[self.array[:size]]

    def counts(self, rows: Rows) -> dict[str | None, int]:
        """How many of the rows have each value."""
        counted = np.bincount(self.array[rows], minlength=len(self.values))
        return {self.values[code]: int(counted[code]) for code in np.flatnonzero(counted)}

    def pairs(self, other: "Codes", size: int) -> Iterator[tuple[str | None, str | None, int]]:
        """How many rows have each pair of values, this column's and the other's."""
        width = len(other.values)
        counted = np.bincount(self.array[:size] * width + other.array[:size])
        for pair in np.flatnonzero(counted).tolist():
            yield self.values[pair // width], other.values[pair % width], int(counted[pair])

    def _begin(self, value: str | None) -> int:
        if not self._unused and len(self.values) >= self._bound:
            self._recycle()
        if self._unused:
            code = self._unused.pop()
            self.values[code] = value
        else:
            code = len(self.values)
            self.values.append(value)
        self.codes[value] = code
        return code

    def _recycle(self) -> None:
        """Values that no row has any more make room: names and workers come and go for ever."""
        counted = np.bincount(self.array, minlength=len(self.values))
        self._unused = [code for code in np.flatnonzero(counted == 0).tolist() if code]
        for code in self._unused:
            del self.codes[self.values[code]]
            self.values[code] = None
        self._bound = max(FIRST_CAPACITY, 2 * (len(self.values) - len(self._unused)))


class Columns:
    """The rows of one replica's tasks. `size` is how many were ever needed at once; those of tasks that left are used again, by
    tasks with other `serials`.
    """

    def __init__(self) -> None:
        self.size = 0
        self.alive = np.zeros(FIRST_CAPACITY, np.bool_)
        self.keys = np.zeros(FIRST_CAPACITY, np.uint64)
        self.serials = np.zeros(FIRST_CAPACITY, np.int64)
        self._serial = 0
        self.codes: dict[str, Codes] = {field: Codes() for field in CODED}
        self.numbers: dict[str, Numbers] = {field: np.zeros(FIRST_CAPACITY) for field in NUMBERS}
        self.hashes: dict[str, NDArray[np.int64]] = {field: np.zeros(FIRST_CAPACITY, np.int64) for field in HASHED}
        self._coded = list(self.codes.values())
        self._free: list[int] = []
        self._view()

    @property
    def living(self) -> Mask:
        """Rows that have a task."""
        return self.alive[: self.size]

    def mask(self, rows: Rows) -> Mask:
        """These rows, as a mask."""
        mask = np.zeros(self.size, np.bool_)
        mask[rows] = True
        return mask

    @property
    def capacity(self) -> int:
        """Rows that there is room for."""
        return len(self.alive)

    def enter(self, id_: str) -> int:
        """A row for a task that is new."""
        if self._free:
            row = self._free.pop()
        else:
            row = self.size
            if row == len(self.alive):
                self._grow(2 * row)
            self.size += 1
        self.alive[row] = True
        self.keys[row] = key_of(id_)
        self._serial += 1
        self.serials[row] = self._serial
        return row

    def fill(self, tasks: Sequence[Task]) -> int:
        """Rows for tasks that are new, with all that they are: a seventh of what it takes one by one. The first of the rows."""
        first, end = self.size, self.size + len(tasks)
        if end > self.capacity:
            self._grow(max(2 * self.capacity, end))
        self.size = end
        self.alive[first:end] = True
        self.keys[first:end] = np.array([task.id.encode() for task in tasks], f"S{KEY_BYTES}").view(">u8")
        self.serials[first:end] = np.arange(self._serial + 1, self._serial + 1 + len(tasks))
        self._serial += len(tasks)
        for codes, values in zip(self._coded, zip(*map(_coded_of, tasks), strict=True), strict=True):
            codes.fill(first, values)
        for numbers, found in zip(self.numbers.values(), zip(*map(_numbers_of, tasks), strict=True), strict=True):
            numbers[first:end] = np.array(found, np.float64)  # None becomes NaN
        for hashes, ids in zip(self.hashes.values(), zip(*map(_hashed_of, tasks), strict=True), strict=True):
            hashes[first:end] = list(map(hash_of, ids))
        return first

    def leave(self, row: int) -> None:
        """The row's task is gone."""
        self.alive[row] = False
        for codes in self._coded:
            codes.write(row, None)
        self._free.append(row)

    def write(self, row: int, task: Task) -> None:
        """What the task is now."""
        for (codes, known, coded), value in zip(self._writers, _coded_of(task), strict=True):
            code = known.get(value)
            if code is None:
                codes.write(row, value)
            else:
                coded[row] = code
        for cells, number in zip(self._cells, _numbers_of(task), strict=True):
            cells[row] = nan if number is None else number
        for hashes, id_ in zip(self._hashes, _hashed_of(task), strict=True):
            hashes[row] = 0 if id_ is None else hash(id_)

    def _grow(self, capacity: int) -> None:
        self.alive, self.keys = grown(self.alive, capacity), grown(self.keys, capacity)
        self.serials = grown(self.serials, capacity)
        for codes in self._coded:
            codes.grow(capacity)
        self.numbers = {field: grown(array, capacity) for field, array in self.numbers.items()}
        self.hashes = {field: grown(array, capacity) for field, array in self.hashes.items()}
        self._view()

    def _view(self) -> None:
        self._writers = [(codes, codes.codes, codes.array.data) for codes in self._coded]
        self._cells: list[Any] = [array.data for array in self.numbers.values()]  # memoryview's type knows whole numbers alone
        self._hashes = [array.data for array in self.hashes.values()]


def keep_freed_memory() -> None:
    """Let glibc keep the memory of arrays for the next ones: its thresholds follow the largest mapped block that was freed.

    Else each array of 100,000 numbers is mapped, faulted in page by page, and given back: a list took 9 ms, not 0.7.
    """
    np.empty(KEPT_BYTES, np.uint8)


def hash_of(id_: str | None) -> int:
    """What `HASHED` columns hold of an id; 0 for None."""
    return 0 if id_ is None else hash(id_)


def key_of(id_: str) -> int:
    """The first bytes of an id as a number that sorts like them."""
    return int.from_bytes(id_.encode()[:KEY_BYTES].ljust(KEY_BYTES, b"\0"))


def grown(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    """A copy with room for so many rows."""
    larger = np.zeros((capacity, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger

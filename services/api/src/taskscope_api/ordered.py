"""The first of many rows in an order, without sorting the others."""

from collections.abc import Callable
from heapq import nsmallest
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from taskscope_api.columns import Keys, Mask, Numbers, Rows, key_of

SAMPLED = 4096
"""Up to so many values are partitioned; of more, a sample tells where the first ones end: 0.2 ms where 100,000 take 1."""
SAMPLE = 1024

IdAt = Callable[[int], str]
Found = tuple[float, str, int]
"""Value, id, and the row's index among those that were given."""


def first(values: Numbers, keys: Keys, id_at: IdAt, count: int) -> list[Found]:
    """The first `count` by value, then id. `keys` are the ids' first bytes as numbers.

    Ids are compared only where value and key agree: in the worst case (100,000 tasks whose values and first 8 bytes of the id
    are the same) this takes some 20 ms.
    """
    return sorted((float(values[at]), id_at(at), at) for at in _chosen(values, keys, id_at, count))


def behind(values: Numbers, keys: Keys, id_at: IdAt, value: float, id_: str | None) -> Mask:
    """Which come after this value and id (None: after all ids)."""
    after: Mask = values > value
    if id_ is None:
        return after
    tied = np.flatnonzero(values == value)
    key = np.uint64(key_of(id_))
    after[tied] = keys[tied] > key
    for at in tied[keys[tied] == key].tolist():
        after[at] = id_at(at) > id_
    return after


def nth(values: Numbers, index: int) -> tuple[np.float64, int]:
    """The value at `index` (from 0) of them in order, and its index among those that are equal to it."""
    value: np.float64 = np.partition(values, index)[index]
    return value, index - int(np.count_nonzero(values < value))


def id_nth(keys: Keys, id_at: IdAt, index: int) -> str:
    """The id at `index` of them in order. In the worst case, 100,000 with the same first bytes, this takes some 100 ms."""
    key = np.partition(keys, index)[index]
    same = np.flatnonzero(keys == key)
    if len(same) == 1:
        return id_at(int(same[0]))
    return sorted(map(id_at, same.tolist()))[index - int(np.count_nonzero(keys < key))]


def _chosen(values: Numbers, keys: Keys, id_at: IdAt, count: int) -> list[int]:
    everything = np.arange(len(values))
    chosen, tied = _parted(values, everything, count)
    sure, tied = _parted(keys[tied], tied, count - len(chosen))
    left = count - len(chosen) - len(sure)
    if len(tied) > left:
        named = nsmallest(left, ((id_at(at), at) for at in tied.tolist()), key=itemgetter(0))
        tied = np.array([at for _, at in named], np.intp)
    return [*chosen.tolist(), *sure.tolist(), *tied.tolist()]


def _parted(values: NDArray[np.float64] | Keys, rows: Rows, count: int) -> tuple[Rows, Rows]:
    """Of `rows` (with these values) those that are surely among the first `count`, and those that tie for what is left."""
    if len(values) <= count:
        return rows, rows[:0]
    if count == 0:
        return rows[:0], rows[:0]
    bound = _nth(values, count - 1)
    return rows[values < bound], rows[values == bound]


def _nth(values: NDArray[np.float64] | Keys, index: int) -> np.float64 | np.uint64:
    if len(values) > SAMPLED:
        sample = values[:: len(values) // SAMPLE]
        guess = min(len(sample) - 1, int(2 * len(sample) * (index + 1) / len(values)) + 8)
        fewer = values[values <= np.partition(sample, guess)[guess]]
        values = fewer if len(fewer) > index else values
    found: np.float64 | np.uint64 = np.partition(values, index)[index]
    return found

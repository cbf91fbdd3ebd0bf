"""The order of a replica's tasks at one moment, for whoever goes through all of them while they change."""

from collections.abc import Iterator
from operator import itemgetter

import numpy as np

from taskscope_api.columns import Rows
from taskscope_api.ordered import first
from taskscope_api.replica import Replica
from taskscope_api.sorting import Order

CHUNK = 1000
"""Tasks put in order at once: some 2 ms of 100,000."""
FrozenKey = tuple[int, float, str, str, str]
"""Group, value, key, source and id."""
IN_ORDER = itemgetter(0, 1, 2)


class Frozen:
    """What matched, in order, but for tasks that left since. It is put in order piece by piece, as it is read."""

    def __init__(self, replica: Replica, order: Order, rows: Rows) -> None:
        columns = replica.columns
        self._replica = replica
        self._groups = [
            (group, members, columns.serials[members], columns.keys[members], order.values(columns, members))
            for group, members in order.groups(columns, rows)
        ]

    def keys(self) -> Iterator[FrozenKey]:
        """The tasks that are still there, in order."""
        source = self._replica.source
        for group, rows, serials, keys, values in self._groups:
            left = np.arange(len(rows))
            while len(left):
                found = first(values[left], keys[left], lambda at: self._id(rows[left[at]], serials[left[at]]), CHUNK)  # noqa: B023 - called at once
                for value, id_, _ in found:
                    if id_:
                        yield group, value, f"{source}/{id_}", source, id_
                left = np.delete(left, [at for *_, at in found])

    def _id(self, row: int, serial: int) -> str:
        """Of the row's task, if it is the one that was there."""
        held = self._replica.held[row]
        return held.id if held is not None and self._replica.columns.serials[row] == serial else ""

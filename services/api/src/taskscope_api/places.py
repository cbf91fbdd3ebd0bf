"""Rows of replicas by their place in an order: the first ones behind a place, and the place of the row at an index."""

from collections.abc import Callable, Sequence

import numpy as np

from taskscope_api.columns import Rows
from taskscope_api.held import Held
from taskscope_api.ordered import behind, first, id_nth, nth
from taskscope_api.replica import Replica
from taskscope_api.sorting import Order, Place

Row = tuple[int, float, str, Held]
"""Group, value, key, and the task."""


def first_rows(replica: Replica, order: Order, rows: Rows, count: int, after: Place | None) -> list[Row]:
    """The first `count` of these rows of a replica, behind the place `after`."""
    columns, prefix, held = replica.columns, replica.source + "/", replica.held
    found: list[Row] = []
    for group, members in order.groups(columns, rows):
        if len(found) >= count or (after is not None and group < order.group_of(after)):
            continue
        values, keys = order.values(columns, members), columns.keys[members]
        if after is not None and group == order.group_of(after):
            beyond = behind(values, keys, _ids(held, members), order.value_of(after), _id_in(prefix, after.key))
        else:
            beyond = np.ones(len(members), np.bool_)
        chosen = members[beyond]
        for value, id_, at in first(values[beyond], keys[beyond], _ids(held, chosen), count - len(found)):
            task = held[chosen[at]]
            if task is not None:
                found.append((group, value, prefix + id_, task))
    return found


def _ids(held: list[Held | None], rows: Rows) -> Callable[[int], str]:
    def id_at(at: int) -> str:
        task = held[rows[at]]
        return "" if task is None else task.id

    return id_at


def _id_in(prefix: str, key: str) -> str | None:
    """Where a key comes among the ids of a source: "" before all of them, None behind them."""
    if key.startswith(prefix):
        return key[len(prefix) :]
    return "" if prefix > key else None


def place_at(parts: Sequence[tuple[Replica, Rows]], order: Order, index: int) -> Place | None:
    """The place of the row at `index` (from 0) among all these rows; None where there are no more than `index`.

    Of 100,000 rows two partitions tell it, whatever the index; ids are looked at where value and their first bytes agree.
    """
    by_prefix = sorted(parts, key=lambda part: part[0].source + "/")
    grouped = [(group, replica, rows) for replica, all_ in by_prefix for group, rows in order.groups(replica.columns, all_)]
    for wanted in sorted({group for group, *_ in grouped}):
        members = [(replica, rows) for group, replica, rows in grouped if group == wanted]
        size = sum(len(rows) for _, rows in members)
        if index < size:
            return _place_within(wanted, members, order, index)
        index -= size
    return None


def _place_within(group: int, members: list[tuple[Replica, Rows]], order: Order, index: int) -> Place | None:
    values = [order.values(replica.columns, rows) for replica, rows in members]
    value, index = nth(np.concatenate(values), index)
    for (replica, rows), of_replica in zip(members, values, strict=True):
        tied = rows[of_replica == value]
        if index < len(tied):
            id_ = id_nth(replica.columns.keys[tied], _ids(replica.held, tied), index)
            return order.place(group, float(value), f"{replica.source}/{id_}")
        index -= len(tied)
    return None

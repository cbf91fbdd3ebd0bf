"""How tasks can be sorted: groups by a rank, within a group by a number, ties by the task's key. What is null comes last in
either direction.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

import msgspec
import numpy as np
from taskscope_shared.model import GROUP_OF, State

from taskscope_api.columns import NUMBERS, Codes, Columns, Numbers, Rows
from taskscope_api.errors import ApiError

NAMED = ("name", "kind", "queue", "worker", "state", "group", "engine", "exception_type")
"""What is text: each value is a rank."""
LIVE = "live"
DEFAULT_SORT = "-updated_at"
SHORT = {name.removesuffix(suffix): name for suffix in ("_at", "_seconds") for name in NUMBERS if name.endswith(suffix)}
"""`runtime` and `started` as filters call them."""
SORT_NAMES = (LIVE, *(sign + field for field in (*NUMBERS, *NAMED, *SHORT) for sign in ("", "-")))
"""Everything that `sort_named` knows."""

Rank = tuple[int, str]


class Place(msgspec.Struct, frozen=True):
    """Where a row stands in a sort: what a cursor holds."""

    rank: Rank
    value: float
    key: str


class Sort(msgspec.Struct, frozen=True):
    """One order of tasks: by the number or the text `field`; `live` takes running tasks first."""

    name: str
    field: str
    descending: bool


class Order:
    """A sort over some replicas' columns as they are now: values of all of them can be compared."""

    def __init__(self, sort: Sort, over: Sequence[Columns]) -> None:
        self._sort = sort
        self._is_text = sort.field in NAMED
        texts = {self._text(value) for columns in over for value in self._codes(columns).values} if self._is_text else set()
        self._known = sorted(text for text in texts if text is not None)
        self._ranks = {text: float(-at if sort.descending else at) for at, text in enumerate(self._known)}

    def groups(self, columns: Columns, rows: Rows) -> list[tuple[int, Rows]]:
        """The rows in groups, each with its rank: one group, but for `live`."""
        if self._sort.name != LIVE:
            return [(0, rows)]
        running = columns.codes["state"].among([State.RUNNING], columns.size)[rows]
        return [(0, rows[running]), (1, rows[~running])]

    def values(self, columns: Columns, rows: Rows) -> Numbers:
        """What orders the rows within their group, smaller first."""
        if self._is_text:
            codes = self._codes(columns)
            ranks = np.array([self._rank(self._text(value)) for value in codes.values])
            return ranks[codes.array[rows]]
        values = columns.numbers[self._sort.field][rows]
        if self._sort.descending:
            np.negative(values, out=values)
        values[np.isnan(values)] = inf
        return values

    def place(self, group: int, value: float, key: str) -> Place:
        """Where a row stands, in terms that hold while values come and go."""
        if not self._is_text:
            return Place((group, ""), value, key)
        return Place((1, "") if value == inf else (0, self._known[abs(int(value))]), 0.0, key)

    def group_of(self, place: Place) -> int:
        """The group that a place is in."""
        return 0 if self._is_text else place.rank[0]

    def value_of(self, place: Place) -> float:
        """The value of a place; between two values when no task has it any more."""
        if not self._is_text:
            return place.value
        missing, text = place.rank
        if missing:
            return inf
        known = self._ranks.get(text)
        between = bisect_left(self._known, text) - 0.5
        return known if known is not None else -between if self._sort.descending else between

    def _codes(self, columns: Columns) -> Codes:
        return columns.codes["state" if self._sort.field == "group" else self._sort.field]

    def _text(self, value: str | None) -> str | None:
        return GROUP_OF[State(value)] if self._sort.field == "group" and value is not None else value

    def _rank(self, text: str | None) -> float:
        return inf if text is None else self._ranks[text]


def sort_named(name: str) -> Sort:
    """The sort that a client calls `name`. Raises `ApiError` with what there is."""
    if name == LIVE:
        return Sort(LIVE, "updated_at", descending=True)
    field = name.removeprefix("-")
    sign = name[: len(name) - len(field)]
    field = SHORT.get(field, field)
    if field in NUMBERS or field in NAMED:
        return Sort(sign + field, field, descending=bool(sign))
    allowed = ", ".join((LIVE, *NUMBERS, *NAMED, *SHORT))
    raise ApiError.of_field(
        "sort", f"{name[:100]!r} cannot be sorted by; use one of {allowed}, with '-' before a field for descending"
    )

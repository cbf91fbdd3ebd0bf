"""How tasks can be sorted.

Tasks lie in cohorts (`replica.py`). A sort puts the cohorts in groups by a rank that all tasks of a cohort share, and within a
group orders by a number of the task. Ties go by the task's key; what is null comes last in either direction.
"""

from collections.abc import Callable
from math import inf
from typing import Protocol

import msgspec
from taskscope_shared.model import GROUP_OF, State

from taskscope_api.errors import ApiError

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
SHARED = ("name", "kind", "queue", "state", "group", "engine")
"""What all tasks of a cohort have in common."""
LIVE = "live"
DEFAULT_SORT = "-updated_at"
SORT_NAMES = (LIVE, *(sign + field for field in (*NUMBERS, *SHARED) for sign in ("", "-")))
"""Everything that `sort_named` knows."""

Inner = tuple[str | None, bool]
"""What orders a cohort within: a field (None: by id alone), and whether descending."""


class Sorted(Protocol):
    """What is sorted: all fields of `NUMBERS`, too."""

    @property
    def id(self) -> str:
        """Of the task."""
        ...

    @property
    def updated_at(self) -> float:
        """Epoch seconds."""
        ...


Value = Callable[[Sorted], float]


class CohortKey(msgspec.Struct, frozen=True, gc=False):
    """What the tasks of a cohort share."""

    state: State
    kind: str
    name: str | None
    queue: str | None
    engine: str


class Sort(msgspec.Struct, frozen=True):
    """One order of tasks. `field` orders within a cohort (None: by id alone), `shared` ranks cohorts (None: all alike)."""

    name: str
    field: str | None
    shared: str | None
    descending: bool

    @property
    def inner(self) -> Inner:
        """What orders of a cohort can be shared by: the order within it."""
        return self.field, self.descending and self.field is not None

    def rank(self, key: CohortKey) -> tuple[int, str]:
        """Where a cohort's group comes; equal for cohorts whose tasks are merged. Descending ranks are read backwards."""
        if self.name == LIVE:
            return (0 if key.state is State.RUNNING else 1), ""
        if self.shared is None:
            return 0, ""
        value = GROUP_OF[key.state] if self.shared == "group" else getattr(key, self.shared)
        missing = -1 if self.descending else 1
        return (missing, "") if value is None else (0, str(value))


def sort_named(name: str) -> Sort:
    """The sort that a client calls `name`. Raises `ApiError` with what there is."""
    field = name.removeprefix("-")
    descending = name.startswith("-")
    if name == LIVE:
        return Sort(LIVE, "updated_at", None, descending=True)
    if field in NUMBERS:
        return Sort(name, field, None, descending)
    if field in SHARED:
        return Sort(name, None, field, descending)
    allowed = ", ".join((LIVE, *NUMBERS, *SHARED))
    raise ApiError.of_field(
        "sort", f"{name!r} cannot be sorted by; use one of {allowed}, with '-' before a field for descending"
    )


def value_of(inner: Inner) -> Value:
    """The number that orders tasks within a cohort, smaller first."""
    field, descending = inner
    if field is None:
        return lambda _: 0.0
    if inner == ("updated_at", True):
        return lambda task: -task.updated_at

    def value(task: Sorted) -> float:
        found: float | None = getattr(task, field)
        if found is None or found != found:  # not a number would break the order
            return inf
        return -found if descending else found

    return value

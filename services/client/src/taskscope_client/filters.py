"""What may be asked for, as keyword arguments: the names are the api's parameters."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict

Many = str | Iterable[str]
"""One value or several, any of which may fit. Over REST a comma parts values, so no value may hold one."""
When = datetime | float | str
"""A time: with its zone, as seconds since 1970, or as RFC 3339."""
Query = list[tuple[str, str | int | float | bool | None]]
"""Of a request, as httpx takes it."""
Value = str | float | bool | datetime | Iterable[str] | None
"""Of a parameter; None leaves it out."""


class TaskFilters(TypedDict, total=False):
    """Which tasks. Several fields must all hold; names may hold `*`; `q` is words that all occur; times end before `.._to`."""

    state: Many
    group: Many
    kind: Many
    name: Many
    queue: Many
    worker: Many
    source: Many
    engine: Many
    exception_type: Many
    root: Many
    parent: Many
    group_id: Many
    key: Many
    q: str
    sent_from: When
    sent_to: When
    received_from: When
    received_to: When
    started_from: When
    started_to: When
    finished_from: When
    finished_to: When
    eta_from: When
    eta_to: When
    expires_from: When
    expires_to: When
    updated_from: When
    updated_to: When
    runtime_min: float
    runtime_max: float
    wait_min: float
    wait_max: float


class WorkerFilters(TypedDict, total=False):
    """Which workers."""

    source: Many
    engine: Many
    state: Many
    name: Many
    queue: Many
    q: str
    sort: str


class QueueFilters(TypedDict, total=False):
    """Which queues."""

    source: Many
    engine: Many
    name: Many
    q: str
    sort: str


class SourceFilters(TypedDict, total=False):
    """Which sources."""

    source: Many
    engine: Many
    name: Many
    status: Many
    q: str
    sort: str


class KindFilters(TypedDict, total=False):
    """Which kinds."""

    source: Many
    kind: Many
    sort: str


class AnalyticsOptions(TypedDict, total=False):
    """What to sum up, and how."""

    bucket: str
    group_by: str
    kind: Many
    name: Many
    queue: Many
    worker: Many
    source: Many
    until: When
    compare: bool
    series: int
    groups: int


class FailureOptions(TypedDict, total=False):
    """Which failures."""

    until: When
    kind: Many
    name: Many
    queue: Many
    worker: Many
    source: Many
    groups: int


SINGLE = frozenset({"q", "runtime_min", "runtime_max", "wait_min", "wait_max"})


def query(parameters: Mapping[str, Value]) -> Query:
    """The parameters as a query string has them."""
    return [(name, text) for name, value in parameters.items() if value is not None for text in _texts(value)]


def _texts(value: Value) -> Iterable[str]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return value
    return [_text(value)]


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return _moment(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone: say which, as datetime.now(UTC) does")
    return value.isoformat()


def joined(filters: Mapping[str, Value]) -> dict[str, object]:
    """The filter as a subscription has it: lists are lists."""
    return {name: _member(name, value) for name, value in filters.items() if value is not None}


def _member(name: str, value: Value) -> object:
    if isinstance(value, datetime):
        return _moment(value)
    if name in SINGLE or name.endswith(("_from", "_to")):
        return value
    return list(_texts(value))

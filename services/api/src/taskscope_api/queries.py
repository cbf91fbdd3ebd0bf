"""Query strings: which parameters a route takes, and what they must be."""

from collections.abc import Mapping, Sequence

import msgspec
from quart import request

from taskscope_api.errors import ApiError
from taskscope_api.sorting import DEFAULT_SORT
from taskscope_api.subscriptions import MAX_LIMIT

DEFAULT_PAGE = 50


class FilterQuery(msgspec.Struct):
    """Each may repeat, or hold several values between commas."""

    state: str | None = None
    group: str | None = None
    kind: str | None = None
    name: str | None = None
    queue: str | None = None
    worker: str | None = None
    source: str | None = None
    engine: str | None = None


class TasksQuery(FilterQuery):
    """Of `/api/tasks`. `name` may hold `*`; `sort` is a field, descending with `-`, or `live`; `limit` is at most 500."""

    sort: str = DEFAULT_SORT
    limit: int = DEFAULT_PAGE
    cursor: str | None = None


class RealtimeQuery(msgspec.Struct):
    """Of `/api/tasks/realtime`."""

    kind: str | None = None
    source: str | None = None


class ListQuery(msgspec.Struct):
    """Of lists of workers, queues, sources and kinds."""

    source: str | None = None
    engine: str | None = None
    limit: int = MAX_LIMIT
    cursor: str | None = None


class TaskQuery(msgspec.Struct):
    """Of `/api/tasks/{id}`: the source, where several have the id."""

    source: str | None = None


class NoQuery(msgspec.Struct):
    """No parameters."""


Parameters = Mapping[str, Sequence[str]]


def parameters(query: type[msgspec.Struct]) -> Parameters:
    """The request's parameters. Raises `ApiError` naming one that the route does not take, and those it does."""
    known = query.__struct_fields__
    given = request.args.to_dict(flat=False)
    for name in given:
        if name not in known:
            there_are = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ApiError.of_field(name, f"{name!r} is no parameter of {request.path}; {there_are}", "unknown-parameter")
    return given


def single(given: Parameters, name: str) -> str | None:
    """The value of a parameter that may be given once, or None."""
    values = given.get(name, ())
    if len(values) > 1:
        raise ApiError.of_field(name, f"{name} may be given once")
    return values[0] if values and values[0] else None


def limit_of(given: Parameters, default: int) -> int:
    """`limit`, between 1 and 500."""
    text = single(given, "limit")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_LIMIT:
        raise ApiError.of_field("limit", f"{text[:40]!r} is not a number between 1 and {MAX_LIMIT}")
    return int(text)

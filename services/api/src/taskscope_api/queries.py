"""Query strings: which parameters a route takes, and what they must be."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from quart import request
from taskscope_shared.model import Engine, Group, State

from taskscope_api.described import says
from taskscope_api.errors import ApiError
from taskscope_api.filters import MAX_TEXT, MAX_VALUES
from taskscope_api.sorting import DEFAULT_SORT, SORT_NAMES
from taskscope_api.subscriptions import MAX_LIMIT
from taskscope_api.wire import TaskRow

DEFAULT_PAGE = 50
MAX_OFFSET = 1_000_000

Values = Annotated[list[str], msgspec.Meta(max_length=MAX_VALUES)]
"""Each at most `filters.MAX_LENGTH` long; an item of the list may be several of them, between commas."""
Keys = Annotated[list[Annotated[str, msgspec.Meta(pattern=r"^([^/,\s][^/,]*/[^,]+)?$")]], msgspec.Meta(max_length=MAX_VALUES)]
"""As `Values`."""
Fields = list[Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(TaskRow.__struct_fields__)})]]
Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})] | float
Duration = Annotated[float, msgspec.Meta(ge=0)]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT, examples=[DEFAULT_PAGE])]
Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]
Cursor = Annotated[str, msgspec.Meta(examples=["lQGrLXVwZGF0ZWRfYXQ"], extra_json_schema={"format": "cursor"})]


class PathParameters(msgspec.Struct):
    """What stands in paths."""

    task_id: Annotated[str, says("The task's id", "6f1d2c")]
    source: Annotated[str, says("The source's name", "archivist")]
    name: Annotated[str, says("The worker's name", "celery@encoder-1")]


class FilterQuery(msgspec.Struct):
    """Lists may repeat, or hold several values between commas. A time is RFC 3339, or seconds since 1970."""

    state: Annotated[list[State] | None, says("States, any of which", ["failed", "lost"])] = None
    group: Annotated[list[Group] | None, says("The dashboard's groups of states, any of which", ["active"])] = None
    kind: Annotated[Values | None, says("Kinds, any of which; `*` stands for any text", ["vod"])] = None
    name: Annotated[Values | None, says("Names, any of which; `*` stands for any text", ["archive.*"])] = None
    queue: Annotated[Values | None, says("Queues, any of which; `*` stands for any text", ["vod"])] = None
    worker: Annotated[Values | None, says("Workers, any of which; `*` stands for any text", ["celery@encoder-*"])] = None
    source: Annotated[Values | None, says("Sources, any of which", ["archivist"])] = None
    engine: Annotated[list[Engine] | None, says("Engines, any of which", ["celery"])] = None
    exception_type: Annotated[
        Values | None, says("Types of exceptions, any of which; `*` stands for any text", ["ValueError"])
    ] = None
    root: Annotated[Values | None, says("Ids of the tasks that all began with, any of which", ["6f1d2c"])] = None
    parent: Annotated[Values | None, says("Ids of the tasks that sent them, any of which", ["6f1d2c"])] = None
    group_id: Annotated[Values | None, says("Ids of the Celery groups they are in, any of which", ["b77d90"])] = None
    key: Annotated[Keys | None, says("Tasks by their keys, `source/id`, any of which", ["archivist/6f1d2c"])] = None
    q: Annotated[
        Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] | None,
        says("At most 8 words that all occur, whatever the case, in id, name, args, exception or worker", "film.mp4"),
    ] = None
    sent_from: Annotated[Moment | None, says("Sent at this time or later", "2026-03-01T09:00:00Z")] = None
    sent_to: Annotated[Moment | None, says("Sent before this time", "2026-03-02T09:00:00Z")] = None
    received_from: Annotated[Moment | None, says("Received by a worker at this time or later", "2026-03-01T09:00:00Z")] = None
    received_to: Annotated[Moment | None, says("Received by a worker before this time", "2026-03-02T09:00:00Z")] = None
    started_from: Annotated[Moment | None, says("Started at this time or later", "2026-03-01T09:00:00Z")] = None
    started_to: Annotated[Moment | None, says("Started before this time", "2026-03-02T09:00:00Z")] = None
    finished_from: Annotated[Moment | None, says("Finished at this time or later", "2026-03-01T09:00:00Z")] = None
    finished_to: Annotated[Moment | None, says("Finished before this time", "2026-03-02T09:00:00Z")] = None
    eta_from: Annotated[Moment | None, says("To be run at this time or later", "2026-03-01T09:00:00Z")] = None
    eta_to: Annotated[Moment | None, says("To be run before this time", "2026-03-02T09:00:00Z")] = None
    expires_from: Annotated[Moment | None, says("Not run any more from this time or later", "2026-03-01T09:00:00Z")] = None
    expires_to: Annotated[Moment | None, says("Not run any more from a time before this one", "2026-03-02T09:00:00Z")] = None
    updated_from: Annotated[Moment | None, says("Changed last at this time or later", "2026-03-01T09:00:00Z")] = None
    updated_to: Annotated[Moment | None, says("Changed last before this time", "2026-03-02T09:00:00Z")] = None
    runtime_min: Annotated[Duration | None, says("Seconds that it ran at least", 2.5)] = None
    runtime_max: Annotated[Duration | None, says("Seconds that it ran at most", 60)] = None
    wait_min: Annotated[Duration | None, says("Seconds that it waited at least until it began", 10)] = None
    wait_max: Annotated[Duration | None, says("Seconds that it waited at most until it began", 300)] = None


class FacetsQuery(FilterQuery):
    """Of `/api/tasks/facets`: the filter, and how many values of each field are listed."""

    limit: Annotated[PageSize, says("Values of a field")] = DEFAULT_PAGE


class TasksQuery(FilterQuery):
    """Of `/api/tasks`. `sort` is a field, descending with `-`, or `live`; `limit` is at most 500.

    `offset` jumps anywhere in the list as it is now; `cursor` goes on from a page, and stays in step while tasks come and go.
    `fields` chooses the members of the items. `format` csv or ndjson exports all that match: there, `limit` may be larger.
    """

    sort: Annotated[
        str,
        says("What to order by, descending with `-`; `live`: running tasks first", "-runtime_seconds", enum=list(SORT_NAMES)),
    ] = DEFAULT_SORT
    limit: Annotated[PageSize, says("Items of a page; of an export rows, as many as there may be")] = DEFAULT_PAGE
    cursor: Annotated[Cursor | None, says("`next_cursor` of the page before, with the same parameters")] = None
    offset: Annotated[Offset | None, says("How many to leave out at the beginning; not together with `cursor`", 50_000)] = None
    fields: Annotated[Fields | None, says("Members of the items; without it all", ["id", "state"])] = None
    format: Annotated[
        str | None,
        says("How the answer is written; without it as the Accept header says", "csv", enum=["json", "csv", "ndjson"]),
    ] = None


class RealtimeQuery(msgspec.Struct):
    """Of `/api/tasks/realtime`."""

    kind: Annotated[Values | None, says("Kinds, any of which; `*` stands for any text", ["vod"])] = None
    source: Annotated[Values | None, says("Sources, any of which", ["archivist"])] = None


class ListQuery(msgspec.Struct):
    """Of lists of workers, queues, sources and kinds."""

    source: Annotated[Values | None, says("Sources, any of which", ["archivist"])] = None
    engine: Annotated[list[Engine] | None, says("Engines, any of which", ["celery"])] = None
    limit: Annotated[PageSize, says("Items of a page")] = MAX_LIMIT
    cursor: Annotated[Cursor | None, says("`next_cursor` of the page before, with the same parameters")] = None


class TaskQuery(msgspec.Struct):
    """Of `/api/tasks/{id}`: the source, where several have the id."""

    source: Annotated[str | None, says("Which source's task, where several have the id", "archivist")] = None


class NoQuery(msgspec.Struct):
    """No parameters."""


Parameters = Mapping[str, Sequence[str]]


def parameters(query: type[msgspec.Struct]) -> Parameters:
    """The request's parameters. Raises `ApiError` naming one that the route does not take, and those it does."""
    known = query.__struct_fields__
    given = request.args.to_dict(flat=False)
    for name, values in given.items():
        if name not in known:
            there_are = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ApiError.of_field(name, f"{name!r} is no parameter of {request.path}; {there_are}", "unknown-parameter")
        if len(values) > MAX_VALUES:
            raise ApiError.of_field(name, f"{name} is there {len(values)} times; at most {MAX_VALUES}")
    return given


def single(given: Parameters, name: str) -> str | None:
    """The value of a parameter that may be given once, or None."""
    values = given.get(name, ())
    if len(values) > 1:
        raise ApiError.of_field(name, f"{name} may be given once")
    return values[0] if values and values[0] else None


def offset_of(given: Parameters) -> int:
    """`offset`, between 0 and `MAX_OFFSET`; 0 without it. Raises `ApiError` where there is a `cursor`, too."""
    text = single(given, "offset")
    if text is None:
        return 0
    if single(given, "cursor") is not None:
        raise ApiError.of_field("offset", "offset and cursor both say where a page begins: give one of them")
    return _whole("offset", text, 0, MAX_OFFSET)


def limit_of(given: Parameters, default: int, most: int = MAX_LIMIT) -> int:
    """`limit`, between 1 and `most`."""
    text = single(given, "limit")
    if text is None:
        return default
    return _whole("limit", text, 1, most)


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise ApiError.of_field(name, f"{text[:40]!r} is not a number between {least} and {most}")
    return int(text)

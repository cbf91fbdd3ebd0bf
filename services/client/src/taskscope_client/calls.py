"""What each method asks for: path, parameters, and what the answer is. Both clients send the same."""

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

from taskscope_client.analytics import Analytics, Failures
from taskscope_client.answers import Facets, Health, Page, Realtime
from taskscope_client.errors import Problem, TaskscopeError
from taskscope_client.filters import Many, Query, Value, query
from taskscope_client.rows import Kind, Queue, Source, Task, TaskDetail, Worker, WorkerDetail

Answer = TypeVar("Answer")

TASKS = "/api/tasks"
MOST_ROWS = 500
"""Of a page."""


class Call(msgspec.Struct, Generic[Answer], frozen=True):
    """A GET."""

    path: str
    answers: type[Answer]
    query: Query = []

    def decode(self, body: bytes) -> Answer:
        """The answer. Raises `TaskscopeError` for one that is something else."""
        try:
            return msgspec.json.decode(body, type=self.answers)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            detail = f"{self.path} answers what this client does not understand: {error}"
            raise TaskscopeError(Problem(type="urn:taskscope:problem:unexpected-answer", detail=detail)) from error

    def behind(self, cursor: str) -> "Call[Answer]":
        """The same for the page at `cursor`."""
        kept = [(name, value) for name, value in self.query if name not in ("cursor", "offset")]
        return msgspec.structs.replace(self, query=[*kept, ("cursor", cursor)])


def tasks(
    filters: Mapping[str, Value],
    sort: str | None,
    limit: int,
    cursor: str | None,
    fields: Many | None,
    offset: int | None = None,
) -> Call[Page[Task]]:
    """A page of tasks."""
    chosen = fields if fields is None or isinstance(fields, str) else ",".join(fields)
    page = {"sort": sort, "limit": limit, "cursor": cursor, "offset": offset, "fields": chosen}
    return Call(TASKS, Page[Task], query({**filters, **page}))


def task(id_: str, source: str | None) -> Call[TaskDetail]:
    """One task. Raises `ValueError` for an id with a slash and no source: it would be taken for a source and an id."""
    if source is None and "/" in id_:
        raise ValueError(f"say the source, too: the id {id_!r} holds a slash")
    place = quote(id_, safe="") if source is None else f"{quote(source, safe='')}/{quote(id_, safe='')}"
    return Call(f"{TASKS}/{place}", TaskDetail)


def facets(filters: Mapping[str, Value], limit: int) -> Call[Facets]:
    """Counts of values."""
    return Call(f"{TASKS}/facets", Facets, query({**filters, "limit": limit}))


def realtime(kind: Many | None, source: Many | None) -> Call[Realtime]:
    """What goes on now."""
    return Call(f"{TASKS}/realtime", Realtime, query({"kind": kind, "source": source}))


def analytics(window: str, options: Mapping[str, Value]) -> Call[Analytics]:
    """What ended in a window."""
    return Call(f"{TASKS}/analytics", Analytics, query({"window": window, **options}))


def failures(window: str, options: Mapping[str, Value]) -> Call[Failures]:
    """Why tasks failed."""
    return Call(f"{TASKS}/analytics/failures", Failures, query({"window": window, **options}))


def workers(filters: Mapping[str, Value]) -> Call[Page[Worker]]:
    """A page of workers."""
    return Call("/api/workers", Page[Worker], query({**filters, "limit": MOST_ROWS}))


def worker(source: str, name: str) -> Call[WorkerDetail]:
    """One worker."""
    return Call(f"/api/workers/{quote(source, safe='')}/{quote(name, safe='')}", WorkerDetail)


def queues(filters: Mapping[str, Value]) -> Call[Page[Queue]]:
    """A page of queues."""
    return Call("/api/queues", Page[Queue], query({**filters, "limit": MOST_ROWS}))


def sources(filters: Mapping[str, Value]) -> Call[Page[Source]]:
    """A page of sources."""
    return Call("/api/sources", Page[Source], query({**filters, "limit": MOST_ROWS}))


def kinds(filters: Mapping[str, Value]) -> Call[Page[Kind]]:
    """A page of kinds."""
    return Call("/api/kinds", Page[Kind], query({**filters, "limit": MOST_ROWS}))


def health() -> Call[Health]:
    """The api's health."""
    return Call("/api/health", Health)

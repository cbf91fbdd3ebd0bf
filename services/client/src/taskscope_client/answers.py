"""Answers that are more than rows."""

from typing import Generic, TypeVar

import msgspec

from taskscope_client.rows import Moment, Queue, Row, Source, Summary, Task, Worker

Item = TypeVar("Item")


class Page(Row, Generic[Item], frozen=True, kw_only=True):
    """Rows; `total` counts all that match. `next_cursor` leads to the page behind; None: this is the last one.

    `stale` says whether what is shown may be behind.
    """

    items: tuple[Item, ...] = ()
    next_cursor: str | None = None
    total: int = 0
    stale: bool = False


class FacetValue(Row, frozen=True, kw_only=True):
    """A value (null: tasks of which it is not known) and how many tasks have it."""

    value: str | None = None
    count: int = 0


class Facet(Row, frozen=True, kw_only=True):
    """The most frequent values of a field, and what is not listed."""

    values: tuple[FacetValue, ...] = ()
    others: int = 0
    distinct: int = 0


class FacetCounts(Row, frozen=True, kw_only=True):
    """Tasks by each field, counted without the filter's values of that same field: they say what else there is."""

    state: Facet
    kind: Facet
    name: Facet
    queue: Facet
    worker: Facet
    source: Facet


class Facets(Row, frozen=True, kw_only=True):
    """`total` counts what matches the whole filter."""

    total: int = 0
    facets: FacetCounts
    stale: bool = False


class Realtime(Row, frozen=True, kw_only=True):
    """The body of `/api/tasks/realtime`."""

    at: Moment
    stale: bool = False
    position: str = ""
    summary: Summary
    tasks: tuple[Task, ...] = ()
    finished: tuple[Task, ...] = ()
    workers: tuple[Worker, ...] = ()
    workers_total: int = 0
    queues: tuple[Queue, ...] = ()
    queues_total: int = 0
    sources: tuple[Source, ...] = ()


class Dependency(Row, frozen=True, kw_only=True):
    """`status` is ok, degraded or down; `detail` says why it is not ok."""

    status: str = ""
    detail: str | None = None


class PushHealth(Row, frozen=True, kw_only=True):
    """What goes to WebSockets."""

    status: str = ""
    rounds: int = 0
    failures: int = 0
    sockets: int = 0
    windows: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)


class SocketIoHealth(Row, frozen=True, kw_only=True):
    """What goes to clients of Socket.IO, and what is passed on to other replicas."""

    status: str = ""
    connections: int = 0
    whole: int = 0
    snapshots: int = 0
    skipped: int = 0
    refused: int = 0
    throttled: int = 0
    garbage: int = 0
    overfull: int = 0
    passed_on: int = 0
    not_passed_on: int = 0
    complaints: int = 0
    failures: int = 0


class SourceHealth(Row, frozen=True, kw_only=True):
    """One source: as its collector says (`status`, `reason`), and why the api may be behind it (`stale`)."""

    name: str = ""
    status: str = ""
    reason: str | None = None
    stale: str | None = None
    tasks: int = 0
    position: str | None = None
    snapshots: int = 0
    gaps: int = 0
    undecodable: int = 0


class LiveViewHealth(Row, frozen=True, kw_only=True):
    """The replica in memory, and who looks at it."""

    status: str = ""
    tasks: int = 0
    clients: int | None = None
    clients_cut: int | None = None


class Health(Row, frozen=True, kw_only=True):
    """`status` is the worst of all: ok, degraded (something is stale or down) or down (nothing can be shown)."""

    status: str = ""
    at: Moment
    ready: bool = False
    stale: bool = False
    version: str = ""
    uptime_seconds: float = 0.0
    redis: Dependency
    identity: Dependency
    push: PushHealth | None = None
    socket_io: SocketIoHealth | None = None
    live_view: LiveViewHealth
    sources: tuple[SourceHealth, ...] = ()

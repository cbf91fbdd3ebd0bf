"""The model that the collector writes and the api reads.

Every struct is encoded as an array (`codec.py`): fields are only ever appended, at the end and with a default, so that a
reader of this version reads the version before and the other way round. Times are epoch seconds (UTC), durations seconds.
"""

from enum import StrEnum

import msgspec


class Engine(StrEnum):
    """What runs the tasks."""

    CELERY = "celery"
    RQ = "rq"


class State(StrEnum):
    """Where a task is, in one vocabulary for both engines."""

    SCHEDULED = "scheduled"
    DEFERRED = "deferred"
    QUEUED = "queued"
    RESERVED = "reserved"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVOKED = "revoked"
    REJECTED = "rejected"
    LOST = "lost"


class Group(StrEnum):
    """The dashboard's grouping of states."""

    QUEUED = "queued"
    RESERVED = "reserved"
    ACTIVE = "active"
    FINISHED = "finished"


GROUP_OF: dict[State, Group] = {
    State.SCHEDULED: Group.QUEUED,
    State.DEFERRED: Group.QUEUED,
    State.QUEUED: Group.QUEUED,
    State.RETRYING: Group.QUEUED,
    State.RESERVED: Group.RESERVED,
    State.RUNNING: Group.ACTIVE,
    State.SUCCEEDED: Group.FINISHED,
    State.FAILED: Group.FINISHED,
    State.REVOKED: Group.FINISHED,
    State.REJECTED: Group.FINISHED,
    State.LOST: Group.FINISHED,
}
FINISHED: frozenset[State] = frozenset(state for state, group in GROUP_OF.items() if group is Group.FINISHED)


class Position(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """A place in one source's log: `epoch` is one holding of the lease, `seq` counts its flushes 1, 2, 3 without holes."""

    epoch: int = 0
    seq: int = 0

    def __str__(self) -> str:
        """As Redis writes a stream id."""
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The other way round. Raises `ValueError` for anything that is not `epoch-seq`."""
        epoch, _, seq = text.partition("-")
        return cls(int(epoch), int(seq))


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far a running task says it is. `percent` is 0 to 100; whatever the task did not say is None."""

    current: float | None = None
    total: float | None = None
    percent: float | None = None
    message: str | None = None
    at: float | None = None


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One delivery of a task to a worker, and how it ended (`state` is RETRYING for one that was retried).

    A task delivered once has no entry until it ends; `number` counts from 1 over the task's whole life.
    """

    number: int
    state: State
    worker: str | None = None
    queued_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    wait_seconds: float | None = None
    runtime_seconds: float | None = None
    exception_type: str | None = None
    exception: str | None = None


class Task(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One task of either engine. `epoch`-`seq` is its version: the position of the flush that wrote it."""

    id: str
    source: str
    engine: Engine
    state: State
    epoch: int
    seq: int
    name: str | None = None
    kind: str = "other"
    queue: str | None = None
    worker: str | None = None
    sent_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    eta_at: float | None = None
    expires_at: float | None = None
    updated_at: float = 0.0
    wait_seconds: float | None = None
    runtime_seconds: float | None = None
    retries: int = 0
    attempts: int = 0
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception_type: str | None = None
    exception: str | None = None
    traceback: str | None = None
    progress: Progress | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    # Why the state is what it is, where the state alone does not say: "rate_limited", "expired", "terminated", "stopped", ...
    detail: str | None = None
    # Why the state cannot be confirmed any more; None while it is certain.
    uncertain: str | None = None
    # At most `HISTORY` latest ended attempts, oldest first; each contributed once to the rollups.
    history: tuple[Attempt, ...] = ()
    children: tuple[str, ...] = ()
    priority: int | None = None
    cpu_seconds: float | None = None
    peak_rss_bytes: int | None = None
    trace_id: str | None = None
    # Of the span that sent it, where that was sampled: what links lead to.
    span_id: str | None = None

    @property
    def group(self) -> Group:
        """The dashboard group of the state."""
        return GROUP_OF[self.state]


HISTORY = 20
"""Ended attempts remembered with a task."""


class WorkerState(StrEnum):
    """Whether a worker is there. `silent`: no sign of life, but a busy solo worker gives none."""

    ONLINE = "online"
    SILENT = "silent"
    OFFLINE = "offline"
    LOST = "lost"


class Worker(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One worker process (Celery: a node; RQ: a worker). None is unknown, never zero."""

    name: str
    source: str
    engine: Engine
    state: WorkerState
    hostname: str | None = None
    pid: int | None = None
    pool: str | None = None
    concurrency: int | None = None
    active: int | None = None
    reserved: int | None = None
    prefetch: int | None = None
    processed: int | None = None
    failed: int | None = None
    queues: tuple[str, ...] | None = None
    load: tuple[float, float, float] | None = None
    heartbeat_at: float | None = None
    started_at: float | None = None
    version: str | None = None
    events: bool | None = None
    events_enabled_by_us: bool = False
    clock_skew_seconds: float | None = None
    current: tuple[str, ...] = ()
    detail: str | None = None


class Queue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One queue as its broker counts it. `depth`: messages ready to be taken; `unacked`: taken, not acknowledged."""

    name: str
    source: str
    engine: Engine
    depth: int | None = None
    unacked: int | None = None
    scheduled: int | None = None
    deferred: int | None = None
    running: int | None = None
    failed: int | None = None
    consumers: int | None = None
    oldest_at: float | None = None
    at: float = 0.0
    detail: str | None = None
    # The depth as first counted in each minute, at most 60, oldest first; None: nobody counted. `depths_at` is when the last
    # of these minutes began.
    depths: tuple[int | None, ...] = ()
    depths_at: float | None = None


DEPTHS_SECONDS = 60
"""Between two depths of a queue's history."""
DEPTHS_KEPT = 60
"""Depths in it."""


class SourceStatus(StrEnum):
    """How a source is. `degraded`: it goes on, but knows less than it should; the reason says what."""

    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class Source(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One configured source with its health and what it counted since its collector started."""

    name: str
    engine: Engine
    status: SourceStatus
    reason: str | None = None
    notes: tuple[str, ...] = ()
    since: float | None = None
    holder: str | None = None
    transport: str | None = None
    events: bool | None = None
    result_backend: bool | None = None
    received: int = 0
    malformed: int = 0
    dropped: int = 0
    late: int = 0
    events_per_second: float = 0.0
    lag_seconds: float | None = None
    # Tasks remembered, and those that are only counted because a budget was full.
    retained: int = 0
    evicted: int = 0
    uncounted_queued: int = 0
    at: float = 0.0
    # Configured kinds in order, so that the api draws its filters from what the collector used.
    kinds: tuple[str, ...] = ()

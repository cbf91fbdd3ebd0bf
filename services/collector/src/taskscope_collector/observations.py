"""What sources see, before anything is concluded from it.

A source turns what is on its wire into these and hands them to a `Sink`; the reducer (`reducer/`) turns them into tasks,
workers and queues. Every observation of a task is a *fact* (somebody said so) or an *inference* (concluded from absence):
the reducer lets any later fact revise an inference.

`at` is the time of what happened, in the collector's clock: epoch seconds, already corrected by the worker's estimated clock
skew where the source knows it. `seen_at` is when the collector received it.
"""

from typing import Literal, Protocol

import msgspec
from taskscope_shared.model import Engine, Progress, Queue, SourceStatus, Worker
from taskscope_shared.requests import Place, WorkerFacts

# ------------------------------------------------------------------------------------------------------------- Celery


class TaskEvent(msgspec.Struct, gc=False, rename={"at": "timestamp", "uncorrected_at": ""}):
    """A Celery `task-*` event, decoded straight from its JSON body (celery.events; fields by type: `docs/architecture.md`).

    `at` is what the body calls `timestamp`. Where the source had to change it, `uncorrected_at` is what the body said (0.0:
    nothing); it tells whether two events are the same one.
    """

    type: str
    uuid: str
    at: float
    hostname: str = ""
    clock: int = 0
    pid: int = 0
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    retries: int | None = None
    eta: str | None = None
    expires: str | None = None
    queue: str | None = None
    result: str | None = None
    runtime: float | None = None
    exception: str | None = None
    traceback: str | None = None
    requeue: bool | None = None
    terminated: bool | None = None
    signum: str | int | None = None
    expired: bool | None = None
    uncorrected_at: float | None = None


class TaskResult(msgspec.Struct, gc=False):
    """What a Celery result backend stored or published for a task (the meta of `celery.backends.base`).

    `status` is Celery's (STARTED, PROGRESS or any custom name, RETRY, SUCCESS, FAILURE, REVOKED, REJECTED). `result` is a
    redacted, capped preview; `progress` is set for states that are not final and whose meta tells one.
    `at` is date_done where given, else `seen_at`.
    """

    id: str
    status: str
    at: float
    seen_at: float
    result: str | None = None
    exception_type: str | None = None
    exception: str | None = None
    traceback: str | None = None
    progress: Progress | None = None
    group_id: str | None = None
    parent_id: str | None = None
    children: tuple[str, ...] = ()
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    worker: str | None = None
    queue: str | None = None
    retries: int | None = None


class TaskHeld(msgspec.Struct, gc=False):
    """A worker's inspect reply names the task: it holds it as `where` at `at` (celery.worker.control).

    `queue` is known only when the exchange is the default one (then the routing key is the queue's name) or a binding tells.
    """

    id: str
    worker: str
    where: Literal["active", "reserved", "scheduled"]
    at: float
    seen_at: float
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    queue: str | None = None
    started_at: float | None = None
    eta_at: float | None = None
    retries: int | None = None
    redelivered: bool | None = None
    priority: int | None = None
    pid: int | None = None


class TaskQueued(msgspec.Struct, gc=False):
    """The task's message was seen in a queue (peeked on a Redis broker): exact args, headers, group and trace ids."""

    id: str
    queue: str
    at: float
    seen_at: float
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    retries: int | None = None
    eta_at: float | None = None
    expires_at: float | None = None
    priority: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    unacked: bool = False


class WorkerBeat(msgspec.Struct, gc=False):
    """A Celery `worker-online`, `worker-heartbeat` or `worker-offline` event. None: the event did not say."""

    type: str
    hostname: str
    timestamp: float = 0.0
    clock: int = 0
    pid: int = 0
    freq: float | None = None
    active: int | None = None
    processed: int | None = None
    loadavg: list[float] | None = None
    sw_ident: str | None = None
    sw_ver: str | None = None
    sw_sys: str | None = None
    at: float = 0.0
    seen_at: float = 0.0


class InspectReply(msgspec.Struct, gc=False):
    """One worker answered one inspect round: the ids it holds by place (None: this round did not ask), and its stats."""

    worker: str
    at: float
    seen_at: float
    asked_at: float = 0.0
    active: list[TaskHeld] | None = None
    reserved: list[TaskHeld] | None = None
    scheduled: list[TaskHeld] | None = None
    queues: tuple[str, ...] | None = None
    pool: str | None = None
    concurrency: int | None = None
    prefetch: int | None = None
    pid: int | None = None
    started_at: float | None = None
    processed: int | None = None
    version: str | None = None
    events: bool | None = None
    events_enabled_by_us: bool = False


class InspectRound(msgspec.Struct, gc=False):
    """An inspect round is over: who answered, and how many workers the broker says are subscribed (None: it cannot tell)."""

    at: float
    replied: frozenset[str]
    subscribed: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everybody who is connected answered: who did not is not there."""
        return self.subscribed is not None and self.subscribed <= len(self.replied)


# ----------------------------------------------------------------------------------------------------------------- RQ


class JobSeen(msgspec.Struct, gc=False):
    """The hash of an RQ job as read at `at` (facts of RQ: the status field decides; the reading order is the order).

    `status` is RQ's own. Strings are redacted and capped. `ended_by_stream` is the newest entry of `rq:results:<id>`.
    """

    id: str
    status: str
    at: float
    queue: str | None = None
    name: str | None = None
    args: str | None = None
    worker: str | None = None
    created_at: float | None = None
    enqueued_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    run_at: float | None = None
    heartbeat_at: float | None = None
    wip_expires_at: float | None = None
    execution_id: str | None = None
    timeout_seconds: float | None = None
    retries_left: int | None = None
    number_of_retries: int | None = None
    progress: Progress | None = None
    result: str | None = None
    result_type: int | None = None
    result_id: str | None = None
    result_started_at: float | None = None
    result_ended_at: float | None = None
    exception: str | None = None
    exception_type: str | None = None
    traceback: str | None = None
    group_id: str | None = None
    dependencies: tuple[str, ...] = ()
    # 0: the hash is deleted at once when the job succeeds (a failed one stays), so `JobGone` after `started` means success.
    result_ttl_seconds: float | None = None
    kwargs: str | None = None
    # Where its id is: "queue", "intermediate", "wip", "finished", "failed", "deferred", "scheduled", "canceled", "ready".
    places: frozenset[str] | None = None


class JobGone(msgspec.Struct, gc=False):
    """The job's hash is not there (any more): deleted, expired, or finished with result_ttl=0."""

    id: str
    at: float


class JobAbandoned(msgspec.Struct, gc=False):
    """An inference: nobody is left who could be running the job (`reason` says how that was concluded).

    Not `certain`: its worker vouches for it no more, but its work-horse may go on; it keeps its state, marked uncertain.
    """

    id: str
    at: float
    reason: str
    certain: bool = False


# --------------------------------------------------------------------------------------------------------------- both


class TaskMissing(msgspec.Struct, gc=False):
    """An inference: the task is in no queue and with no worker (`reason` says how that was concluded)."""

    id: str
    at: float
    reason: str
    worker: str | None = None


class TaskRedelivered(msgspec.Struct, gc=False):
    """An inference: its worker is gone, but its message is unacknowledged, so the broker will deliver it again."""

    id: str
    at: float
    reason: str


class WorkerSeen(msgspec.Struct, gc=False):
    """A worker as the source reads it whole (RQ). What it does not know is None and keeps what was known."""

    worker: Worker
    at: float


class WorkerGone(msgspec.Struct, gc=False):
    """A worker is not there any more; `clean` when it said goodbye."""

    name: str
    at: float
    clean: bool
    detail: str | None = None


class QueuesSeen(msgspec.Struct, gc=False):
    """All queues of the source, as counted at `at`; one that is missing here is gone."""

    queues: list[Queue]
    at: float


class Health(msgspec.Struct, gc=False):
    """How the source's connection is. `notes` say what cannot be known and why (no readable result backend, ...)."""

    status: SourceStatus
    at: float
    reason: str | None = None
    notes: tuple[str, ...] = ()
    transport: str | None = None
    events: bool | None = None
    result_backend: bool | None = None


class Reconnected(msgspec.Struct, gc=False):
    """There was a gap in what the source saw, from `since` to `at`: what is open has to be confirmed."""

    since: float
    at: float


TaskObservation = (
    TaskEvent | TaskResult | TaskHeld | TaskQueued | JobSeen | JobGone | JobAbandoned | TaskMissing | TaskRedelivered
)
Observation = (
    TaskObservation | WorkerBeat | InspectReply | InspectRound | WorkerSeen | WorkerGone | QueuesSeen | Health | Reconnected
)


class Counts(msgspec.Struct):
    """What a source counts of itself; the pipeline copies it into `Source` health. Never reset while it runs."""

    received: int = 0
    malformed: int = 0
    dropped: int = 0


class Sink(Protocol):
    """Where a source puts what it saw. Never blocks: a full buffer drops, and counts what it dropped."""

    def put(self, batch: list[Observation]) -> None:
        """Take a batch, in the order in which it was seen."""
        ...


class View(Protocol):
    """What a source may ask of the reduced state, to know what to look after. Read-only, cheap, same thread."""

    def open_tasks(self) -> list[str]:
        """Ids reserved or running, at most a few thousand, oldest first."""
        ...

    def open_tasks_of(self, worker: str) -> list[str]:
        """Ids reserved by or running on `worker`."""
        ...

    def queue_names(self) -> list[str]:
        """Queues that tasks or workers named."""
        ...

    def queued_tasks(self, limit: int) -> list[str]:
        """Ids waiting (queued, scheduled, deferred, retrying), oldest first."""
        ...

    def clock_skew(self, worker: str) -> float:
        """Seconds by which `worker`'s clock is ahead, as estimated; 0.0 if unknown or below half a second."""
        ...

    def active(self) -> bool:
        """Whether this collector holds the source's lease. A standby listens, but asks the broker and the workers nothing."""
        ...


CHECK_FAILED = "failed: "
"""How a line of `SourceRunner.check` begins that makes `taskscope check` end with 1."""


class SourceRunner(Protocol):
    """A source of observations: `run` goes on until cancelled, reconnects by itself, and never raises for a broker's fault."""

    engine: Engine
    counts: Counts

    async def run(self, sink: Sink, view: View) -> None:
        """Watch, until cancelled."""
        ...

    async def check(self) -> list[str]:
        """Try everything once, with deadlines: lines that say what answered and what did not (`taskscope check`).

        A line about something without which the source is down begins with `CHECK_FAILED`. Never raises for a broker's fault.
        """
        ...

    async def events_off(self) -> int:
        """Switch off the worker events that we switched on; how many workers answered (RQ: 0)."""
        ...

    async def place(self, task_id: str, queue: str) -> Place:
        """Where the task is in the queue, as asked now, with bounded work.

        This and `worker` are asked while `run` goes on. They raise NoAnswerError with the reason, or the broker's error.
        """
        ...

    async def worker(self, name: str) -> WorkerFacts:
        """What the worker knows and how it is configured, as asked now; within 3 s."""
        ...

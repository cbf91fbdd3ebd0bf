"""What the reducer remembers of a task."""

from enum import IntEnum

import msgspec
from msgspec.structs import replace
from taskscope_shared.model import Attempt, Engine, Progress, State, Task

from taskscope_collector.observations import TaskObservation


class Draft(msgspec.Struct, array_like=True, gc=False):
    """The folded state of a task: `Task`'s fields in `Task`'s order, mutable, so that it is encoded as one without a copy."""

    id: str
    source: str
    engine: Engine
    state: State
    epoch: int = 0
    seq: int = 0
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
    detail: str | None = None
    uncertain: str | None = None
    history: tuple[Attempt, ...] = ()
    children: tuple[str, ...] = ()
    priority: int | None = None
    cpu_seconds: float | None = None
    peak_rss_bytes: int | None = None
    trace_id: str | None = None
    span_id: str | None = None


def draft_of(task: Task | Draft) -> Draft:
    """A mutable copy."""
    return Draft(*(getattr(task, name) for name in Draft.__struct_fields__))


class Stage(IntEnum):
    """How far a task came on the usual way, where each next event is applied without folding (`fast.py`).

    Anything unusual makes it OTHER; from then on each fact folds the record anew.
    """

    OTHER = 0
    NEW = 1
    SENT = 2
    RECEIVED = 3
    STARTED = 4
    STORED = 5  # its result was stored, the event that says so has not come
    ENDED = 6


class Lane(IntEnum):
    """Which budget a task counts against (`retention.py`)."""

    NEW = 0
    WAITING = 1
    OPEN = 2
    FINISHED = 3
    FAILED = 4
    GONE = 5


LANE_OF: dict[State, Lane] = {
    State.SCHEDULED: Lane.WAITING,
    State.DEFERRED: Lane.WAITING,
    State.QUEUED: Lane.WAITING,
    State.RETRYING: Lane.WAITING,
    State.RESERVED: Lane.OPEN,
    State.RUNNING: Lane.OPEN,
    State.SUCCEEDED: Lane.FINISHED,
    State.REVOKED: Lane.FINISHED,
    State.REJECTED: Lane.FINISHED,
    State.FAILED: Lane.FAILED,
    State.LOST: Lane.FAILED,
}


class WorkerDied(msgspec.Struct, gc=False):
    """An inference of the reducer about one task: the worker that had it is gone since before `at`.

    `clean`: it said goodbye, and gave back what it had not started.
    """

    id: str
    at: float
    worker: str
    pid: int | None
    clean: bool = False


Fact = TaskObservation | WorkerDied


class Record(msgspec.Struct, gc=False):
    """A task with what is needed to fold it again.

    `facts` is None for a settled task; `base` is the state before the first of `facts`, or None where they are all there is.
    `contributed` belongs to the pipeline's rollups: what was last written of this task. `pid` and `clock` are those of the
    worker's last event; `args_hash` tells whether arguments that had to be redacted are the same when they come again.
    """

    draft: Draft
    facts: list[Fact] | None = None
    base: Draft | None = None
    contributed: tuple[object, ...] = ()
    stage: Stage = Stage.NEW
    lane: Lane = Lane.NEW
    dirty: bool = False
    pid: int | None = None
    clock: int = 0
    args_hash: int = 0
    # The worker it is indexed under while it is open.
    held_by: str | None = None

    def forget(self) -> None:
        """Settle: the folded state becomes the base of whatever comes yet."""
        self.facts = self.base = None
        self.stage = Stage.OTHER
        self.args_hash = self.clock = 0
        self.pid = None

    def strip(self) -> None:
        """Keep what tells its contributions alone: a task that was evicted is never shown again."""
        draft = self.draft
        draft.args = draft.kwargs = draft.result = draft.exception = draft.traceback = None
        draft.root_id = draft.parent_id = draft.group_id = draft.trace_id = draft.span_id = draft.detail = None
        draft.progress, draft.children = None, ()
        if draft.history:
            draft.history = tuple(replace(attempt, exception=None) for attempt in draft.history)

    def remember(self) -> list[Fact]:
        """The facts, to add one; a settled task starts again from what it was folded to."""
        if self.facts is None:
            self.base = draft_of(self.draft)
            self.facts = []
        return self.facts

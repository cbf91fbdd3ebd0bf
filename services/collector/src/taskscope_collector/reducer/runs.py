"""A task's deliveries while it is folded, and how they make up its state."""

from typing import Final

import msgspec
from taskscope_shared.model import FINISHED, HISTORY, Attempt, Progress, State

from taskscope_collector.reducer.record import Draft

SLACK_SECONDS: Final = 1.0
"""How far times of different clocks may be apart for the same moment: a skew below half a second is not corrected."""
COMES_AGAIN: Final = frozenset({State.RETRYING, State.LOST, State.QUEUED})
"""Ends of a delivery after which another one is no surprise."""
NO_OUTCOME: Final = "no_outcome"
EXPIRED: Final = "expired"
REDELIVERY: Final = "redelivery_expected"


class Send(msgspec.Struct, gc=False):
    """A task's message was put into a queue (Celery: task-sent)."""

    at: float | None
    retries: int
    queue: str | None = None
    eta_at: float | None = None
    expires_at: float | None = None
    taken: bool = False


class Run(msgspec.Struct, gc=False):
    """One delivery to a worker. `state` is None while it is open; `inferred` says that its end was concluded from absence.

    `seen_at` is the latest evidence of it; `running` that it is known to run, though perhaps not since when.
    """

    worker: str | None = None
    pid: int | None = None
    clock: int = 0
    retries: int = 0
    name: str | None = None
    queued_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    eta_at: float | None = None
    expires_at: float | None = None
    state: State | None = None
    detail: str | None = None
    uncertain: str | None = None
    runtime: float | None = None
    result: str | None = None
    exception_type: str | None = None
    exception: str | None = None
    traceback: str | None = None
    inferred: bool = False
    running: bool = False
    delivered: bool = True
    retried: bool = False
    seen_at: float = 0.0
    execution: str | None = None

    @property
    def began_at(self) -> float | None:
        """The first that is known of it."""
        return self.received_at if self.received_at is not None else self.started_at

    @property
    def is_started(self) -> bool:
        """Whether it is known to have been executed."""
        return self.started_at is not None or self.running


class Folding:
    """Everything a fold gathers: the deliveries, and what is known of the task as a whole. Starts from `base`, if any."""

    __slots__ = (
        "again", "args", "base", "children", "created_at", "first_number", "group_id", "kwargs", "name",
        "parent_id", "past", "priority", "progress", "queue", "requeued", "retries", "root_id", "runs", "seen_at",
        "sends", "span_id", "trace_id", "waiting_eta", "waiting_state",
    )  # fmt: skip

    def __init__(self, base: Draft | None) -> None:
        self.base = base
        self.past: tuple[Attempt, ...] = ()
        self.first_number = 1
        self.runs: list[Run] = []
        self.sends: list[Send] = []
        self.name: str | None = None
        self.args: str | None = None
        self.kwargs: str | None = None
        self.queue: str | None = None
        self.root_id: str | None = None
        self.parent_id: str | None = None
        self.group_id: str | None = None
        self.trace_id: str | None = None
        self.span_id: str | None = None
        self.children: tuple[str, ...] = ()
        self.priority: int | None = None
        self.progress: Progress | None = None
        self.retries = 0
        # The task waits though its last delivery says otherwise: since when, how, and until when.
        self.requeued: float | None = None
        self.waiting_state: tuple[State, str | None] | None = None
        self.waiting_eta: float | None = None
        # RQ: it waits for another run, since `Send.at` and until `Send.eta_at`.
        self.again: tuple[State, str | None, Send] | None = None
        self.created_at: float | None = None
        # When it was last seen to wait.
        self.seen_at = 0.0
        if base is not None:
            self._start_from(base)

    def _start_from(self, base: Draft) -> None:
        self.name, self.args, self.kwargs, self.queue = base.name, base.args, base.kwargs, base.queue
        self.root_id, self.parent_id, self.group_id = base.root_id, base.parent_id, base.group_id
        self.trace_id, self.span_id = base.trace_id, base.span_id
        self.children, self.priority, self.progress, self.retries = base.children, base.priority, base.progress, base.retries
        self.past = base.history
        if base.sent_at is not None:
            self.sends.append(
                Send(base.sent_at, base.retries, base.queue, base.eta_at, base.expires_at, taken=base.attempts > 0)
            )
        waits = base.state in (State.QUEUED, State.SCHEDULED, State.DEFERRED)
        if waits and base.history and base.history[-1].number >= base.attempts:
            self.first_number = base.attempts + 1  # all its deliveries are history already
        elif base.attempts > 0 or base.state in FINISHED:
            self.first_number = max(base.attempts, 1)
            self.runs.append(run_of(base))
        elif base.state not in (State.QUEUED, State.SCHEDULED):
            self.waiting_state = (base.state, base.detail)

    @property
    def last(self) -> Run | None:
        """The latest delivery."""
        return self.runs[-1] if self.runs else None


def run_of(draft: Draft) -> Run:
    """The delivery that a folded state ends with."""
    open_ = draft.state in (State.RUNNING, State.RESERVED) or (draft.state is State.SCHEDULED and draft.finished_at is None)
    return Run(
        worker=draft.worker,
        retries=draft.retries,
        name=draft.name,
        queued_at=None if draft.wait_seconds is None else draft.sent_at,
        received_at=draft.received_at,
        started_at=draft.started_at,
        ended_at=draft.finished_at,
        eta_at=draft.eta_at,
        expires_at=draft.expires_at,
        state=None if open_ else draft.state,
        detail=draft.detail,
        uncertain=draft.uncertain,
        runtime=draft.runtime_seconds,
        result=draft.result,
        exception_type=draft.exception_type,
        exception=draft.exception,
        traceback=draft.traceback,
        inferred=_was_inferred(draft),
        running=draft.state is State.RUNNING,
        delivered=draft.attempts > 0,
        seen_at=draft.updated_at,
    )


def _was_inferred(draft: Draft) -> bool:
    if draft.detail == EXPIRED:
        return draft.uncertain is not None
    return draft.state is State.LOST or draft.detail in (NO_OUTCOME, REDELIVERY)


def waited(run: Run) -> float | None:
    """Seconds from when the delivery could have been started to when it was; None where one of the two is not known."""
    if run.started_at is None or run.queued_at is None:
        return None
    seconds = run.started_at - max(run.queued_at, run.eta_at or 0.0)
    # A producer's clock is never corrected: a little ahead is rounding, more is no measurement.
    return max(seconds, 0.0) if seconds > -SLACK_SECONDS else None


def took(run: Run) -> float | None:
    """Seconds of execution, as the worker says, else from start to end; None for an end that was only concluded."""
    if run.runtime is not None:
        return run.runtime
    if run.started_at is None or run.ended_at is None or run.inferred:
        return None
    return max(run.ended_at - run.started_at, 0.0)


def attempt_of(run: Run, following: Run, number: int) -> Attempt:
    """A delivery that another one followed, as history."""
    state = run.state
    if state is None or state is State.QUEUED:
        # Its end was never seen. Another try (or a replacement under another name) means that it was given up for that;
        # the same message again means that its worker lost it.
        again = following.retries > run.retries or (run.name and following.name and run.name != following.name)
        state = State.RETRYING if again else State.LOST
    return Attempt(
        number=number,
        state=state,
        worker=run.worker,
        queued_at=run.queued_at,
        received_at=run.received_at,
        started_at=run.started_at,
        finished_at=run.ended_at,
        wait_seconds=waited(run),
        runtime_seconds=took(run),
        exception_type=run.exception_type,
        exception=run.exception,
    )


def history_of(folding: Folding) -> tuple[Attempt, ...]:
    """All deliveries before the last, the latest `HISTORY` of them."""
    runs = folding.runs
    if len(runs) < 2:
        return folding.past
    ended = [attempt_of(runs[i], runs[i + 1], folding.first_number + i) for i in range(len(runs) - 1)]
    return (folding.past + tuple(ended))[-HISTORY:]

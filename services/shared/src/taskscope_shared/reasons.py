"""Why a field of a task is null: what cannot be known is said to be so, never guessed."""

from typing import Final

from taskscope_shared.model import FINISHED, Attempt, Engine, State, Task

AGENT: Final = "needs the optional agent in the workers"
NOT_SENT: Final = "Celery tells when a task was sent only with task_send_sent_event on in the producers"
SENT_AGAIN: Final = (
    "Celery does not tell when a retry or a redelivered message was put into its queue, unless task_send_sent_event is on"
)
NO_QUEUE: Final = (
    "Celery's events name the queue only with task_send_sent_event; no worker and no queue was seen to hold the task"
)
NO_RESULT: Final = "no result was stored or reported: the task returns none, ignores it, or its result backend is not readable"
NO_RQ_RESULT: Final = "RQ keeps no result of this job, or it expired before it was read"
NO_OUTCOME: Final = "the task is in no queue and with no worker, and nobody said how it ended"
NO_TRACE: Final = "trace ids are in message headers alone, and the message was not seen in its queue, or carries none"
NO_GROUP: Final = "Celery's events do not carry the group; it is in a stored result or in the message in its queue"
LOST: Final = "its worker died without saying how far it was"
VANISHED: Final = "a job with result_ttl=0 is deleted when it succeeds: its end is when it was seen to be gone"
NOT_STARTED_EVENT: Final = "no event or inspect reply told when it started"
NOT_RECEIVED_EVENT: Final = "no event told when a worker received it"
NO_END: Final = "nobody told when it ended"
NO_WORKER: Final = "no event, inspect reply or result told which worker had it"
NO_ARGUMENTS: Final = "no event, inspect reply, message or result with its arguments was seen"
NO_RQ_ARGUMENTS: Final = "its arguments are not stored in a form that can be read without running anything"
NO_RELATIVES: Final = "no event, message or result that names its root and parent was seen"
NO_PRIORITY: Final = "is not in Celery's events, only in messages and inspect replies"
NO_CAUSE: Final = "nobody stored or reported why it failed"
NO_TRACEBACK: Final = "no traceback was stored or reported"
NOT_QUEUED: Final = "RQ did not record when the job was put into its queue"
CLOCKS: Final = "the clocks of its producer and its worker differ by more than it waited"
NO_REASON: Final = "nobody told why it was tried again"
_WAITING: Final = frozenset({State.SCHEDULED, State.DEFERRED, State.QUEUED, State.RESERVED, State.RETRYING})


def unknown_fields(task: Task) -> dict[str, str]:
    """Field -> reason, for each field of `task` that is null and cannot be known. What is null because it has not
    happened yet (the start of a queued task) or does not apply (the exception of a successful one) is not in it.
    """
    reasons: dict[str, str] = {}
    if task.cpu_seconds is None:
        reasons["cpu_seconds"] = AGENT
    if task.peak_rss_bytes is None:
        reasons["peak_rss_bytes"] = AGENT
    if task.trace_id is None:
        reasons["trace_id"] = NO_TRACE
    if task.engine is Engine.CELERY:
        _celery(task, reasons)
    else:
        _rq(task, reasons)
    if task.worker is None and _was_with_a_worker(task):
        reasons["worker"] = NO_WORKER
    _texts(task, reasons)
    _times(task, reasons)
    return reasons


def _was_with_a_worker(task: Task) -> bool:
    """A task that was revoked before its start never was; one that waits is not yet, or not any more."""
    return task.started_at is not None or (task.state not in _WAITING and task.state is not State.REVOKED)


def _texts(task: Task, reasons: dict[str, str]) -> None:
    missing = NO_ARGUMENTS if task.engine is Engine.CELERY else NO_RQ_ARGUMENTS
    if task.args is None:
        reasons["args"] = missing
    if task.kwargs is None:
        reasons["kwargs"] = missing
    if task.state is not State.FAILED:
        return
    if task.exception_type is None and task.exception is None:
        reasons["exception_type"] = reasons["exception"] = NO_CAUSE
    if task.traceback is None:
        reasons["traceback"] = NO_TRACEBACK


def _celery(task: Task, reasons: dict[str, str]) -> None:
    if task.sent_at is None:
        reasons["sent_at"] = SENT_AGAIN if task.attempts > 1 else NOT_SENT
    if task.wait_seconds is None and task.started_at is not None:
        reasons["wait_seconds"] = SENT_AGAIN if task.attempts > 1 else NOT_SENT
    if task.queue is None:
        reasons["queue"] = NO_QUEUE
    if task.group_id is None:
        reasons["group_id"] = NO_GROUP
    if task.name is None:
        reasons["name"] = (
            "no event that names the task was seen (a worker that does not know a task reports it without its name)"
        )
    if task.result is None and task.state is State.SUCCEEDED:
        reasons["result"] = NO_RESULT
    if task.received_at is None and _was_with_a_worker(task):
        reasons["received_at"] = NOT_RECEIVED_EVENT
    if task.priority is None:
        reasons["priority"] = NO_PRIORITY
    if task.root_id is None:
        reasons["root_id"] = reasons["parent_id"] = NO_RELATIVES


def _rq(task: Task, reasons: dict[str, str]) -> None:
    if task.wait_seconds is None and task.started_at is not None:
        reasons["wait_seconds"] = NOT_QUEUED
    if task.result is None and task.state is State.SUCCEEDED:
        reasons["result"] = VANISHED if task.detail == "result_ttl_0" else NO_RQ_RESULT


def _times(task: Task, reasons: dict[str, str]) -> None:
    if task.detail == "no_outcome":
        reasons["result"] = reasons["runtime_seconds"] = NO_OUTCOME
    if task.started_at is None and task.state not in _WAITING and task.state is not State.REVOKED:
        reasons["started_at"] = NOT_STARTED_EVENT
        if task.wait_seconds is None:
            reasons["wait_seconds"] = NOT_STARTED_EVENT
        if task.runtime_seconds is None:
            reasons.setdefault("runtime_seconds", NOT_STARTED_EVENT)
    if task.finished_at is None and task.state in FINISHED:
        reasons["finished_at"] = NO_END
    if task.runtime_seconds is None and task.state in FINISHED and task.started_at is not None:
        reasons["runtime_seconds"] = _no_runtime(task)


def _no_runtime(task: Task) -> str:
    if task.state is State.LOST:
        return LOST
    if task.detail == "result_ttl_0":
        return VANISHED
    return NO_OUTCOME if task.detail == "no_outcome" else NOT_STARTED_EVENT


def unknown_attempt_fields(attempt: Attempt, engine: Engine) -> dict[str, str]:
    """Field -> reason, for each field of an attempt that is null and cannot be known. An attempt that goes on is not ended."""
    reasons: dict[str, str] = {}
    ended = attempt.state in FINISHED or attempt.state is State.RETRYING
    celery = engine is Engine.CELERY
    if attempt.worker is None:
        reasons["worker"] = NO_WORKER
    if attempt.queued_at is None:
        sent = SENT_AGAIN if attempt.number > 1 else NOT_SENT
        reasons["queued_at"] = sent if celery else NOT_QUEUED
    if attempt.received_at is None and celery:
        reasons["received_at"] = NOT_RECEIVED_EVENT
    if attempt.started_at is None and (ended or attempt.state is State.RUNNING) and attempt.state is not State.REVOKED:
        reasons["started_at"] = NOT_STARTED_EVENT
    if attempt.wait_seconds is None and (attempt.started_at is not None or "started_at" in reasons):
        reasons["wait_seconds"] = reasons.get("started_at") or reasons.get("queued_at") or CLOCKS
    if ended:
        _ended(attempt, reasons)
    return reasons


def _ended(attempt: Attempt, reasons: dict[str, str]) -> None:
    if attempt.finished_at is None:
        reasons["finished_at"] = NO_END
    if attempt.runtime_seconds is None and (attempt.started_at is not None or "started_at" in reasons):
        reasons["runtime_seconds"] = LOST if attempt.state is State.LOST else reasons.get("started_at", NO_END)
    if attempt.exception_type is None and attempt.exception is None:
        if attempt.state is State.FAILED:
            reasons["exception_type"] = reasons["exception"] = NO_CAUSE
        elif attempt.state is State.RETRYING:
            reasons["exception_type"] = reasons["exception"] = NO_REASON

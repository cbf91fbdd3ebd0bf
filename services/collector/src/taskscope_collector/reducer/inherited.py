"""What another collector wrote of a task and this one did not see: it began later, or heard nothing for a while.

Who takes over looks up what is stored before it writes. Where that says more it is a fact, too, and the fold decides.
"""

from collections.abc import Iterator

from taskscope_shared.model import FINISHED, State, Task

from taskscope_collector.observations import TaskEvent, TaskResult
from taskscope_collector.reducer.record import Draft, Fact, Record, Stage, draft_of

ENDS = frozenset({"task-succeeded", "task-failed", "task-revoked", "task-rejected"})
RESULTS = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED"})
SEEN = ("queue", "worker", "sent_at", "received_at", "started_at")


def inherit(record: Record, task: Task) -> bool:
    """Give a Celery task's record what is stored as `task`; whether it has to be folded again."""
    if task.state in FINISHED and (not _has_end(record) or _says_more(task, record.draft)):
        record.base, record.facts, record.stage = draft_of(task), record.facts or [], Stage.OTHER
        return True
    if record.facts is None or not _says_more(task, record.draft):
        return False
    if record.base is None:
        record.base = Draft(task.id, task.source, task.engine, State.QUEUED, name=task.name, queue=task.queue)
    record.facts[:0] = _missed(record.draft, task)
    record.stage = Stage.OTHER
    return True


def _says_more(task: Task, draft: Draft) -> bool:
    if task.attempts > draft.attempts:
        return True
    return any(getattr(draft, name) is None and getattr(task, name) is not None for name in SEEN)


def _has_end(record: Record) -> bool:
    """Whether its end was seen here, not concluded from absence."""
    if record.facts is None:
        return record.draft.state in FINISHED
    return (record.base is not None and record.base.state in FINISHED) or any(map(_is_end, record.facts))


def _is_end(fact: Fact) -> bool:
    return (isinstance(fact, TaskEvent) and fact.type in ENDS) or (isinstance(fact, TaskResult) and fact.status in RESULTS)


def _missed(draft: Draft, task: Task) -> Iterator[TaskEvent]:
    """Events of its first try that were not seen here."""
    if task.attempts > 1 or task.history:
        return
    if draft.sent_at is None and task.sent_at is not None:
        yield _told("task-sent", task.sent_at, "", task)
    if task.worker is None or draft.worker not in (None, task.worker):
        return
    if draft.received_at is None and task.received_at is not None:
        yield _told("task-received", task.received_at, task.worker, task)
    if draft.started_at is None and task.started_at is not None:
        yield _told("task-started", task.started_at, task.worker, task)


def _told(kind: str, at: float, worker: str, task: Task) -> TaskEvent:
    return TaskEvent(kind, task.id, at, worker, name=task.name, args=task.args, kwargs=task.kwargs, retries=0, queue=task.queue)

"""What a task contributes to the rollups: its ended attempts, a pure function of what is stored of it."""

from collections.abc import Iterable

from taskscope_shared.cells import OUTCOME_OF
from taskscope_shared.model import FINISHED, Attempt, Task

Contribution = tuple[int, float, int, float | None, float | None, str | None, str, str | None, str | None, str | None]
"""(attempt, ended at, index of outcome, runtime, wait, name, kind, queue, worker, exception type)"""
Contributions = tuple[Contribution, ...]


def contributions(task: Task) -> Contributions:
    """What `task` contributes: its ended attempts, one each. A pure function of what is stored of it."""
    history = task.history
    if task.state not in FINISHED:
        return tuple(_of_attempts(task)) if history else ()
    number = max(task.attempts, history[-1].number + 1 if history else 1)
    own: Contribution = (
        number,
        task.updated_at if task.finished_at is None else task.finished_at,
        OUTCOME_OF[task.state],
        task.runtime_seconds,
        task.wait_seconds,
        task.name,
        task.kind,
        task.queue,
        task.worker,
        task.exception_type,
    )
    return (*_of_attempts(task), own) if history else (own,)


def _of_attempts(task: Task) -> Iterable[Contribution]:
    followed: list[Attempt | Task] = [*task.history[1:], task]
    for attempt, following in zip(task.history, followed, strict=True):
        outcome = OUTCOME_OF.get(attempt.state)
        if outcome is None:
            continue
        yield (
            attempt.number,
            _end_before(attempt, following) if attempt.finished_at is None else attempt.finished_at,
            outcome,
            attempt.runtime_seconds,
            attempt.wait_seconds,
            task.name,
            task.kind,
            task.queue,
            attempt.worker or task.worker,
            attempt.exception_type,
        )


def _end_before(attempt: Attempt, following: Attempt | Task) -> float:
    """When an attempt whose end nobody saw ended at the latest: the next began, or waits since, or this one was last seen."""
    waits = following.queued_at if isinstance(following, Attempt) else following.sent_at
    since = max(attempt.started_at or 0.0, attempt.received_at or 0.0, attempt.queued_at or 0.0)
    known = [
        moment for moment in (following.received_at, following.started_at, waits) if moment is not None and moment >= since
    ]
    if known:
        return known[0]
    return since or (following.finished_at if isinstance(following, Attempt) else following.updated_at) or 0.0

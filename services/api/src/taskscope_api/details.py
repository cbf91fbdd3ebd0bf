"""`/api/tasks/{id}`: one task with everything that is kept of it."""

from typing import Annotated
from urllib.parse import quote

import msgspec
from taskscope_shared.model import Attempt, State, Task
from taskscope_shared.reasons import unknown_attempt_fields
from taskscope_shared.settings_problems import TRACE_ID

from taskscope_api.asking import PlaceRow
from taskscope_api.described import Count, Seconds, Stale, Time, says
from taskscope_api.relatives import Relatives
from taskscope_api.wire import TaskRow, row_fields, with_times

NOT_SET = "api.trace_url does not say where traces are shown"
NO_TRACE = "it is not known which trace the task belongs to"


class AttemptRow(msgspec.Struct):
    """One delivery of a task to a worker. `unknown` says why a field is null."""

    number: Annotated[int, says("Counts from 1 over the task's whole life", 1)]
    state: Annotated[State, says("How it ended, `retrying` if it was tried again; of the current attempt, the task's state")]
    worker: Annotated[str | None, says("The worker that had it", "celery@encoder-1")]
    queued_at: Annotated[Time | None, says("When it was put into its queue")]
    received_at: Annotated[Time | None, says("When the worker took it; RQ has no such time")]
    started_at: Annotated[Time | None, says("When the worker began it")]
    finished_at: Annotated[Time | None, says("When it ended")]
    wait_seconds: Annotated[Seconds | None, says("From when it could have been started to when it was")]
    runtime_seconds: Annotated[Seconds | None, says("From its start to its end")]
    exception_type: Annotated[str | None, says("Of what made it fail or be tried again", "TimeoutError")]
    exception: Annotated[str | None, says("Its text", "no answer for 30 s")]
    unknown: Annotated[dict[str, str], says("Field: why it is null", {"queued_at": "Celery does not tell it of a retry"})]


class TaskDetail(TaskRow, kw_only=True):
    """TASK with everything that is kept."""

    stale: Stale
    traceback: Annotated[str | None, says("Of the exception", "Traceback (most recent call last): ...")]
    history: Annotated[list[AttemptRow], says("The attempts before the current one, oldest first; of many, the latest 20")]
    history_left_out: Annotated[Count, says("Attempts that came before those in `history`", 0)]
    attempt: Annotated[AttemptRow | None, says("The current or last attempt; null while no worker has the task")]
    place: Annotated[PlaceRow | None, says("Its place in its queue, asked for now; null for a task that does not wait")]
    relatives: Annotated[Relatives, says("Who sent it, whom it sent, and its group, as far as they are known")]
    trace_url: Annotated[
        str | None,
        says(
            "Where its trace is shown, as `api.trace_url` says; null without that or without `trace_id`",
            "https://traces.example.org/trace/4bf92f3577b34da6a3ce929d0e0e4736",
        ),
    ]


def task_detail(
    task: Task, place: PlaceRow | None, relatives: Relatives, *, stale: bool, trace_url: str | None = None
) -> TaskDetail:
    """TASK whole. `trace_url` is the template of links to traces, where there is one."""
    detail = TaskDetail(
        *row_fields(task, None),
        stale=stale,
        traceback=task.traceback,
        history=[_row(attempt, task) for attempt in task.history],
        history_left_out=max(task.history[0].number - 1, 0) if task.history else 0,
        attempt=_current(task),
        place=place,
        relatives=relatives,
        trace_url=_link(trace_url, task.trace_id),
    )
    if detail.trace_url is None:
        detail.unknown["trace_url"] = NOT_SET if trace_url is None else NO_TRACE
    return detail


def _link(template: str | None, trace_id: str | None) -> str | None:
    return None if template is None or trace_id is None else template.replace(TRACE_ID, quote(trace_id, safe=""))


def _row(attempt: Attempt, task: Task) -> AttemptRow:
    return AttemptRow(**with_times(attempt), unknown=unknown_attempt_fields(attempt, task.engine))


def _current(task: Task) -> AttemptRow | None:
    """The attempt that the task's own fields tell of: history holds those that another one followed."""
    last = task.history[-1].number if task.history else 0
    if task.worker is None and task.started_at is None and task.received_at is None and task.attempts <= last:
        return None
    attempt = Attempt(
        number=max(task.attempts, last + 1),
        state=task.state,
        worker=task.worker,
        queued_at=task.sent_at,
        received_at=task.received_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        wait_seconds=task.wait_seconds,
        runtime_seconds=task.runtime_seconds,
        exception_type=task.exception_type,
        exception=task.exception,
    )
    return _row(attempt, task)

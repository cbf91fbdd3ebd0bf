"""What leaves the api: structs of the model with keys, groups and RFC 3339 times. docs/architecture.md has the contract."""

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from taskscope_shared.clock import rfc3339
from taskscope_shared.model import (
    GROUP_OF,
    Attempt,
    Engine,
    Group,
    Progress,
    Queue,
    Source,
    SourceStatus,
    State,
    Task,
    Worker,
    WorkerState,
)
from taskscope_shared.reasons import unknown_fields

from taskscope_api.live_view import GroupCounts

PREVIEW = 200
"""Characters of args, kwargs and result in lists and frames; `/api/tasks/{id}` has all that is kept."""


@lru_cache(maxsize=8192)
def _to_the_second(second: int) -> str:
    return rfc3339(second)[:-4]


def time_text(seconds: float | None) -> str | None:
    """RFC 3339 in UTC with milliseconds. The second is cached: most times of a page share theirs."""
    if seconds is None:
        return None
    milliseconds = round(seconds * 1000)
    return f"{_to_the_second(milliseconds // 1000)}{milliseconds % 1000:03d}Z"


class ProgressRow(msgspec.Struct):
    """How far a running task says it is."""

    current: float | None
    total: float | None
    percent: float | None
    message: str | None
    at: str | None


class TaskRow(msgspec.Struct):
    """TASK as in lists and frames. `unknown` says why a field is null that cannot be known."""

    key: str
    id: str
    source: str
    engine: str
    state: str
    group: str
    version: str
    name: str | None
    kind: str
    queue: str | None
    worker: str | None
    sent_at: str | None
    received_at: str | None
    started_at: str | None
    finished_at: str | None
    eta_at: str | None
    expires_at: str | None
    updated_at: str | None
    wait_seconds: float | None
    runtime_seconds: float | None
    retries: int
    attempts: int
    args: str | None
    kwargs: str | None
    result: str | None
    exception_type: str | None
    exception: str | None
    progress: ProgressRow | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    detail: str | None
    uncertain: str | None
    children: tuple[str, ...]
    priority: int | None
    cpu_seconds: float | None
    peak_rss_bytes: int | None
    trace_id: str | None
    unknown: dict[str, str]


class AttemptRow(msgspec.Struct):
    """One ended delivery of a task to a worker."""

    number: int
    state: str
    worker: str | None
    queued_at: str | None
    received_at: str | None
    started_at: str | None
    finished_at: str | None
    wait_seconds: float | None
    runtime_seconds: float | None
    exception_type: str | None
    exception: str | None


class TaskDetail(TaskRow, kw_only=True):
    """TASK with everything that is kept."""

    traceback: str | None
    history: list[AttemptRow]


class WorkerRow(msgspec.Struct):
    """WORKER."""

    key: str
    name: str
    source: str
    engine: str
    state: str
    hostname: str | None
    pid: int | None
    pool: str | None
    concurrency: int | None
    active: int | None
    reserved: int | None
    prefetch: int | None
    processed: int | None
    failed: int | None
    queues: tuple[str, ...] | None
    load: tuple[float, float, float] | None
    heartbeat_at: str | None
    started_at: str | None
    version: str | None
    events: bool | None
    events_enabled_by_us: bool
    clock_skew_seconds: float | None
    current: tuple[str, ...]
    detail: str | None


class QueueRow(msgspec.Struct):
    """QUEUE."""

    key: str
    name: str
    source: str
    engine: str
    depth: int | None
    unacked: int | None
    scheduled: int | None
    deferred: int | None
    running: int | None
    failed: int | None
    consumers: int | None
    oldest_at: str | None
    at: str | None
    detail: str | None


class SourceRow(msgspec.Struct):
    """SOURCE. `stale` is why the api may be behind the collector (null: it is not)."""

    key: str
    name: str
    engine: str
    status: str
    reason: str | None
    notes: tuple[str, ...]
    since: str | None
    holder: str | None
    transport: str | None
    events: bool | None
    result_backend: bool | None
    received: int
    malformed: int
    dropped: int
    late: int
    events_per_second: float
    lag_seconds: float | None
    retained: int
    evicted: int
    uncounted_queued: int
    at: str | None
    kinds: tuple[str, ...]
    stale: str | None


class KindRow(GroupCounts):
    """A kind with the counts of its tasks."""

    name: str = ""


class TaskList(msgspec.Struct):
    """A page of tasks."""

    items: list[TaskRow]
    next_cursor: str | None
    total: int


class WorkerList(msgspec.Struct):
    """A page of workers."""

    items: list[WorkerRow]
    next_cursor: str | None
    total: int


class QueueList(msgspec.Struct):
    """A page of queues."""

    items: list[QueueRow]
    next_cursor: str | None
    total: int


class SourceList(msgspec.Struct):
    """All sources."""

    items: list[SourceRow]
    next_cursor: str | None
    total: int


class KindList(msgspec.Struct):
    """All kinds, in the order of the configuration."""

    items: list[KindRow]
    next_cursor: str | None
    total: int


def task_row(task: Task) -> TaskRow:
    """TASK as in lists and frames."""
    return TaskRow(*_shared(task, PREVIEW))


def task_detail(task: Task) -> TaskDetail:
    """TASK whole."""
    history = [_attempt(attempt) for attempt in task.history]
    return TaskDetail(*_shared(task, None), traceback=task.traceback, history=history)


def _shared(task: Task, cut: int | None) -> tuple[Any, ...]:
    """The fields of `TaskRow` in their order. Positional: 7 µs a row where keywords take 11."""
    return (
        f"{task.source}/{task.id}",
        task.id,
        task.source,
        task.engine,
        task.state,
        GROUP_OF[task.state],
        f"{task.epoch}-{task.seq}",
        task.name,
        task.kind,
        task.queue,
        task.worker,
        time_text(task.sent_at),
        time_text(task.received_at),
        time_text(task.started_at),
        time_text(task.finished_at),
        time_text(task.eta_at),
        time_text(task.expires_at),
        time_text(task.updated_at),
        task.wait_seconds,
        task.runtime_seconds,
        task.retries,
        task.attempts,
        _cut(task.args, cut),
        _cut(task.kwargs, cut),
        _cut(task.result, cut),
        task.exception_type,
        task.exception,
        None if task.progress is None else _progress(task.progress),
        task.root_id,
        task.parent_id,
        task.group_id,
        task.detail,
        task.uncertain,
        task.children,
        task.priority,
        task.cpu_seconds,
        task.peak_rss_bytes,
        task.trace_id,
        unknown_fields(task),
    )


def _cut(text: str | None, limit: int | None) -> str | None:
    if text is None or limit is None or len(text) <= limit:
        return text
    return text[: limit - 1] + "…"


def _progress(progress: Progress) -> ProgressRow:
    return ProgressRow(progress.current, progress.total, progress.percent, progress.message, time_text(progress.at))


def _attempt(attempt: Attempt) -> AttemptRow:
    return AttemptRow(**_timed(attempt))


def worker_row(worker: Worker) -> WorkerRow:
    """WORKER."""
    return WorkerRow(key=f"{worker.source}/{worker.name}", **_timed(worker))


def queue_row(queue: Queue) -> QueueRow:
    """QUEUE."""
    return QueueRow(key=f"{queue.source}/{queue.name}", **_timed(queue))


def source_row(source: Source, stale: str | None) -> SourceRow:
    """SOURCE."""
    return SourceRow(key=source.name, stale=stale, **_timed(source))


def _timed(struct: msgspec.Struct) -> dict[str, Any]:
    """The struct's fields, with times (`at`, `since`, `*_at`) as text."""
    fields = msgspec.structs.asdict(struct)
    for name, value in fields.items():
        if value is not None and (name.endswith("_at") or name in ("at", "since")):
            fields[name] = time_text(value)
    return fields

"""What leaves the api: structs of the model with keys, groups and RFC 3339 times. docs/architecture.md has the contract."""

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from taskscope_shared.clock import rfc3339
from taskscope_shared.model import (
    GROUP_OF,
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
from taskscope_shared.reasons_cluster import unknown_queue_fields, unknown_worker_fields

from taskscope_api.described import Count, Flag, Seconds, Stale, Time, Token, says
from taskscope_api.live_view import GroupCounts

PREVIEW = 200
"""Characters of args, kwargs and result in lists and frames; `/api/tasks/{id}` has all that is kept."""


@lru_cache(maxsize=8192)
def _to_the_second(second: int) -> str:
    return rfc3339(second)[:-4]


def time_text(seconds: float | None) -> str | None:
    """As `moment_text`; None for None."""
    return None if seconds is None else moment_text(seconds)


def moment_text(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds. The second is cached: most times of a page share theirs."""
    milliseconds = round(seconds * 1000)
    return f"{_to_the_second(milliseconds // 1000)}{milliseconds % 1000:03d}Z"


class ProgressRow(msgspec.Struct):
    """How far a running task says it is."""

    current: Annotated[float | None, says("What is done, in the task's own unit", 3.0)]
    total: Annotated[float | None, says("What there is to do, in the same unit", 8.0)]
    percent: Annotated[float | None, says("0 to 100, as told or computed", 37.5)]
    message: Annotated[str | None, says("What the task says about it", "encoding")]
    at: Annotated[Time | None, says("When it was told")]


class TaskRow(msgspec.Struct):
    """TASK as in lists and frames. `unknown` says why a field is null that cannot be known."""

    key: Annotated[str, says("`source/id`: unique over all sources", "archivist/6f1d2c")]
    id: Annotated[str, says("The engine's id of the task", "6f1d2c")]
    source: Annotated[str, says("The configured source it was seen in", "archivist")]
    engine: Annotated[Engine, says("What runs it", "celery")]
    state: Annotated[State, says("Where it is", "running")]
    group: Annotated[Group, says("The dashboard's group of the state", "active")]
    version: Annotated[str, says("Grows with each change of the task: `epoch-seq`", "1772357400250-17")]
    name: Annotated[str | None, says("The task's name; RQ: the function's", "archive.encode")]
    kind: Annotated[str, says("The configured kind whose pattern fits the name, or `other`", "vod")]
    queue: Annotated[str | None, says("The queue it was sent to", "vod")]
    worker: Annotated[str | None, says("The worker that has it or had it last", "celery@encoder-1")]
    sent_at: Annotated[Time | None, says("When it was sent; RQ: put into its queue")]
    received_at: Annotated[Time | None, says("When a worker took it from the queue (Celery)")]
    started_at: Annotated[Time | None, says("When it began to run")]
    finished_at: Annotated[Time | None, says("When it ended")]
    eta_at: Annotated[Time | None, says("Before which it must not start")]
    expires_at: Annotated[Time | None, says("After which it is not run any more")]
    updated_at: Annotated[Time | None, says("When something was last learned about it")]
    wait_seconds: Annotated[Seconds | None, says("From when it could have started to its start")]
    runtime_seconds: Annotated[Seconds | None, says("From its start to its end, of the last attempt that ended")]
    retries: Annotated[int, says("How often it was retried", 1)]
    attempts: Annotated[int, says("Deliveries to a worker", 2)]
    args: Annotated[str | None, says("Positional arguments, redacted; cut at 200 characters in lists", "('in.mov',)")]
    kwargs: Annotated[str | None, says("Keyword arguments, redacted; cut like `args`", "{'height': 720}")]
    result: Annotated[str | None, says("What it returned, redacted; cut like `args`", "'out.mp4'")]
    exception_type: Annotated[str | None, says("The class of what it raised", "ValueError")]
    exception: Annotated[str | None, says("What it raised, in words", "no such codec")]
    progress: Annotated[ProgressRow | None, says("How far it says it is; null where it says nothing")]
    root_id: Annotated[str | None, says("The task that began its workflow", "5e0a11")]
    parent_id: Annotated[str | None, says("The task that sent it", "5e0a11")]
    group_id: Annotated[str | None, says("The Celery group it is in", "b77d90")]
    detail: Annotated[str | None, says("Why the state is what it is, where it alone does not say", "expired")]
    uncertain: Annotated[
        str | None, says("Why the state cannot be confirmed any more; null while certain", "its worker is silent")
    ]
    children: Annotated[tuple[str, ...], says("Ids of the tasks that it sent, as far as they are known", ["7a2e3b"])]
    priority: Annotated[int | None, says("The message's priority", 5)]
    cpu_seconds: Annotated[Seconds | None, says("CPU time it took")]
    peak_rss_bytes: Annotated[int | None, says("The most memory it held, in bytes", 73_400_320)]
    trace_id: Annotated[str | None, says("The OpenTelemetry trace it belongs to", "4bf92f3577b34da6a3ce929d0e0e4736")]
    unknown: Annotated[
        dict[str, str], says("Field: why it is null, though it has a value", {"trace_id": "is in message headers"})
    ]


class WorkerRow(msgspec.Struct):
    """WORKER. `unknown` says why a field is null."""

    key: Annotated[str, says("`source/name`", "archivist/celery@encoder-1")]
    name: Annotated[str, says("Celery: the node's name; RQ: the worker's", "celery@encoder-1")]
    source: Annotated[str, says("The configured source it was seen in", "archivist")]
    engine: Annotated[Engine, says("What it is a worker of", "celery")]
    state: Annotated[WorkerState, says("Whether it is there", "online")]
    hostname: Annotated[str | None, says("Where it runs", "encoder-1")]
    pid: Annotated[int | None, says("Its process there", 17)]
    pool: Annotated[str | None, says("How it runs tasks", "prefork")]
    concurrency: Annotated[int | None, says("Tasks it can run at once", 8)]
    active: Annotated[int | None, says("Tasks it runs", 3)]
    reserved: Annotated[int | None, says("Tasks it took and did not start", 4)]
    prefetch: Annotated[int | None, says("Messages it may hold unacknowledged", 32)]
    processed: Annotated[int | None, says("Tasks it ran since it started", 1200)]
    failed: Annotated[int | None, says("Of those, failed ones", 7)]
    queues: Annotated[tuple[str, ...] | None, says("What it takes tasks from", ["vod", "cleanup"])]
    load: Annotated[tuple[float, float, float] | None, says("The machine's load of 1, 5 and 15 minutes", [0.7, 0.5, 0.4])]
    heartbeat_at: Annotated[Time | None, says("Its last sign of life")]
    started_at: Annotated[Time | None, says("When it started")]
    version: Annotated[str | None, says("Of its engine", "5.7.0")]
    events: Annotated[Flag | None, says("Whether it sends events")]
    events_enabled_by_us: Annotated[Flag, says("Whether Taskscope switched them on")]
    clock_skew_seconds: Annotated[Seconds | None, says("How far its clock is ahead of the collector's")]
    current: Annotated[tuple[str, ...], says("Ids of the tasks it runs", ["6f1d2c"])]
    detail: Annotated[str | None, says("Why it is in this state, where that is not plain", "no heartbeat for 30 s")]
    unknown: Annotated[dict[str, str], says("Field: why it is null", {"load": "RQ workers do not tell it"})]


class QueueRow(msgspec.Struct):
    """QUEUE. `unknown` says why a field is null."""

    key: Annotated[str, says("`source/name`", "archivist/vod")]
    name: Annotated[str, says("As the broker calls it", "vod")]
    source: Annotated[str, says("The configured source it was seen in", "archivist")]
    engine: Annotated[Engine, says("Whose tasks it holds", "celery")]
    depth: Annotated[int | None, says("Messages ready to be taken, as the broker counts them", 120)]
    unacked: Annotated[int | None, says("Messages taken and not acknowledged", 8)]
    scheduled: Annotated[int | None, says("Jobs for later (RQ)", 2)]
    deferred: Annotated[int | None, says("Jobs that wait for others (RQ)", 0)]
    running: Annotated[int | None, says("Jobs that run (RQ)", 3)]
    failed: Annotated[int | None, says("Jobs in the failed registry (RQ)", 1)]
    consumers: Annotated[int | None, says("Workers that take from it", 2)]
    oldest_at: Annotated[Time | None, says("Since when its oldest message waits")]
    at: Annotated[Time | None, says("When this was counted")]
    detail: Annotated[str | None, says("Why a count is null", "the broker does not answer")]
    depths: Annotated[
        tuple[int | None, ...],
        says("`depth` as first counted in each of the last minutes, at most 60, oldest first; null: nobody counted", [90, 120]),
    ]
    depths_at: Annotated[Time | None, says("When the last minute of `depths` began; each other one began 60 s before the next")]
    unknown: Annotated[dict[str, str], says("Field: why it is null", {"unacked": "AMQP does not tell"})]


class SourceRow(msgspec.Struct):
    """SOURCE. `stale` is why the api may be behind the collector (null: it is not)."""

    key: Annotated[str, says("Its name", "archivist")]
    name: Annotated[str, says("As configured", "archivist")]
    engine: Annotated[Engine, says("What it watches", "celery")]
    status: Annotated[SourceStatus, says("How it is", "up")]
    reason: Annotated[str | None, says("Why it is not up", "the broker refuses connections")]
    notes: Annotated[tuple[str, ...], says("What is known less well, and why", ["workers send no task-sent events"])]
    since: Annotated[Time | None, says("Since when it has this status")]
    holder: Annotated[str | None, says("The collector that writes it", "collector-0")]
    transport: Annotated[str | None, says("What its broker is", "redis")]
    events: Annotated[Flag | None, says("Whether workers' events are read")]
    result_backend: Annotated[Flag | None, says("Whether a result backend is read")]
    received: Annotated[int, says("Messages since its collector started", 48211)]
    malformed: Annotated[int, says("Of those, unreadable ones", 0)]
    dropped: Annotated[int, says("Of those, dropped because too many waited", 0)]
    late: Annotated[int, says("Of those, too late to change anything", 3)]
    events_per_second: Annotated[float, says("Lately", 41.5)]
    lag_seconds: Annotated[Seconds | None, says("From an event to its reading, lately")]
    retained: Annotated[int, says("Tasks that are remembered", 10442)]
    evicted: Annotated[int, says("Tasks forgotten for a full budget", 0)]
    uncounted_queued: Annotated[int, says("Queued tasks beyond the ceiling, which are only counted", 0)]
    at: Annotated[Time | None, says("When the collector told this")]
    kinds: Annotated[tuple[str, ...], says("Configured kinds in order", ["vod", "transcription", "cleanup"])]
    stale: Annotated[str | None, says("Why the api may be behind the collector; null while it is not", "Redis does not answer")]


class KindRow(GroupCounts):
    """A kind with the counts of its tasks."""

    name: Annotated[str, says("As configured, or `other`", "vod")] = ""


class TaskList(msgspec.Struct):
    """A page of tasks."""

    items: Annotated[list[TaskRow], says("The page")]
    next_cursor: Annotated[Token | None, says("Give it as `cursor` for the page behind this one; null: there is none")]
    total: Annotated[Count, says("All that match the filter")]
    stale: Stale


class WorkerList(msgspec.Struct):
    """A page of workers."""

    items: Annotated[list[WorkerRow], says("The page")]
    next_cursor: Annotated[Token | None, says("Give it as `cursor` for the page behind this one; null: there is none")]
    total: Annotated[Count, says("All that match the filter")]
    stale: Stale


class QueueList(msgspec.Struct):
    """A page of queues."""

    items: Annotated[list[QueueRow], says("The page")]
    next_cursor: Annotated[Token | None, says("Give it as `cursor` for the page behind this one; null: there is none")]
    total: Annotated[Count, says("All that match the filter")]
    stale: Stale


class SourceList(msgspec.Struct):
    """All sources."""

    items: Annotated[list[SourceRow], says("The page")]
    next_cursor: Annotated[Token | None, says("Give it as `cursor` for the page behind this one; null: there is none")]
    total: Annotated[Count, says("All that match the filter")]
    stale: Stale


class KindList(msgspec.Struct):
    """All kinds, in the order of the configuration."""

    items: Annotated[list[KindRow], says("All of them")]
    next_cursor: Annotated[Token | None, says("Null: there is one page")]
    total: Annotated[Count, says("All that match the filter")]
    stale: Stale


def task_row(task: Task) -> TaskRow:
    """TASK as in lists and frames."""
    return TaskRow(*row_fields(task, PREVIEW))


def row_fields(task: Task, cut: int | None) -> tuple[Any, ...]:
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


def worker_row(worker: Worker) -> WorkerRow:
    """WORKER."""
    return WorkerRow(key=f"{worker.source}/{worker.name}", unknown=unknown_worker_fields(worker), **with_times(worker))


def queue_row(queue: Queue) -> QueueRow:
    """QUEUE."""
    return QueueRow(key=f"{queue.source}/{queue.name}", unknown=unknown_queue_fields(queue), **with_times(queue))


def source_row(source: Source, stale: str | None) -> SourceRow:
    """SOURCE."""
    return SourceRow(key=source.name, stale=stale, **with_times(source))


def with_times(struct: msgspec.Struct) -> dict[str, Any]:
    """The struct's fields, with times (`at`, `since`, `*_at`) as text."""
    fields = msgspec.structs.asdict(struct)
    for name, value in fields.items():
        if value is not None and (name.endswith("_at") or name in ("at", "since")):
            fields[name] = time_text(value)
    return fields

"""Rows as the api answers them."""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""With a time zone: UTC."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the api answers.

    Members that this client does not know are left out. Those that an api does not tell (an older one, or one that was asked
    for some `fields` alone) are empty.
    """


class Progress(Row, frozen=True, kw_only=True):
    """How far a running task says it is."""

    current: float | None = None
    total: float | None = None
    percent: float | None = None
    message: str | None = None
    at: Moment | None = None


class Task(Row, frozen=True, kw_only=True):
    """A task as lists and streams show it. `unknown` says why a field is null that cannot be known."""

    key: str = ""
    id: str = ""
    source: str = ""
    engine: str = ""
    state: str = ""
    group: str = ""
    version: str = ""
    name: str | None = None
    kind: str = ""
    queue: str | None = None
    worker: str | None = None
    sent_at: Moment | None = None
    received_at: Moment | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None
    eta_at: Moment | None = None
    expires_at: Moment | None = None
    updated_at: Moment | None = None
    wait_seconds: float | None = None
    runtime_seconds: float | None = None
    retries: int = 0
    attempts: int = 0
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception_type: str | None = None
    exception: str | None = None
    progress: Progress | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    detail: str | None = None
    uncertain: str | None = None
    children: tuple[str, ...] = ()
    priority: int | None = None
    cpu_seconds: float | None = None
    peak_rss_bytes: int | None = None
    trace_id: str | None = None
    unknown: dict[str, str] = {}


class Attempt(Row, frozen=True, kw_only=True):
    """One delivery of a task to a worker. `unknown` says why a field is null."""

    number: int = 0
    state: str = ""
    worker: str | None = None
    queued_at: Moment | None = None
    received_at: Moment | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None
    wait_seconds: float | None = None
    runtime_seconds: float | None = None
    exception_type: str | None = None
    exception: str | None = None
    unknown: dict[str, str] = {}


class Place(Row, frozen=True, kw_only=True):
    """A waiting task's place in its queue, as its broker told just now."""

    position: int | None = None
    ahead_at_least: int | None = None
    depth: int | None = None
    reason: str | None = None


class Relative(Row, frozen=True, kw_only=True):
    """A task in short. Of one that is not retained only the id is known."""

    id: str = ""
    source: str = ""
    retained: bool = False
    name: str | None = None
    state: str | None = None


class Relatives(Row, frozen=True, kw_only=True):
    """The tasks around a task."""

    ancestors: tuple[Relative, ...] = ()
    children: tuple[Relative, ...] = ()
    children_total: int = 0
    group: tuple[Relative, ...] = ()
    group_total: int = 0
    chord_body: Relative | None = None


class TaskDetail(Task, frozen=True, kw_only=True):
    """A task with everything that is kept of it."""

    traceback: str | None = None
    history: tuple[Attempt, ...] = ()
    history_left_out: int = 0
    attempt: Attempt | None = None
    place: Place | None = None
    relatives: Relatives
    stale: bool = False
    trace_url: str | None = None


class Worker(Row, frozen=True, kw_only=True):
    """A worker. `unknown` says why a field is null."""

    key: str = ""
    name: str = ""
    source: str = ""
    engine: str = ""
    state: str = ""
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
    heartbeat_at: Moment | None = None
    started_at: Moment | None = None
    version: str | None = None
    events: bool | None = None
    events_enabled_by_us: bool = False
    clock_skew_seconds: float | None = None
    current: tuple[str, ...] = ()
    detail: str | None = None
    unknown: dict[str, str] = {}


class WorkerDetail(Worker, frozen=True, kw_only=True):
    """A worker with what it says itself when it is asked; `unknown` says why a field is null, or cannot be had now."""

    registered: tuple[str, ...] | None = None
    configuration: dict[str, str | int | float | bool | None] | None = None
    stale: bool = False


class Queue(Row, frozen=True, kw_only=True):
    """A queue. `unknown` says why a field is null."""

    key: str = ""
    name: str = ""
    source: str = ""
    engine: str = ""
    depth: int | None = None
    unacked: int | None = None
    scheduled: int | None = None
    deferred: int | None = None
    running: int | None = None
    failed: int | None = None
    consumers: int | None = None
    oldest_at: Moment | None = None
    at: Moment | None = None
    detail: str | None = None
    depths: tuple[int | None, ...] = ()
    depths_at: Moment | None = None
    unknown: dict[str, str] = {}


class Source(Row, frozen=True, kw_only=True):
    """A source. `stale` is why the api may be behind the collector (null: it is not)."""

    key: str = ""
    name: str = ""
    engine: str = ""
    status: str = ""
    reason: str | None = None
    notes: tuple[str, ...] = ()
    since: Moment | None = None
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
    retained: int = 0
    evicted: int = 0
    uncounted_queued: int = 0
    at: Moment | None = None
    kinds: tuple[str, ...] = ()
    stale: str | None = None


class Counts(Row, frozen=True, kw_only=True):
    """Counts by dashboard group, and how what ended ended."""

    total: int = 0
    active: int = 0
    reserved: int = 0
    queued: int = 0
    finished: int = 0
    succeeded: int = 0
    failed: int = 0
    rejected: int = 0
    lost: int = 0
    success_rate: float | None = None


class Summary(Counts, frozen=True, kw_only=True):
    """Counts of tasks. `broker_queued`: messages that the brokers count, None where none tells."""

    revoked: int = 0
    retrying: int = 0
    scheduled: int = 0
    by_kind: dict[str, Counts] = {}
    broker_queued: int | None = None


class Kind(Counts, frozen=True, kw_only=True):
    """A kind with the counts of its tasks."""

    name: str = ""

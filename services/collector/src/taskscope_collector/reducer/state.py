"""The reduced state of one source: observations go in, what changed comes out."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace
from taskscope_shared.model import Engine, Queue, Source, SourceStatus, Task, Worker, WorkerState

from taskscope_collector.observations import (
    Health,
    InspectReply,
    InspectRound,
    JobAbandoned,
    JobGone,
    JobSeen,
    Observation,
    QueuesSeen,
    Reconnected,
    TaskEvent,
    TaskHeld,
    TaskMissing,
    TaskQueued,
    TaskRedelivered,
    TaskResult,
    WorkerBeat,
    WorkerGone,
    WorkerSeen,
)
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer.kinds import Kinds
from taskscope_collector.reducer.queues import Queues
from taskscope_collector.reducer.record import Lane, Record
from taskscope_collector.reducer.retention import Books, Budgets
from taskscope_collector.reducer.tasks import Tasks
from taskscope_collector.reducer.watch import Watch
from taskscope_collector.reducer.workers import Workers

OPEN_LIMIT = 5_000
GIVEN_UP = "{} tasks were evicted before they could be written: charts do not show them"


class ReducerSettings(msgspec.Struct, frozen=True):
    """What the reducer of one source needs; the budgets are this source's share of the installation's."""

    source: str
    engine: Engine
    kinds: dict[str, tuple[str, ...]]
    finished: int
    failed: int
    queued: int
    seconds: float
    redactor: Redactor


class Changes(msgspec.Struct):
    """What changed since the last drain; `tasks` that were evicted (`Lane.GONE`) only change what they contribute."""

    tasks: list[Record] = []
    removed: list[str] = []
    workers: list[Worker] = []
    removed_workers: list[str] = []
    queues: list[Queue] = []
    removed_queues: list[str] = []
    health_changed: bool = False


class SourceState:
    """Pure of clocks and I/O. One thread; implements `observations.View`."""

    def __init__(self, settings: ReducerSettings) -> None:
        self._source, self._engine = settings.source, settings.engine
        self._kinds = Kinds(settings.kinds)
        self._books = Books(Budgets(settings.finished, settings.failed, settings.queued, settings.seconds))
        self._tasks = Tasks(settings.source, settings.engine, self._books, self._kinds, settings.redactor)
        self._workers = Workers(settings.source, settings.engine)
        self._watch = Watch(self._books, self._tasks, self._workers)
        self._queues = Queues()
        self._health = Health(SourceStatus.STARTING, 0.0)
        self._health_changed = True
        self._since: float | None = None
        self._is_loaded = False
        self.is_active = False
        tasks, workers = self._tasks, self._workers
        self._reply_of_worker = self._of_worker(workers.reply, lambda reply: reply.worker)
        self._apply: dict[type, Callable[[Any], None]] = {
            TaskEvent: lambda event: tasks.events({event.uuid: [event]}),
            TaskResult: tasks.result,
            TaskHeld: tasks.held,
            TaskQueued: tasks.waiting,
            TaskMissing: tasks.inference,
            TaskRedelivered: tasks.inference,
            JobSeen: tasks.waiting,
            JobGone: tasks.inference,
            JobAbandoned: tasks.inference,
            WorkerBeat: self._of_worker(workers.beat, lambda beat: beat.hostname),
            InspectReply: self._reply,
            InspectRound: workers.round,
            WorkerSeen: self._of_worker(workers.said_whole, lambda seen: seen.worker.name),
            WorkerGone: self._of_worker(workers.gone, lambda gone: gone.name),
            QueuesSeen: self._queues.seen,
            Health: self._health_seen,
            Reconnected: lambda gap: workers.reconnected(gap.at),
        }

    # ------------------------------------------------------------------------------------------------------------- in

    def apply(self, observation: Observation) -> None:
        """Take one observation, which belongs to the state from now on."""
        self._apply[type(observation)](observation)

    def apply_batch(self, batch: list[Observation]) -> None:
        """Take them in their order, but the events of one task together: a short one costs half as much then."""
        lives: dict[str, list[TaskEvent]] = {}
        for observation in batch:
            if type(observation) is TaskEvent:
                life = lives.get(observation.uuid)
                if life is None:
                    lives[observation.uuid] = [observation]
                else:
                    life.append(observation)
            else:
                if lives:
                    self._tasks.events(lives)
                    lives = {}
                self._apply[type(observation)](observation)
        self._tasks.events(lives)

    def _reply(self, reply: InspectReply) -> None:
        self._reply_of_worker(reply)
        for tasks in (reply.active, reply.reserved, reply.scheduled):
            for held in tasks or ():
                self._tasks.held(held, reply.pid)

    def _of_worker(self, take: Callable[[Any], None], name_of: Callable[[Any], str]) -> Callable[[Any], None]:
        """Takes an observation of a worker, and corrects its tasks where it comes back to life."""

        def said(observation: Any) -> None:  # noqa: ANN401 - any observation that names a worker
            name = name_of(observation)
            before = self._workers.seen.get(name)
            was = before.worker.state if before else WorkerState.ONLINE
            take(observation)
            seen = self._workers.seen[name]
            if was in (WorkerState.LOST, WorkerState.SILENT) and seen.worker.state is WorkerState.ONLINE:
                self._watch.revive(seen)

        return said

    def _health_seen(self, health: Health) -> None:
        if health.at < self._health.at:
            return
        if health.status is not self._health.status:
            self._since = health.at
            self._workers.reconnected(health.at)
            self._watch.connection(down=health.status is SourceStatus.DOWN)
        self._health_changed = self._health_changed or replace(health, at=0.0) != replace(self._health, at=0.0)
        self._health = health

    def tick(self, now: float) -> None:
        """Once a second: conclude from silence, settle, evict."""
        if self._is_deaf():
            self._workers.reconnected(now)
        self._workers.tick(now)
        if self._engine is Engine.CELERY:
            self._watch.tick(now)
        self._books.settle(now)
        self._books.evict(now)

    def _is_deaf(self) -> bool:
        """Whether silence says nothing, because nobody listens (yet)."""
        status = self._health.status
        return status is SourceStatus.DOWN or (status is SourceStatus.STARTING and self._is_loaded)

    # ------------------------------------------------------------------------------------------------------------ out

    def drain(self, limit: int | None = None) -> Changes:
        """What changed since the last drain, at most `limit` tasks of it."""
        books = self._books
        changes = Changes(removed=books.removed)
        books.removed = []
        dirty = books.dirty
        while dirty and (limit is None or len(changes.tasks) < limit):
            record = dirty.popleft()
            record.dirty = False
            changes.tasks.append(record)
        changes.workers, changes.removed_workers = self._workers.drain()
        changes.queues, changes.removed_queues = self._queues.drain()
        changes.health_changed, self._health_changed = self._health_changed, False
        return changes

    def remark(self, records: Iterable[Record], removed: Iterable[str]) -> None:
        """Put back tasks that were drained but could not be written."""
        for record in records:
            self._books.mark(record)
        self._books.removed += [id_ for id_ in removed if id_ not in self._books.records]
        self._health_changed = True

    def mark_all(self) -> None:
        """Everything is to be written anew; evicted tasks are corrected no more, since what is stored is another's doing."""
        self._books.close_graves()
        for record in self._books.records.values():
            self._books.mark(record)
        self._workers.changed.update(dict.fromkeys(self._workers.seen))
        self._queues.mark(self._queues.known)
        self._health_changed = True

    def load(self, tasks: Iterable[Task], workers: Iterable[Worker], queues: Iterable[Queue]) -> None:
        """What was written before a restart. Nothing of it is marked as changed."""
        for task in sorted(tasks, key=lambda task: task.updated_at):
            self._tasks.load(task)
        self._workers.load(workers)
        self._queues.load(queues)
        if not self._is_loaded:
            self._books.look_back()
        self._is_loaded = True

    def counted_queues(self) -> list[Queue]:
        """The latest count of each queue."""
        return list(self._queues.known.values())

    def inherit_workers(self, workers: Iterable[Worker]) -> None:
        """Workers as another collector wrote them: it may have switched their events on."""
        self._workers.inherit(workers)

    def inherit_queues(self, queues: Iterable[Queue]) -> None:
        """Queues as another collector wrote them: it counted while this one stood by."""
        self._queues.inherit(queues)

    def inherit(self, record: Record, task: Task) -> bool:
        """Give a task's record what another collector wrote of it and this one did not see; whether that was anything."""
        return self._tasks.inherit(record, task)

    def source_health(self, now: float) -> Source:
        """The source's health; the pipeline adds who holds it and its rates."""
        health, books = self._health, self._books
        return Source(
            name=self._source,
            engine=self._engine,
            status=health.status,
            reason=health.reason,
            notes=(*health.notes, GIVEN_UP.format(books.given_up)) if books.given_up else health.notes,
            since=self._since,
            transport=health.transport,
            events=health.events,
            result_backend=health.result_backend,
            late=books.late,
            retained=len(books.records),
            evicted=books.evicted,
            uncounted_queued=books.uncounted,
            at=now,
            kinds=self._kinds.names,
        )

    # ----------------------------------------------------------------------------------------------------------- View

    def open_tasks(self) -> list[str]:
        """Ids reserved or running, at most a few thousand, oldest first."""
        return self._books.open_ids(OPEN_LIMIT)

    def open_tasks_of(self, worker: str) -> list[str]:
        """Ids reserved by or running on `worker`."""
        held = self._books.held.get(worker, {})
        return [id_ for id_, record in held.items() if record.lane is Lane.OPEN]

    def queue_names(self) -> list[str]:
        """Queues that tasks, workers or the broker named."""
        names = {name: None for seen in self._workers.seen.values() for name in seen.worker.queues or ()}
        return list(names | dict.fromkeys(self._tasks.queue_names.all()) | dict.fromkeys(self._queues.known))

    def queued_tasks(self, limit: int) -> list[str]:
        """Ids waiting (queued, scheduled, deferred, retrying), oldest first."""
        return [id_ for id_, _ in zip(self._books.waiting, range(limit), strict=False)]

    def clock_skew(self, worker: str) -> float:
        """Seconds by which `worker`'s clock is ahead, as its source corrected it."""
        seen = self._workers.seen.get(worker)
        return (seen.worker.clock_skew_seconds or 0.0) if seen else 0.0

    def active(self) -> bool:
        """Whether this collector holds the source's lease, as the pipeline said (`is_active`)."""
        return self.is_active

    # ------------------------------------------------------------------------------------------------------- counters

    @property
    def retained(self) -> int:
        """Tasks remembered."""
        return len(self._books.records)

    @property
    def evicted(self) -> int:
        """Tasks that left for a budget or their age."""
        return self._books.evicted

    @property
    def late(self) -> int:
        """Observations of tasks that had left."""
        return self._books.late

    @property
    def uncounted_queued(self) -> int:
        """Waiting tasks that are not remembered, since the ceiling was reached."""
        return self._books.uncounted

"""The reduced state of one source: observations go in, what changed comes out."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any

import msgspec
from msgspec.structs import replace
from taskscope_shared.model import FINISHED, Engine, Queue, Source, SourceStatus, State, Task, Worker, WorkerState

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
from taskscope_collector.reducer import celery_fold, rq_fold
from taskscope_collector.reducer.conclude import conclude
from taskscope_collector.reducer.fast import FastPath
from taskscope_collector.reducer.intake import Intake, Names
from taskscope_collector.reducer.kinds import Kinds
from taskscope_collector.reducer.order import RANK, add
from taskscope_collector.reducer.record import Draft, Fact, Lane, Record, Stage, WorkerDied, draft_of
from taskscope_collector.reducer.retention import Books, Budgets
from taskscope_collector.reducer.workers import COLD_SECONDS, SILENT_REASON, Seen, Workers

FACTS = 64
"""Facts kept of a task that does not end; beyond that it is folded into its base."""
EARLY = 10_000
"""Conclusions about tasks not seen yet that are kept until they are."""
OPEN_LIMIT = 5_000
DOWN_REASON = "the source is down"
QUEUE_REFRESH_SECONDS = 10.0
"""A queue whose figures do not change is written all the same once in so long, to show that they are fresh."""


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
    """What changed since the last drain."""

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
        self._workers = Workers(settings.source, settings.engine)
        self._queue_names = Names()
        self._intake = Intake(settings.redactor, Names())
        self._fast = FastPath(self._books, self._kinds, self._intake, self._queue_names)
        self._fold = celery_fold.fold if settings.engine is Engine.CELERY else rq_fold.fold
        self._queues: dict[str, Queue] = {}
        self._queues_at = 0.0
        self._changed_queues: dict[str, None] = {}
        self._removed_queues: list[str] = []
        self._health = Health(SourceStatus.STARTING, 0.0)
        self._health_changed = True
        self._since: float | None = None
        self._early: dict[str, list[Fact]] = {}
        self._is_loaded = False
        self.is_active = False
        self._worker_replies = self._workers_say(self._workers.reply)
        self._apply: dict[type, Callable[[Any], None]] = {
            TaskEvent: self._event,
            TaskResult: self._result,
            TaskHeld: self._held,
            TaskQueued: self._fact,
            TaskMissing: self._inference,
            TaskRedelivered: self._inference,
            JobSeen: self._fact,
            JobGone: self._inference,
            JobAbandoned: self._inference,
            WorkerBeat: self._workers_say(self._workers.beat),
            InspectReply: self._reply,
            InspectRound: self._workers.round,
            WorkerSeen: self._workers_say(self._workers.said_whole),
            WorkerGone: self._workers_say(self._workers.gone),
            QueuesSeen: self._queues_seen,
            Health: self._health_seen,
            Reconnected: lambda gap: self._workers.reconnected(gap.at),
        }

    # ------------------------------------------------------------------------------------------------------------- in

    def apply(self, observation: Observation) -> None:
        """Take one observation, which belongs to the state from now on."""
        self._apply[type(observation)](observation)

    def apply_batch(self, batch: list[Observation]) -> None:
        """Take them in their order."""
        event_of_task = self._event
        handlers = self._apply
        for observation in batch:
            if type(observation) is TaskEvent:
                event_of_task(observation)
            else:
                handlers[type(observation)](observation)

    def _event(self, event: TaskEvent) -> None:
        record = self._books.records.get(event.uuid)
        usual = self._fast.handlers.get(event.type)
        if usual is None and event.type not in RANK:
            return
        if record is None:
            if event.type == "task-sent" and not self._books.has_room_to_wait():
                return
            record = self._new(event.uuid)
            if record is None:
                return
            usual = None if record.facts else usual  # something was concluded about it before it was seen
        if usual is not None:
            event.type = usual[0]
            if record.facts is not None and usual[1](event, record):
                return
        self._intake.message(event, record)
        self._intake.outcome(event)
        self._add(record, event)

    def _result(self, result: TaskResult) -> None:
        record = self._record(result.id)
        if record is not None and not self._fast.result(result, record):
            self._add(record, result)

    def _held(self, held: TaskHeld) -> None:
        self._hold(held, None)

    def _hold(self, held: TaskHeld, pid: int | None) -> None:
        held.pid = pid  # of the worker's main process, as in events; a reply names the pool's process
        record = self._record(held.id)
        if record is None:
            return
        if _confirms(held, record) and record.facts is not None:
            add(record.facts, held)  # evidence against what may be concluded later; nothing changes
        else:
            self._add(record, held)

    def _fact(self, fact: TaskQueued | JobSeen) -> None:
        if fact.id not in self._books.records and not _may_wait(fact, self._books):
            return
        record = self._record(fact.id)
        if record is not None:
            self._add(record, fact)

    def _inference(self, fact: TaskMissing | TaskRedelivered | JobGone | JobAbandoned) -> None:
        record = self._books.records.get(fact.id)
        if record is not None:
            self._add(record, fact)
        elif len(self._early) < EARLY:
            add(self._early.setdefault(fact.id, []), fact)

    def _reply(self, reply: InspectReply) -> None:
        self._worker_replies(reply)
        for tasks in (reply.active, reply.reserved, reply.scheduled):
            for held in tasks or ():
                self._hold(held, reply.pid)

    def _workers_say(self, take: Callable[[Any], None]) -> Callable[[Any], None]:
        """Takes an observation of a worker, and corrects its tasks where it comes back to life."""

        def said(observation: Any) -> None:  # noqa: ANN401 - any observation that names a worker
            name = _worker_name(observation)
            before = self._workers.seen.get(name)
            was = before.worker.state if before else WorkerState.ONLINE
            take(observation)
            seen = self._workers.seen[name]
            if was in (WorkerState.LOST, WorkerState.SILENT) and seen.worker.state is WorkerState.ONLINE:
                self._revive(seen)

        return said

    def _queues_seen(self, seen: QueuesSeen) -> None:
        if seen.at < self._queues_at:
            return
        self._queues_at = seen.at
        names = {queue.name for queue in seen.queues}
        for name in [name for name in self._queues if name not in names]:
            del self._queues[name]
            self._removed_queues.append(name)
        for queue in seen.queues:
            known = self._queues.get(queue.name)
            fresh = known is not None and queue.at - known.at < QUEUE_REFRESH_SECONDS
            if known is None or not fresh or replace(queue, at=known.at) != known:
                self._queues[queue.name] = queue
                self._changed_queues[queue.name] = None

    def _health_seen(self, health: Health) -> None:
        if health.at < self._health.at:
            return
        if health.status is not self._health.status:
            self._since = health.at
            self._workers.reconnected(health.at)
            self._doubt_all(DOWN_REASON if health.status is SourceStatus.DOWN else None)
        self._health_changed = self._health_changed or replace(health, at=0.0) != replace(self._health, at=0.0)
        self._health = health

    # ---------------------------------------------------------------------------------------------------------- tasks

    def _record(self, id_: str) -> Record | None:
        return self._books.records.get(id_) or self._new(id_)

    def _new(self, id_: str) -> Record | None:
        if self._books.is_evicted(id_):
            return None
        record = self._books.add(Draft(id_, self._source, self._engine, State.QUEUED))
        if self._early and id_ in self._early and record.facts is not None:
            record.facts.extend(self._early.pop(id_))
            record.stage = Stage.OTHER
            record.lane = Lane.NEW
        return record

    def _add(self, record: Record, fact: Fact) -> None:
        record.stage = Stage.OTHER
        facts = record.remember()
        if add(facts, fact):
            if self._engine is Engine.RQ:
                record.facts = rq_fold.thin_out(facts)
            self._fold_again(record)

    def _fold_again(self, record: Record) -> None:
        facts = record.facts if record.facts is not None else []
        before = copy(record.draft)
        folding = self._fold(record.base, facts)
        conclude(folding, record.draft, self._kinds)
        last = folding.last
        record.pid = last.pid if last is not None else None
        self._share(record.draft)
        if record.draft != before or record.lane is Lane.NEW:
            self._books.touch(record)
        if record.draft.state in FINISHED:
            self._books.fresh.append(record)
        elif len(facts) > FACTS:
            record.base, record.facts = draft_of(record.draft), []

    def _share(self, draft: Draft) -> None:
        if draft.queue is not None:
            draft.queue = self._queue_names.shared(draft.queue)

    # ----------------------------------------------------------------------------------------------------------- tick

    def tick(self, now: float) -> None:
        """Once a second: conclude from silence, settle, evict."""
        if self._is_deaf():
            self._workers.reconnected(now)
        self._workers.tick(now)
        for seen in list(self._workers.seen.values()):
            if self._engine is Engine.CELERY and seen.worker.name in self._books.held:
                self._look_after(seen, now)
        self._books.settle(now)
        self._books.evict(now)

    def _is_deaf(self) -> bool:
        """Whether silence says nothing, because nobody listens (yet)."""
        status = self._health.status
        return status is SourceStatus.DOWN or (status is SourceStatus.STARTING and self._is_loaded)

    def _look_after(self, seen: Seen, now: float) -> None:
        """The open tasks of one Celery worker."""
        records = list(self._books.held[seen.worker.name].values())
        if seen.worker.state is WorkerState.LOST:
            self._bury(records, seen, now, clean=False)
        elif seen.worker.state is WorkerState.OFFLINE:
            if now > seen.offline_at + COLD_SECONDS:
                self._bury(records, seen, now, clean=True)
        elif seen.worker.state is WorkerState.SILENT:
            self._doubt(records, SILENT_REASON)
        elif now > seen.pid_at + COLD_SECONDS:
            self._bury([record for record in records if _is_of_another(record, seen)], seen, now, clean=False)

    def _bury(self, records: list[Record], seen: Seen, now: float, *, clean: bool) -> None:
        for record in records:
            self._add(record, WorkerDied(record.draft.id, now, seen.worker.name, record.pid, clean))

    def _doubt(self, records: list[Record], reason: str | None) -> None:
        for record in records:
            if record.draft.uncertain != reason:
                record.draft.uncertain = reason
                self._books.mark(record)

    def _doubt_all(self, reason: str | None) -> None:
        """While the source is down, what is open cannot be confirmed."""
        for held in self._books.held.values():
            records = held.values()
            self._doubt([record for record in records if record.draft.uncertain in (None, DOWN_REASON)], reason)

    def _revive(self, seen: Seen) -> None:
        """A worker that was given up is there: what was concluded about its tasks was wrong."""
        name = seen.worker.name
        self._doubt(list(self._books.held.get(name, {}).values()), None)
        for record in [*self._books.ended[Lane.FAILED], *self._books.waiting.values()]:
            if record.draft.worker == name and record.facts and record.pid in (None, seen.worker.pid):
                kept = [fact for fact in record.facts if not (isinstance(fact, WorkerDied) and fact.worker == name)]
                if len(kept) < len(record.facts):
                    record.facts = kept
                    self._fold_again(record)

    # ------------------------------------------------------------------------------------------------------------ out

    def drain(self, limit: int | None = None) -> Changes:
        """What changed since the last drain, at most `limit` tasks of it."""
        books, workers = self._books, self._workers
        changes = Changes(removed=books.removed, removed_workers=workers.removed, removed_queues=self._removed_queues)
        books.removed, workers.removed, self._removed_queues = [], [], []
        dirty = books.dirty
        while dirty and (limit is None or len(changes.tasks) < limit):
            record = dirty.popleft()
            record.dirty = False
            if record.lane is not Lane.GONE:
                changes.tasks.append(record)
        changes.workers = [workers.seen[name].worker for name in workers.changed if name in workers.seen]
        workers.changed = {}
        changes.queues = [self._queues[name] for name in self._changed_queues if name in self._queues]
        self._changed_queues = {}
        changes.health_changed, self._health_changed = self._health_changed, False
        return changes

    def remark(
        self,
        records: Iterable[Record],
        removed: Iterable[str],
        workers: Sequence[Worker] = (),
        queues: Sequence[Queue] = (),
        removed_workers: Iterable[str] = (),
        removed_queues: Iterable[str] = (),
    ) -> None:
        """Put back what was drained but could not be written."""
        for record in records:
            if record.lane is not Lane.GONE:
                self._books.mark(record)
        self._books.removed += [id_ for id_ in removed if id_ not in self._books.records]
        self._workers.changed.update(dict.fromkeys(worker.name for worker in workers))
        self._workers.removed += [name for name in removed_workers if name not in self._workers.seen]
        self._changed_queues.update(dict.fromkeys(queue.name for queue in queues))
        self._removed_queues += [name for name in removed_queues if name not in self._queues]
        self._health_changed = True

    def mark_all(self) -> None:
        """Everything is to be written anew."""
        for record in self._books.records.values():
            self._books.mark(record)
        self._workers.changed.update(dict.fromkeys(self._workers.seen))
        self._changed_queues.update(dict.fromkeys(self._queues))
        self._health_changed = True

    def load(self, tasks: Iterable[Task], workers: Iterable[Worker], queues: Iterable[Queue]) -> None:
        """What was written before a restart. Nothing of it is marked as changed."""
        for task in sorted(tasks, key=lambda task: task.updated_at):
            if task.id not in self._books.records:
                record = self._books.add(draft_of(task))
                record.dirty = True
                self._books.touch(record)
                record.dirty = False
                record.forget()
        self._is_loaded = True
        self._workers.load(workers)
        self._queues.update((queue.name, queue) for queue in queues)

    def source_health(self, now: float) -> Source:
        """The source's health; the pipeline adds who holds it and its rates."""
        health, books = self._health, self._books
        return Source(
            name=self._source,
            engine=self._engine,
            status=health.status,
            reason=health.reason,
            notes=health.notes,
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
        return list(names | dict.fromkeys(self._queue_names.all()) | dict.fromkeys(self._queues))

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


def _worker_name(observation: WorkerBeat | InspectReply | WorkerSeen | WorkerGone) -> str:
    match observation:
        case WorkerBeat():
            return observation.hostname
        case InspectReply():
            return observation.worker
        case WorkerSeen():
            return observation.worker.name
    return observation.name


def _may_wait(fact: TaskQueued | JobSeen, books: Books) -> bool:
    waits = isinstance(fact, TaskQueued) or fact.status in rq_fold.WAITING
    return not waits or books.has_room_to_wait()


def _is_of_another(record: Record, seen: Seen) -> bool:
    return record.pid is not None and seen.worker.pid is not None and record.pid != seen.worker.pid


def _confirms(held: TaskHeld, record: Record) -> bool:
    """Whether the worker says nothing that is not known."""
    draft = record.draft
    if draft.worker != held.worker or (held.queue is not None and draft.queue is None) or draft.name is None:
        return False
    if held.where == "active":
        return draft.state is State.RUNNING and draft.started_at is not None
    return draft.state is State.RESERVED or (
        held.where == "scheduled" and draft.eta_at is not None and draft.state is State.SCHEDULED
    )

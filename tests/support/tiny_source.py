"""A source and a reduced state of a few lines, for tests of what lies between them and the store."""

import asyncio
import itertools
from collections.abc import Iterable

import msgspec
from taskscope_collector.observations import (
    Counts,
    Health,
    Observation,
    QueuesSeen,
    Reconnected,
    Sink,
    TaskEvent,
    View,
    WorkerSeen,
)
from taskscope_collector.reducer.record import Draft, Record, draft_of
from taskscope_shared.model import Engine, Queue, Source, SourceStatus, State, Task, Worker
from taskscope_shared.requests import Place, WorkerFacts

STATES = {
    "task-sent": State.QUEUED,
    "task-received": State.RESERVED,
    "task-started": State.RUNNING,
    "task-succeeded": State.SUCCEEDED,
    "task-failed": State.FAILED,
}


class TinyChanges(msgspec.Struct):
    tasks: list[Record] = []
    removed: list[str] = []
    workers: list[Worker] = []
    removed_workers: list[str] = []
    queues: list[Queue] = []
    removed_queues: list[str] = []
    health_changed: bool = False


class TinyState:
    """`reduced.Reduced`: the last event of a task is its state; the oldest tasks beyond `limit` are evicted."""

    def __init__(self, source: str, limit: int = 1_000_000) -> None:
        self.source = source
        self.limit = limit
        self.records: dict[str, Record] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.gaps: list[Reconnected] = []
        self.health: Health | None = None
        self.poison: str | None = None
        self._dirty: dict[str, Record] = {}
        self._removed: dict[str, None] = {}
        self._workers_dirty = False

    def apply_batch(self, batch: list[Observation]) -> None:
        for observation in batch:
            match observation:
                case TaskEvent():
                    self._event(observation)
                case WorkerSeen(worker=worker):
                    self.workers[worker.name] = worker
                    self._workers_dirty = True
                case QueuesSeen(queues=queues):
                    self.queues = {queue.name: queue for queue in queues}
                    self._workers_dirty = True
                case Health():
                    self.health = observation
                case Reconnected():
                    self.gaps.append(observation)
                case _:
                    raise TypeError(observation)

    def _event(self, event: TaskEvent) -> None:
        if event.uuid == self.poison:
            raise ValueError(event.uuid)
        record = self.records.get(event.uuid)
        if record is None:
            record = self.records[event.uuid] = Record(Draft(event.uuid, self.source, Engine.CELERY, State.QUEUED, name="n"))
        self._removed.pop(event.uuid, None)
        draft = record.draft
        draft.state = STATES[event.type]
        draft.worker, draft.updated_at = event.hostname or None, event.at
        draft.args = event.args if event.args is not None else draft.args
        if draft.state in (State.SUCCEEDED, State.FAILED):
            draft.finished_at, draft.runtime_seconds, draft.attempts = event.at, event.runtime, 1
        self._dirty[event.uuid] = record
        while len(self.records) > self.limit:
            self._evict(next(iter(self.records)))

    def _evict(self, id_: str) -> None:
        del self.records[id_]
        self._dirty.pop(id_, None)
        self._removed[id_] = None

    def tick(self, now: float) -> None:
        pass

    def load(self, tasks: Iterable[Task], workers: Iterable[Worker], queues: Iterable[Queue]) -> None:
        self.records.update((task.id, Record(draft_of(task))) for task in tasks)
        self.workers.update((worker.name, worker) for worker in workers)
        self.queues.update((queue.name, queue) for queue in queues)

    def drain(self, limit: int | None = None) -> TinyChanges:
        ids = list(itertools.islice(self._dirty, limit))
        changes = TinyChanges([self._dirty.pop(id_) for id_ in ids], list(self._removed))
        self._removed.clear()
        if self._workers_dirty:
            changes.workers, changes.queues = list(self.workers.values()), list(self.queues.values())
            self._workers_dirty = False
        return changes

    def inherit_workers(self, workers: Iterable[Worker]) -> None:
        pass

    def inherit_queues(self, queues: Iterable[Queue]) -> None:
        pass

    def inherit(self, record: Record, task: Task) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def remark(self, records: Iterable[Record], removed: Iterable[str]) -> None:
        for record in records:
            if self.records.get(record.draft.id) is record:
                self._dirty[record.draft.id] = record
        self._removed.update((id_, None) for id_ in removed if id_ not in self.records)

    def mark_all(self) -> None:
        self._dirty.update(self.records)
        self._workers_dirty = True

    def counted_queues(self) -> list[Queue]:
        return list(self.queues.values())

    def source_health(self, now: float) -> Source:
        status = self.health.status if self.health else SourceStatus.UP
        return Source(self.source, Engine.CELERY, status, retained=len(self.records), at=now)

    def open_tasks(self) -> list[str]:
        return []

    def open_tasks_of(self, worker: str) -> list[str]:  # noqa: ARG002 - the protocol's
        return []

    def queue_names(self) -> list[str]:
        return list(self.queues)

    def queued_tasks(self, limit: int) -> list[str]:  # noqa: ARG002 - the protocol's
        return []

    def clock_skew(self, worker: str) -> float:  # noqa: ARG002 - the protocol's
        return 0.0

    def active(self) -> bool:
        return False


def event(id_: str, what: str = "task-succeeded", at: float = 1_800_000_000.0, **fields: object) -> TaskEvent:
    return TaskEvent(what, id_, at, "w", runtime=1.0, **fields)  # type: ignore[arg-type]


class TinySource:
    """`observations.SourceRunner`: hands over what it is given with `send`; raises what it is given with `crash`."""

    engine = Engine.CELERY

    def __init__(self) -> None:
        self.counts = Counts()
        self.view: View | None = None
        self.runs = 0
        self._batches: asyncio.Queue[list[Observation] | Exception] = asyncio.Queue()

    def send(self, *observations: Observation) -> None:
        self._batches.put_nowait(list(observations))

    def crash(self, error: Exception) -> None:
        self._batches.put_nowait(error)

    async def run(self, sink: Sink, view: View) -> None:
        self.view = view
        self.runs += 1
        while True:
            batch = await self._batches.get()
            if isinstance(batch, Exception):
                raise batch
            self.counts.received += len(batch)
            sink.put(batch)

    async def check(self) -> list[str]:
        return ["tiny"]

    async def events_off(self) -> int:
        return 0

    async def place(self, task_id: str, queue: str) -> Place:
        return Place(position=len(task_id), depth=len(queue))

    async def worker(self, name: str) -> WorkerFacts:
        return WorkerFacts(registered=[name])

"""From what changed to a flush: each task is encoded once, and what it contributes to the rollups goes with it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar, cast

import msgspec
from taskscope_shared import codec
from taskscope_shared.model import Queue, Source, Task, Worker
from taskscope_shared.store import Flush, Lease, Writer

from taskscope_collector.contributions import Contributions, contributions
from taskscope_collector.reduced import UNKNOWN, Drained, Reduced
from taskscope_collector.reducer.record import Draft, Lane, Record
from taskscope_collector.rollups import Change, Rollups

log = logging.getLogger(__name__)

FLUSH_TASKS = 5_000
FLUSH_BYTES = 4 * 1024 * 1024
"""Encoded tasks in one flush; what is more goes with the next."""
NAMES = 10_000
"""Names of workers and queues that went and wait to be removed."""
_GONE: Final = Lane.GONE
SLICE = 500
"""Tasks encoded before others may run: about 2 ms."""


class Outgoing:
    """What is still to be written beside changed tasks: the latest of each worker and queue, and what went."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.removed_workers: dict[str, None] = {}
        self.removed_queues: dict[str, None] = {}
        self.removed_tasks: list[str] = []

    def add(self, changes: Drained) -> None:
        """Take the workers and queues that changed."""
        _change(self.workers, self.removed_workers, {each.name: each for each in changes.workers}, changes.removed_workers)
        _change(self.queues, self.removed_queues, {each.name: each for each in changes.queues}, changes.removed_queues)

    def move_to(self, flush: Flush) -> bool:
        """Put as much into `flush` as fits; whether something is left."""
        flush.workers, self.workers = list(self.workers.values()), {}
        flush.queues, self.queues = list(self.queues.values()), {}
        flush.removed_workers, self.removed_workers = list(self.removed_workers), {}
        flush.removed_queues, self.removed_queues = list(self.removed_queues), {}
        flush.removed += [id_ for id_ in self.removed_tasks[:FLUSH_TASKS] if id_ not in flush.tasks]
        self.removed_tasks = self.removed_tasks[FLUSH_TASKS:]
        return bool(self.removed_tasks)

    def take_back(self, flush: Flush) -> None:
        """`flush` was not written; what is newer here stays."""
        for worker in flush.workers:
            if worker.name not in self.removed_workers:
                self.workers.setdefault(worker.name, worker)
        for queue in flush.queues:
            if queue.name not in self.removed_queues:
                self.queues.setdefault(queue.name, queue)
        self.removed_workers.update((name, None) for name in flush.removed_workers if name not in self.workers)
        self.removed_queues.update((name, None) for name in flush.removed_queues if name not in self.queues)


Named = TypeVar("Named", Worker, Queue)


def _change(known: dict[str, Named], removed: dict[str, None], changed: dict[str, Named], gone: Sequence[str]) -> None:
    known.update(changed)
    for name in changed:
        removed.pop(name, None)
    for name in gone:
        known.pop(name, None)
        if len(removed) < NAMES:
            removed[name] = None


class Prepared(msgspec.Struct):
    """A flush, and the records it holds with what they will have contributed. `more`: there is more to be written."""

    flush: Flush
    written: list[tuple[Record, Contributions]] = []
    more: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        flush = self.flush
        changed = flush.tasks or flush.removed or flush.workers or flush.removed_workers or flush.queues or flush.removed_queues
        return not (changed or flush.health or flush.cells)


class Outbox:
    """Fills the flushes of one source, one at a time: each is followed by `commit` or `abandon`."""

    def __init__(self, state: Reduced, store: Writer, rollups: Rollups) -> None:
        self._state = state
        self._store = store
        self._rollups = rollups
        self.outgoing = Outgoing()
        self.unencodable = 0
        # Evicted tasks whose contribution changed, or was not counted yet, where what is counted of them is not known.
        self.uncorrected = 0

    async def fill(self, lease: Lease, seq: int, now: float, health: Callable[[bool], Source | None]) -> Prepared:
        """The next flush; `health` is asked, with whether it changed, for the health that goes with it.

        Raises `StoreError` when what the store holds cannot be looked up; nothing is lost then.
        """
        changes = self._state.drain(FLUSH_TASKS)
        self.outgoing.add(changes)
        prepared = Prepared(Flush(seq, now, health=health(changes.health_changed)), more=len(changes.tasks) >= FLUSH_TASKS)
        try:
            left = await self._encode(prepared, changes.tasks, lease)
            await self._add_rollups(prepared, lease, now)
        except BaseException:
            self._rollups.forget()
            self._state.remark(changes.tasks, changes.removed)
            raise
        if left:
            self._state.remark(left, [])
        prepared.flush.removed = [id_ for id_ in changes.removed if id_ not in prepared.flush.tasks]
        prepared.more |= self.outgoing.move_to(prepared.flush) or bool(left)
        return prepared

    def commit(self, prepared: Prepared) -> None:
        """The flush was written."""
        self._rollups.commit()
        for record, contributed in prepared.written:
            record.contributed = contributed

    def abandon(self, prepared: Prepared) -> None:
        """The flush was not written, or who knows: its tasks have to be, and what is stored of them is not known."""
        self._rollups.forget()
        for record, _ in prepared.written:
            record.contributed = UNKNOWN
        self._state.remark([record for record, _ in prepared.written], prepared.flush.removed)
        self.outgoing.take_back(prepared.flush)

    async def _encode(self, prepared: Prepared, records: Sequence[Record], lease: Lease) -> Sequence[Record]:
        """Encode `records` into the flush; those that did not fit are returned."""
        size, tasks, seq, epoch = 0, prepared.flush.tasks, prepared.flush.seq, lease.epoch
        encode, written = codec.encode, prepared.written
        for index, record in enumerate(records):
            draft = record.draft
            if record.lane is _GONE:
                written.append((record, contributions(cast("Task", draft))))
                continue
            draft.epoch = epoch
            draft.seq = seq
            try:
                data = encode(draft)
            except (UnicodeEncodeError, OverflowError, TypeError, ValueError) as error:
                self._refuse(draft.id, error)
                continue
            size += len(data)
            if size > FLUSH_BYTES and tasks:
                return records[index:]
            tasks[draft.id] = data
            written.append((record, contributions(cast("Task", draft))))
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        return []

    def _refuse(self, id_: str, error: Exception) -> None:
        self.unencodable += 1
        if self.unencodable == 1:
            log.warning("a task cannot be written and is left out", extra={"task": id_, "error": repr(error)})

    async def _add_rollups(self, prepared: Prepared, lease: Lease, now: float) -> None:
        stored = await self._stored(prepared, lease.source)
        if stored and lease.complete:
            self._inherit(prepared, stored)
            _leave_out(prepared, stored)
        self._leave_graves(prepared, stored)
        changes = []
        for record, after in prepared.written:
            id_ = record.draft.id
            if record.contributed is UNKNOWN:
                before = contributions(stored[id_]) if id_ in stored else ()
            else:
                before = cast("Contributions", record.contributed)
            if before or after:
                changes.append(Change(id_, before, after))
        staged = await self._rollups.stage(changes, now, partial(self._store.load_cells, lease.source))
        prepared.flush.cells, prepared.flush.meta = staged.cells, staged.meta

    def _inherit(self, prepared: Prepared, stored: dict[str, Task]) -> None:
        """What another wrote of these tasks and was not seen here must not be written over."""
        for index, (record, _) in enumerate(prepared.written):
            task, draft = stored.get(record.draft.id), record.draft
            if task is None or record.lane is _GONE or record.contributed is not UNKNOWN:
                continue
            if self._state.inherit(record, task):
                prepared.flush.tasks[draft.id] = codec.encode(draft)
                prepared.written[index] = (record, contributions(cast("Task", draft)))

    def _leave_graves(self, prepared: Prepared, stored: dict[str, Task]) -> None:
        """Leave out evicted tasks of which nobody knows any more what they contributed: it is not guessed, but counted."""
        kept = [each for each in prepared.written if not _is_lost(each[0], stored)]
        self.uncorrected += len(prepared.written) - len(kept)
        prepared.written = kept

    async def _stored(self, prepared: Prepared, source: str) -> dict[str, Task]:
        """The stored versions of those tasks that somebody else may have written."""
        unknown = [record.draft.id for record, _ in prepared.written if record.contributed is UNKNOWN]
        return await self._store.load_tasks(source, unknown) if unknown else {}


def _leave_out(prepared: Prepared, stored: dict[str, Task]) -> None:
    """Leave out what the store has already: the one that wrote before saw the same."""
    kept = []
    for record, after in prepared.written:
        task = stored.get(record.draft.id)
        if task is not None and _is_same(record.draft, task):
            prepared.flush.tasks.pop(task.id, None)
            record.contributed = contributions(task)
        else:
            kept.append((record, after))
    prepared.written = kept


def _is_lost(record: Record, stored: dict[str, Task]) -> bool:
    return record.lane is _GONE and record.contributed is UNKNOWN and record.draft.id not in stored


def _is_same(draft: Draft, task: Task) -> bool:
    """Whether only the versions differ."""
    draft.epoch, draft.seq = task.epoch, task.seq
    return codec.encode(draft) == codec.encode(task)

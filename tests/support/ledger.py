"""A ledger of attempts beside the rollups: what is written goes through the collector's own `Rollups` into a store."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from taskscope_collector.rollups import Change, Rollups, contributions
from taskscope_shared import codec
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, Queue, Source, SourceStatus, Task, Worker
from taskscope_shared.store import Flush, Store

TTL_SECONDS = 1e6


class Ledger:
    """Writes tasks of one source as a collector does, and remembers the last word on each."""

    def __init__(self, store: Store, clock: ManualClock, source: str = "s") -> None:
        self.store = store
        self.clock = clock
        self.source = source
        self.tasks: dict[str, Task] = {}
        self.rollups = Rollups()
        self._contributed: dict[str, tuple[Any, ...]] = {}
        self._seq = 0

    async def begin(self, watching_since: float = 0.0) -> "Ledger":
        lease = await self.store.acquire(self.source, "test", TTL_SECONDS)
        assert lease is not None
        self.lease = lease
        self.rollups.begin(await self.store.meta(self.source), self.clock.now(), watching_since)
        await self.write()
        return self

    def restart(self, meta: dict[str, str]) -> None:
        """As a collector that begins anew."""
        self.rollups = Rollups()
        self.rollups.begin(meta, self.clock.now())

    async def write(self, *tasks: Task, queues: Sequence[Queue] = (), workers: Sequence[Worker] = ()) -> None:
        """One flush: a task that was written before is corrected."""
        self._seq += 1
        now = self.clock.now()
        changes = [Change(task.id, self._contributed.get(task.id, ()), contributions(task)) for task in tasks]
        staged = await self.rollups.stage(changes, now, partial(self.store.load_cells, self.source))
        health = Source(self.source, Engine.CELERY, SourceStatus.UP, kinds=("vod",), at=now)
        await self.store.flush(
            self.lease,
            Flush(
                self._seq,
                now,
                tasks={task.id: codec.encode(self._own(task)) for task in tasks},
                queues=list(queues),
                workers=list(workers),
                health=health,
                cells=staged.cells,
                meta=staged.meta,
            ),
            TTL_SECONDS,
        )
        self.rollups.commit()
        self._contributed.update((change.id, change.after) for change in changes)
        self.tasks.update((task.id, task) for task in tasks)
        await self.announce()

    async def announce(self) -> None:
        position = self.lease.before(self._seq + 1)
        await self.store.announce(self.lease, position, self.clock.now(), TTL_SECONDS)

    async def advance(self, seconds: float, step: float = 150.0) -> None:
        """Let time go by, with a flush every `step` seconds, so that periods are compacted."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await self.write()

    def attempts(self) -> list[tuple[Task, tuple[Any, ...]]]:
        """Each task with its ended attempts, by the last word on it."""
        return [(task, contributions(task)) for task in self.tasks.values()]

    def _own(self, task: Task) -> Task:
        fields = {name: getattr(task, name) for name in Task.__struct_fields__}
        return Task(**{**fields, "source": self.source, "epoch": self.lease.epoch, "seq": self._seq})

"""What a stream's window holds now."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from taskscope_client.rows import Queue, Source, Summary, Task, Worker
from taskscope_client.updates import Delta, Snapshot, Update


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


Held = TypeVar("Held", bound=_Keyed)


class Replica:
    """Tasks, workers and queues by their keys (`source/id`, `source/name`), in no order, and what was told with them."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.sources: dict[str, Source] = {}
        self.summary = Summary()
        self.total = 0
        self.stale = False
        self.position: str | None = None

    def apply(self, update: Update) -> None:
        """Take an update."""
        if isinstance(update, Snapshot):
            _replace(self.tasks, update.tasks)
            _replace(self.workers, update.workers)
            _replace(self.queues, update.queues)
        else:
            self._change(update)
        if update.sources is not None:
            _replace(self.sources, update.sources)
        self.summary, self.total, self.stale = update.summary, update.total, update.stale
        self.position = update.position

    def _change(self, delta: Delta) -> None:
        _change(self.tasks, delta.upsert, delta.remove, delta.keys)
        if delta.workers is not None:
            _change(self.workers, delta.workers.upsert, delta.workers.remove, delta.workers.keys)
        if delta.queues is not None:
            _change(self.queues, delta.queues.upsert, delta.queues.remove, delta.queues.keys)


def _replace(held: dict[str, Held], rows: Iterable[Held]) -> None:
    held.clear()
    held.update((row.key, row) for row in rows)


def _change(held: dict[str, Held], upsert: Iterable[Held], remove: Iterable[str], keys: Iterable[str] | None) -> None:
    """Removals first: what is in both lists left the window and came back."""
    for key in remove:
        held.pop(key, None)
    held.update((row.key, row) for row in upsert)
    if keys is not None:
        for key in held.keys() - frozenset(keys):
            del held[key]

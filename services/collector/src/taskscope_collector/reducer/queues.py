"""The queues of a source, as its broker counts them."""

from collections.abc import Iterable

from msgspec.structs import replace
from taskscope_shared.model import Queue

from taskscope_collector.observations import QueuesSeen
from taskscope_collector.reducer.depths import going_on, merged

REFRESH_SECONDS = 10.0
"""A queue whose figures do not change is written all the same once in so long, to show that they are fresh."""


class Queues:
    """The latest count of each queue."""

    def __init__(self) -> None:
        self.known: dict[str, Queue] = {}
        self.changed: dict[str, None] = {}
        self.removed: list[str] = []
        self._at = 0.0

    def seen(self, seen: QueuesSeen) -> None:
        """Take a count of all queues; a count that is older than the last one is left out."""
        if seen.at < self._at:
            return
        self._at = seen.at
        names = {queue.name for queue in seen.queues}
        for name in [name for name in self.known if name not in names]:
            del self.known[name]
            self.changed.pop(name, None)
            self.removed.append(name)
        for counted in seen.queues:
            known = self.known.get(counted.name)
            queue = going_on(counted, known)
            if _is_news(queue, known):
                self.known[queue.name] = queue
                self.changed[queue.name] = None

    def load(self, queues: Iterable[Queue]) -> None:
        """As they were written before a restart."""
        self.known.update((queue.name, queue) for queue in queues)

    def inherit(self, queues: Iterable[Queue]) -> None:
        """As another collector wrote them: a history goes on, and what was counted here later stays."""
        for stored in queues:
            known = self.known.get(stored.name)
            self.known[stored.name] = stored if known is None else merged(known, stored)
            self.changed[stored.name] = None

    def mark(self, names: Iterable[str]) -> None:
        """They are to be written."""
        self.changed.update(dict.fromkeys(names))

    def drain(self) -> tuple[list[Queue], list[str]]:
        """What changed and what went since the last time."""
        changed = [self.known[name] for name in self.changed if name in self.known]
        removed, self.changed, self.removed = self.removed, {}, []
        return changed, removed


def _is_news(queue: Queue, known: Queue | None) -> bool:
    return known is None or queue.at - known.at >= REFRESH_SECONDS or replace(queue, at=known.at) != known

"""What a standby remembers, so that it can write what the store lacks once it takes over."""

from collections import OrderedDict

from taskscope_collector.reduced import UNKNOWN, Drained
from taskscope_collector.reducer.record import Lane, Record

LIMIT = 200_000
"""Tasks remembered; those that changed longest ago are forgotten first, and counted."""


class Recent:
    """What changed lately, by task id. What changed longer than `seconds` ago the active collector has surely written.

    The stored version of a changed task, and so its contribution to the rollups, is from then on another's doing: UNKNOWN.
    """

    def __init__(self, seconds: float, limit: int = LIMIT) -> None:
        self._seconds = seconds
        self._limit = limit
        self._tasks: OrderedDict[str, tuple[float, Record | None]] = OrderedDict()
        self.forgotten = 0

    def remember(self, changes: Drained, now: float) -> None:
        """Take what changed at `now`, which only goes forward."""
        for record in changes.tasks:
            record.contributed = UNKNOWN
            if record.lane is not Lane.GONE:
                self._put(record.draft.id, now, record)
        for id_ in changes.removed:
            self._put(id_, now, None)

    def _put(self, id_: str, now: float, record: Record | None) -> None:
        self._tasks[id_] = (now, record)
        self._tasks.move_to_end(id_)
        if len(self._tasks) > self._limit:
            self._tasks.popitem(last=False)
            self.forgotten += 1

    def forget_old(self, now: float) -> None:
        """Forget what the active collector has surely written. Not to be called while the store does not answer."""
        while self._tasks and next(iter(self._tasks.values()))[0] < now - self._seconds:
            self._tasks.popitem(last=False)

    def removed(self) -> set[str]:
        """Ids of tasks that went lately."""
        return {id_ for id_, (_, record) in self._tasks.items() if record is None}

    def take(self) -> tuple[list[Record], list[str]]:
        """Records that changed lately, and ids of tasks that went lately; none is remembered any more."""
        tasks, self._tasks = self._tasks, OrderedDict()
        changed = [record for _, record in tasks.values() if record is not None]
        return changed, [id_ for id_, (_, record) in tasks.items() if record is None]

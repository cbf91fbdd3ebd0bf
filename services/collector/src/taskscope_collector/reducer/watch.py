"""What becomes of the tasks of Celery workers that fall silent, leave, or come back."""

from collections.abc import Iterable

from taskscope_shared.model import WorkerState

from taskscope_collector.reducer.record import Lane, Record, WorkerDied
from taskscope_collector.reducer.retention import Books
from taskscope_collector.reducer.tasks import Tasks
from taskscope_collector.reducer.workers import COLD_SECONDS, SILENT_REASON, Seen, Workers

DOWN_REASON = "the source is down"


class Watch:
    """Draws the conclusions about tasks from the state of their workers."""

    def __init__(self, books: Books, tasks: Tasks, workers: Workers) -> None:
        self._books = books
        self._tasks = tasks
        self._workers = workers

    def tick(self, now: float) -> None:
        """Once a second, after the workers were judged."""
        for name in [name for name in self._books.held if name in self._workers.seen]:
            self._look_after(self._workers.seen[name], now)

    def _look_after(self, seen: Seen, now: float) -> None:
        records = list(self._books.held[seen.worker.name].values())
        if seen.worker.state is WorkerState.LOST:
            self._bury(records, seen, now, clean=False)
        elif seen.worker.state is WorkerState.OFFLINE:
            if now > seen.offline_at + COLD_SECONDS:
                self._bury(records, seen, now, clean=True)
        elif seen.worker.state is WorkerState.SILENT:
            self._doubt(records, SILENT_REASON)
        elif now > max(seen.pid_at, seen.born_at) + COLD_SECONDS:
            self._bury([record for record in records if _is_of_another(record, seen)], seen, now, clean=False)
            self._bury([record for record in records if _is_older(record, seen)], seen, seen.born_at, clean=False)

    def _bury(self, records: list[Record], seen: Seen, at: float, *, clean: bool) -> None:
        for record in records:
            self._tasks.add(record, WorkerDied(record.draft.id, at, seen.worker.name, record.pid, clean))

    def _doubt(self, records: Iterable[Record], reason: str | None) -> None:
        for record in records:
            if record.draft.uncertain != reason:
                record.draft.uncertain = reason
                self._books.mark(record)

    def connection(self, *, down: bool) -> None:
        """While the source is down, what is open cannot be confirmed."""
        for held in self._books.held.values():
            records = [record for record in held.values() if record.draft.uncertain in (None, DOWN_REASON)]
            self._doubt(records, DOWN_REASON if down else None)

    def revive(self, seen: Seen) -> None:
        """A worker that was given up is there: what was concluded about its tasks was wrong."""
        name = seen.worker.name
        self._doubt(list(self._books.held.get(name, {}).values()), None)
        for record in [*self._books.lines[Lane.FAILED].values(), *self._books.waiting.values()]:
            if record.draft.worker == name and record.facts and record.pid in (None, seen.worker.pid):
                kept = [fact for fact in record.facts if not (isinstance(fact, WorkerDied) and fact.worker == name)]
                if len(kept) < len(record.facts):
                    record.facts = kept
                    self._tasks.fold_again(record)


def _is_of_another(record: Record, seen: Seen) -> bool:
    return record.pid is not None and seen.worker.pid is not None and record.pid != seen.worker.pid


def _is_older(record: Record, seen: Seen) -> bool:
    draft = record.draft
    return (draft.started_at or draft.received_at or seen.born_at) < seen.born_at

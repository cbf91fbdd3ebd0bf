"""One source's state in memory: its tasks, the columns that lists are made by, and the texts that are searched."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Raw
from taskscope_shared import codec
from taskscope_shared.model import Position, Queue, Source, State, Task, Worker

from taskscope_api.columns import Columns, Rows
from taskscope_api.held import Held, Tracebacks, decoded, decoded_or_none, text_of
from taskscope_api.texts import Texts


class Replica:
    """The tasks, workers and queues of one source. `changes` counts what happened to its tasks."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.incarnation = ""
        self.position = Position()
        self.complete = False
        self.tasks: dict[str, Held] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.health: Source | None = None
        self.columns = Columns()
        self.held: list[Held | None] = []
        self.texts = Texts(self._text)
        self.changes = 0
        self._text_hashes: list[int] = []
        self._counts: dict[str, dict[State, int]] = {}
        self._counted = 0
        self._tracebacks = Tracebacks()
        self._last = Position()

    # --------------------------------------------------------------------------------------------------------- changes

    def put(self, task: Task) -> bool:
        """Take a task if it is newer than what is held; whether it was."""
        position = self._version(task.epoch, task.seq)
        if self._is_old(task.id, position):
            return False
        self._take(task, position, *self._tracebacks.part(task, codec.encode(task)))
        return True

    def fill(self, packed: Sequence[bytes], known: Mapping[str, Held]) -> int:
        """Take encoded tasks of which none is held, of different ids; how many could not be decoded.

        `known` is what another replica holds of them: the same version costs no memory again.
        """
        taken = [(task, data) for data in packed if (task := decoded_or_none(data)) is not None]
        if taken:
            first = self.columns.fill([task for task, _ in taken])
            held = [self._hold(task, data, known.get(task.id), row) for row, (task, data) in enumerate(taken, first)]
            self.held += held
            self.tasks.update((each.id, each) for each in held)
            self._text_hashes += [_text_hash(task) for task, _ in taken]
            self.changes += 1
        return len(packed) - len(taken)

    def _hold(self, task: Task, data: bytes, known: Held | None, row: int) -> Held:
        position = self._version(task.epoch, task.seq)
        if known is not None and known.position == position:
            packed, traceback = known.packed, known.traceback
        else:
            packed, traceback = self._tracebacks.part(task, data)
        return Held(task.id, self.source, row, position, packed, traceback)

    def put_packed(self, raw: Raw) -> bool:
        """Take an encoded task if it is newer than what is held; whether it was. Raises `msgspec.DecodeError`."""
        task = decoded(raw)
        position = self._version(task.epoch, task.seq)
        if self._is_old(task.id, position):
            return False
        packed, traceback = self._tracebacks.part(task, bytes(raw))
        self._take(task, position, packed, traceback)
        return True

    def remove(self, id_: str, position: Position) -> bool:
        """Forget a task, unless what is held was written after `position`."""
        old = self.tasks.get(id_)
        if old is None or old.position > position:
            return False
        del self.tasks[id_]
        self.held[old.row] = None
        self._text_hashes[old.row] = 0  # whatever comes into the row is a new text
        self.columns.leave(old.row)
        self.changes += 1
        return True

    def _is_old(self, id_: str, position: Position) -> bool:
        old = self.tasks.get(id_)
        return old is not None and position <= old.position

    def _version(self, epoch: int, seq: int) -> Position:
        """The tasks of one flush share it."""
        last = self._last
        if last.seq != seq or last.epoch != epoch:
            self._last = last = Position(epoch, seq)
        return last

    def _take(self, task: Task, position: Position, packed: bytes, traceback: str | None) -> None:
        old = self.tasks.get(task.id)
        row, id_ = (self._enter(task.id), task.id) if old is None else (old.row, old.id)
        self.held[row] = self.tasks[id_] = Held(id_, self.source, row, position, packed, traceback)
        self.columns.write(row, task)
        text = _text_hash(task)
        if self._text_hashes[row] != text:
            self._text_hashes[row] = text
            self.texts.changed(row, lambda: text_of(task))
        self.changes += 1

    def _enter(self, id_: str) -> int:
        row = self.columns.enter(id_)
        if row == len(self.held):
            self.held.append(None)
            self._text_hashes.append(0)
        return row

    def _text(self, row: int) -> bytes:
        held = self.held[row] if row < len(self.held) else None
        return b"" if held is None else held.text()

    # ----------------------------------------------------------------------------------------------------------- reads

    @property
    def counts(self) -> dict[str, dict[State, int]]:
        """Kind -> state -> tasks; also of kinds counted before. Counted when read: changes are far more frequent."""
        if self._counted != self.changes:
            self._counted = self.changes
            self._counts = {kind: {} for kind in self._counts} | self._count()
        return self._counts

    def rows_of(self, ids: Iterable[str]) -> Rows:
        """The rows of those of these tasks that are there."""
        return np.array([held.row for id_ in ids if (held := self.tasks.get(id_)) is not None], np.intp)

    def _count(self) -> dict[str, dict[State, int]]:
        kinds, states = self.columns.codes["kind"], self.columns.codes["state"]
        counts: dict[str, dict[State, int]] = {}
        for kind, state, count in kinds.pairs(states, self.columns.size):
            if kind is not None and state is not None:  # both None: a row without a task
                counts.setdefault(kind, {})[State(state)] = count
        return counts


def _text_hash(task: Task) -> int:
    """Of what is searched in a task."""
    return hash((task.id, task.args, task.exception_type, task.exception))

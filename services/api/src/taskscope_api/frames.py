"""The frames of the push protocol, encoded once for each distinct subscription."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from taskscope_api.described import Count, Flag, Time, says
from taskscope_api.errors import Problem
from taskscope_api.held import Held
from taskscope_api.live_view import Summary
from taskscope_api.wire import QueueRow, SourceRow, WorkerRow, task_row
from taskscope_api.ws_protocol import wire

Row = TypeVar("Row")
Keys = Annotated[
    list[str] | None, says("In an answer to `since`: all keys that there are; forget every other. Else null", None)
]
Position = Annotated[str, says("Where this stands: hand it back as `since`, without looking inside", "lZGTAaFz")]
Gone = Annotated[list[str], says("Keys of those that are not there any more", ["archivist/6f1d2c"])]


class Changes(msgspec.Struct, Generic[Row]):
    """What changed among workers or queues: rows, and keys of those that are gone. `keys`, after `since`: all there are."""

    upsert: Annotated[list[Row], says("Rows that are new or changed")]
    remove: Gone
    keys: Keys = None


class SnapshotData(msgspec.Struct, tag_field="kind", tag="snapshot", kw_only=True):
    """A window whole."""

    position: Position
    at: Annotated[Time | None, says("The api's clock")]
    stale: Annotated[Flag, says("Whether anything shown may be behind")]
    summary: Annotated[Summary, says("Counts over all tasks of the filter's kind and source")]
    total: Annotated[Count, says("All tasks that match the filter")]
    tasks: Annotated[list[msgspec.Raw], says("The tasks that the window shows, in its order")]
    workers: Annotated[list[WorkerRow], says("All workers of the filter's sources")]
    queues: Annotated[list[QueueRow], says("All their queues")]
    sources: Annotated[list[SourceRow], says("The sources themselves")]


class DeltaData(msgspec.Struct, tag_field="kind", tag="delta", kw_only=True):
    """What entered or changed, and what left, since the frame before.

    `keys` are all rows of the window, in an answer to `since` alone: whatever else the client holds has left.
    """

    position: Position
    at: Annotated[Time | None, says("The api's clock")]
    stale: Annotated[Flag, says("Whether anything shown may be behind")]
    summary: Annotated[Summary, says("Counts over all tasks of the filter's kind and source")]
    total: Annotated[Count, says("All tasks that match the filter")]
    upsert: Annotated[list[msgspec.Raw], says("Tasks that entered the window or changed, in no order")]
    remove: Gone
    keys: Keys = None
    workers: Annotated[Changes[WorkerRow] | None, says("Changes of workers; null: none")]
    queues: Annotated[Changes[QueueRow] | None, says("Changes of queues; null: none")]
    sources: Annotated[list[SourceRow] | None, says("All sources; null: as before")]


class Joined(msgspec.Struct):
    """The answer to a join; a `task_updates` follows."""

    room: Annotated[str, says("What was joined", "task_monitoring")]
    status: Annotated[str, says("That it was", "joined")]


class Resync(msgspec.Struct):
    """The client was too slow and its queue was cut."""

    reason: Annotated[str, says("Why", "this client reads more slowly than its window changes: join again")]


class Envelope(msgspec.Struct):
    """Every message of the server."""

    event: str
    data: Any


class ProblemData(msgspec.Struct):
    """`error`: what was wrong with a client's message."""

    type: Annotated[
        str, says("What kind of problem this is: a URN, not to be fetched", "urn:taskscope:problem:invalid-parameter")
    ]
    title: Annotated[str, says("The kind in words", "Invalid parameter")]
    detail: Annotated[str, says("What is wrong, and what would be right", "'fail' is not one of queued, running, failed")]
    field: Annotated[str | None, says("The member that is wrong", "filter.state")]


_encoder = msgspec.json.Encoder()


class Frame(str):
    """A message as text; `wire` is the same as the bytes of a WebSocket, made once for all clients that get it."""

    __slots__ = ("_wire",)
    _wire: bytes

    @property
    def wire(self) -> bytes:
        """As it goes over the wire."""
        try:
            return self._wire
        except AttributeError:
            self._wire = wire(self.encode())
            return self._wire


def frame(event: str, data: object) -> Frame:
    """A message."""
    return Frame(_encoder.encode(Envelope(event, data)), "utf-8")


def error_frame(problem: Problem) -> Frame:
    """The problem as an `error` message."""
    return frame("error", ProblemData(problem.type, problem.title, problem.detail, problem.field))


class RowEncoder:
    """Tasks as JSON, each encoded once for all windows with the same fields, for as long as some window shows it."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...] | None, _Shape] = {}

    def next_round(self) -> None:
        """Forget what no window showed since the last call but one."""
        for fields, shape in list(self._shapes.items()):
            shape.before, shape.rows = shape.rows, {}
            if not shape.before:
                del self._shapes[fields]

    def encode(self, keys: Iterable[str], tasks: Mapping[str, Held], fields: tuple[str, ...] | None) -> list[msgspec.Raw]:
        """TASK of each key, with all fields or those given (`unknown` speaks of those, too)."""
        shape = self._shapes.get(fields)
        if shape is None:
            shape = self._shapes[fields] = _Shape(fields)
        return [shape.encode(key, tasks[key]) for key in keys]


class _Shape:
    """Rows with the same fields: those of this round, and those of the round before."""

    def __init__(self, fields: tuple[str, ...] | None) -> None:
        self.rows: dict[str, tuple[Held, msgspec.Raw]] = {}
        self.before: dict[str, tuple[Held, msgspec.Raw]] = {}
        self._fields = frozenset(fields or ())
        self._picked = None if fields is None else (msgspec.defstruct("Picked", fields), attrgetter(*fields))

    def encode(self, key: str, task: Held) -> msgspec.Raw:
        found = self.rows.get(key)
        if found is None or found[0] is not task:
            found = self.before.get(key)
            if found is None or found[0] is not task:
                found = task, msgspec.Raw(_encoder.encode(self._row(task)))
            self.rows[key] = found
        return found[1]

    def _row(self, task: Held) -> object:
        row = task_row(task.task())
        if self._picked is None:
            return row
        kind, values = self._picked
        row.unknown = {field: why for field, why in row.unknown.items() if field in self._fields}
        return kind(*values(row))

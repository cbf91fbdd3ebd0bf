"""The frames of the push protocol, encoded once for each distinct subscription."""

from typing import Any

import msgspec

from taskscope_api.errors import Problem
from taskscope_api.held import Held
from taskscope_api.live_view import Summary
from taskscope_api.wire import QueueRow, SourceRow, WorkerRow, task_row
from taskscope_api.ws_protocol import wire


class Changes(msgspec.Struct):
    """What changed among workers or queues: rows, and keys of those that are gone. `keys`, after `since`: all there are."""

    upsert: list[Any]
    remove: list[str]
    keys: list[str] | None = None


class SnapshotData(msgspec.Struct, tag_field="kind", tag="snapshot", kw_only=True):
    """A window whole."""

    position: str
    at: str | None
    stale: bool
    summary: Summary
    total: int
    tasks: list[msgspec.Raw]
    workers: list[WorkerRow]
    queues: list[QueueRow]
    sources: list[SourceRow]


class DeltaData(msgspec.Struct, tag_field="kind", tag="delta", kw_only=True):
    """What entered or changed, and what left, since the frame before.

    `keys` are all rows of the window, in an answer to `since` alone: whatever else the client holds has left.
    """

    position: str
    at: str | None
    stale: bool
    summary: Summary
    total: int
    upsert: list[msgspec.Raw]
    remove: list[str]
    keys: list[str] | None = None
    workers: Changes | None
    queues: Changes | None
    sources: list[SourceRow] | None


class Envelope(msgspec.Struct):
    """Every message of the server."""

    event: str
    data: Any


class ProblemData(msgspec.Struct):
    """`error`: what was wrong with a client's message."""

    type: str
    title: str
    detail: str
    field: str | None


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
    """Tasks as JSON. Rows of the default fields are encoded once a round for all windows (`clear` begins a round)."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Held, msgspec.Raw]] = {}

    def clear(self) -> None:
        """Forget what was encoded."""
        self._rows.clear()

    def encode(self, key: str, task: Held, fields: tuple[str, ...] | None) -> msgspec.Raw:
        """TASK with all fields, or those given."""
        if fields is not None:
            row = task_row(task.task())
            return msgspec.Raw(_encoder.encode({name: getattr(row, name) for name in fields}))
        found = self._rows.get(key)
        if found is None or found[0] is not task:
            found = self._rows[key] = (task, msgspec.Raw(_encoder.encode(task_row(task.task()))))
        return found[1]

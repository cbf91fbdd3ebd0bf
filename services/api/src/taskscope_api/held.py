"""A task as the live view holds it: the bytes it came in. What lists are made by is in columns.

Of 100,000 tasks a page shows some hundred: keeping the others whole would take twice the memory.
"""

import msgspec
from msgspec.structs import asdict, force_setattr
from taskscope_shared import codec
from taskscope_shared.model import Engine, Position, State, Task

BULKY_BYTES = 2048
"""Encoded tasks above this are looked into for a traceback, which many failed tasks have in common."""
TRACEBACK_LIMIT = 500
"""Distinct tracebacks (16 KB each at most); then the pool begins anew."""


class Leading(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The first fields of an encoded `Task`: what is shown of one whose remainder cannot be decoded."""

    id: str
    source: str
    engine: Engine
    state: State
    epoch: int
    seq: int
    name: str | None = None
    kind: str = "other"
    queue: str | None = None
    worker: str | None = None
    sent_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    eta_at: float | None = None
    expires_at: float | None = None
    updated_at: float = 0.0


class _Searched(Leading, array_like=True, gc=False, frozen=True):
    """The fields to the last that texts are searched in: tracebacks are not decoded."""

    wait_seconds: float | None = None
    runtime_seconds: float | None = None
    retries: int = 0
    attempts: int = 0
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception_type: str | None = None
    exception: str | None = None


def text_of(task: Task | _Searched) -> bytes:
    """What is searched of a task beside its name and worker, in lower case."""
    return f"{task.id}\n{task.args or ''}\n{task.exception_type or ''}\n{task.exception or ''}".lower().encode()


_decode_leading = msgspec.msgpack.Decoder(Leading).decode
_decode_searched = msgspec.msgpack.Decoder(_Searched).decode


class Held(msgspec.Struct, gc=False, eq=False):
    """One task of a replica, in its row of the columns. `task` gives all."""

    id: str
    source: str
    row: int
    position: Position
    packed: bytes
    traceback: str | None = None

    @property
    def key(self) -> str:
        """Of the task, among those of all sources."""
        return f"{self.source}/{self.id}"

    def text(self) -> bytes:
        """What is searched of it beside its name and worker, in lower case."""
        try:
            task = _decode_searched(self.packed)
        except msgspec.DecodeError:
            return self.id.lower().encode()
        return text_of(task)

    def task(self) -> Task:
        """The task whole. What cannot be decoded behind the leading fields is left out, and said to be."""
        task = decoded(self.packed)
        if self.traceback is not None:
            force_setattr(task, "traceback", self.traceback)  # nobody else has it yet, so its being frozen does not matter
        return task


def decoded(packed: bytes | msgspec.Raw) -> Task:
    """The task. Raises `msgspec.DecodeError` when not even its leading fields can be decoded."""
    try:
        return codec.decode_task(packed)
    except msgspec.DecodeError:
        leading = asdict(_decode_leading(packed))
        return Task(**leading, uncertain="what is stored of it beyond this cannot be decoded")


def decoded_or_none(packed: bytes) -> Task | None:
    """`decoded`, or None for what cannot be."""
    try:
        return decoded(packed)
    except msgspec.DecodeError:
        return None


class Tracebacks:
    """Makes equal tracebacks one object."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def part(self, task: Task, packed: bytes) -> tuple[bytes, str | None]:
        """The encoded task without its traceback, and the traceback."""
        if len(packed) <= BULKY_BYTES or task.traceback is None:
            return packed, None
        without = msgspec.structs.replace(task, traceback=None)
        return codec.encode(without), self._shared(task.traceback)

    def _shared(self, text: str) -> str:
        if len(self._texts) >= TRACEBACK_LIMIT and text not in self._texts:
            self._texts.clear()
        return self._texts.setdefault(text, text)

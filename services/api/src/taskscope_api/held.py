"""A task as the live view holds it: what lists are made by, and the rest as the bytes it came in.

Of 100,000 tasks a page shows some hundred: decoding the others whole would cost more than all else that is done with them, and
twice the memory.
"""

import msgspec
from msgspec.structs import asdict, force_setattr
from taskscope_shared import codec
from taskscope_shared.model import Engine, Position, State, Task

from taskscope_api.orders import Order
from taskscope_api.sorting import NUMBERS, CohortKey, Inner

BULKY_BYTES = 2048
"""Encoded tasks above this are looked into for a traceback, which many failed tasks have in common."""
TRACEBACK_LIMIT = 500
"""Distinct tracebacks (16 KB each at most); then the pool begins anew."""


class Cohort:
    """Tasks alike. `orders` has what they are read by; each holds ids alone."""

    __slots__ = ("key", "orders", "size")

    def __init__(self, key: CohortKey) -> None:
        self.key = key
        self.size = 0
        self.orders: dict[Inner, Order] = {}


class Leading(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The first fields of an encoded `Task`, which is all that the indices need: 0.8 µs where the whole takes 2."""

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


class _Numbers(Leading, array_like=True, gc=False, frozen=True):
    """All that tasks can be sorted by."""

    wait_seconds: float | None = None
    runtime_seconds: float | None = None
    retries: int = 0
    attempts: int = 0


decode_leading = msgspec.msgpack.Decoder(Leading).decode
_decode_numbers = msgspec.msgpack.Decoder(_Numbers).decode


class Held(msgspec.Struct, gc=False, eq=False):
    """One task. What the indices do not need (`runtime_seconds`, ..) is decoded when it is asked for; `task` gives all."""

    id: str
    source: str
    cohort: Cohort
    worker: str | None
    position: Position
    updated_at: float
    packed: bytes
    traceback: str | None = None

    @property
    def state(self) -> State:
        """Of the task."""
        return self.cohort.key.state

    @property
    def epoch(self) -> int:
        """Of the version."""
        return self.position.epoch

    @property
    def seq(self) -> int:
        """Of the version."""
        return self.position.seq

    def __getattr__(self, name: str) -> float | None:
        """A field that tasks can be sorted by; None when it cannot be decoded."""
        if name not in NUMBERS:
            raise AttributeError(name)
        try:
            value: float | None = getattr(_decode_numbers(self.packed), name)
        except msgspec.DecodeError:
            return None
        return value

    def task(self) -> Task:
        """The task whole. What cannot be decoded behind the leading fields is left out, and said to be."""
        try:
            task = codec.decode_task(self.packed)
        except msgspec.DecodeError:
            leading = asdict(decode_leading(self.packed))
            return Task(**leading, uncertain="what is stored of it beyond this cannot be decoded")
        if self.traceback is not None:
            force_setattr(task, "traceback", self.traceback)  # nobody else has it yet, so its being frozen does not matter
        return task


class Tracebacks:
    """Makes equal tracebacks one object."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def part(self, packed: bytes) -> tuple[bytes, str | None]:
        """The encoded task without its traceback, and the traceback."""
        try:
            task = codec.decode_task(packed)
        except msgspec.DecodeError:
            return packed, None
        if task.traceback is None:
            return packed, None
        text = self._shared(task.traceback)
        force_setattr(task, "traceback", None)
        return codec.encode(task), text

    def _shared(self, text: str) -> str:
        if len(self._texts) >= TRACEBACK_LIMIT and text not in self._texts:
            self._texts.clear()
        return self._texts.setdefault(text, text)

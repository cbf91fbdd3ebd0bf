"""What a stream tells: a window whole, and what changed in it."""

from typing import Generic, TypeVar

import msgspec

from taskscope_client.rows import Moment, Queue, Row, Source, Summary, Task, Worker

Changed = TypeVar("Changed")


class Changes(Row, Generic[Changed], frozen=True, kw_only=True):
    """Rows that are new or changed, and keys of those that are gone. With `keys`, those are all that there are."""

    upsert: tuple[Changed, ...] = ()
    remove: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None


class Snapshot(Row, frozen=True, kw_only=True, tag_field="kind", tag="snapshot"):
    """The window whole."""

    position: str
    at: Moment | None = None
    stale: bool = False
    summary: Summary
    total: int = 0
    tasks: tuple[Task, ...] = ()
    workers: tuple[Worker, ...] = ()
    queues: tuple[Queue, ...] = ()
    sources: tuple[Source, ...] = ()


class Delta(Row, frozen=True, kw_only=True, tag_field="kind", tag="delta"):
    """What entered or changed (`upsert`), and what left (`remove`). With `keys`, all else that is held has left, too."""

    position: str
    at: Moment | None = None
    stale: bool = False
    summary: Summary
    total: int = 0
    upsert: tuple[Task, ...] = ()
    remove: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None
    workers: Changes[Worker] | None = None
    queues: Changes[Queue] | None = None
    sources: tuple[Source, ...] | None = None


Update = Snapshot | Delta


class Connected(Row, frozen=True, kw_only=True):
    """The first message of a connection."""

    status: str = ""
    timestamp: Moment | None = None
    protocol: int = 0


class Resync(Row, frozen=True, kw_only=True):
    """The connection was too slow, and has to join again."""

    reason: str = ""


class Message(msgspec.Struct):
    """Any message: its name, and its data as they came."""

    event: str
    data: msgspec.Raw = msgspec.Raw(b"null")

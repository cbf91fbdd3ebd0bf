"""What the collector writes to and the api reads from.

`redis_store.RedisStore` is the production implementation, `testing.MemoryStore` its in-memory twin; both pass
`tests/contract/test_store.py`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from taskscope_shared.codec import CODEC, Entry, Message, decode_task
from taskscope_shared.model import Position, Queue, Source, Task, Worker


class StoreError(Exception):
    """The store cannot be reached, or refused what was asked."""


class WritesRefusedError(StoreError):
    """The store takes no writes: it is full, read-only, or cannot save."""


class LeaseLostError(StoreError):
    """Another holder has the lease, or it expired: nothing of the flush was written."""


class StoreChangedError(StoreError):
    """The store came back empty or older than it was: nothing was written; the whole state has to be written anew."""


class GapError(StoreError):
    """The log no longer reaches back to the position asked for, or is another incarnation: take a snapshot."""


class Lease(msgspec.Struct, frozen=True):
    """One holding of a source's lease. `incarnation` and `head` are what the store held when it was won."""

    source: str
    holder: str
    epoch: int
    incarnation: str
    head: Position
    # False when the state in the store is not whole: it is new, or its last rewriting was cut short.
    complete: bool

    def before(self, seq: int) -> Position:
        """The position before this holding's flush `seq`."""
        return Position(self.epoch, seq - 1) if seq > 1 else self.head

    @property
    def value(self) -> str:
        """As it stands in the lease's key."""
        return f"{self.epoch}:{self.holder}"


class Flush(msgspec.Struct):
    """One atomic flush: all of it is written, logged and published, or nothing.

    `tasks` maps id -> encoded `Task` whose epoch-seq is this flush's position. `cells` maps (resolution, bucket start) to
    field -> encoded cell; None deletes. `meta` are further fields of the meta hash.
    """

    seq: int
    at: float
    tasks: dict[str, bytes] = {}
    removed: list[str] = []
    workers: list[Worker] = []
    removed_workers: list[str] = []
    queues: list[Queue] = []
    removed_queues: list[str] = []
    health: Source | None = None
    cells: dict[tuple[int, int], dict[str, bytes | None]] = {}
    meta: dict[str, str] = {}
    complete: bool = True
    traceparent: str | None = None

    def entry(self, lease: Lease) -> Entry:
        """What is logged and published; the tasks' bytes are not encoded again."""
        return Entry(
            codec=CODEC,
            source=lease.source,
            incarnation=lease.incarnation,
            position=Position(lease.epoch, self.seq),
            previous=lease.before(self.seq),
            at=self.at,
            tasks=[msgspec.Raw(task) for task in self.tasks.values()],
            removed=self.removed,
            workers=self.workers,
            removed_workers=self.removed_workers,
            queues=self.queues,
            removed_queues=self.removed_queues,
            health=self.health,
            traceparent=self.traceparent,
        )


class Snapshot(msgspec.Struct):
    """A source's whole state, at least as new as `position`; single tasks may be newer (their version says so).

    `packed` holds each task once, encoded: the api keeps those bytes.
    """

    source: str
    incarnation: str
    position: Position
    complete: bool
    packed: list[bytes]
    workers: list[Worker]
    queues: list[Queue]
    health: Source | None

    @property
    def tasks(self) -> list[Task]:
        """All of them, decoded at each call. Raises `msgspec.DecodeError`."""
        return list(map(decode_task, self.packed))


class Writer(Protocol):
    """The collector's side."""

    async def acquire(self, source: str, holder: str, ttl_seconds: float) -> Lease | None:
        """Win the lease, with an epoch above any seen, or None while another holds it."""
        ...

    async def lease_left(self, source: str) -> float:
        """Seconds until the lease runs out that is held; 0 where nobody holds it."""
        ...

    async def flush(self, lease: Lease, batch: Flush, ttl_seconds: float) -> None:
        """Write `batch` at (lease.epoch, batch.seq), renewing the lease in the same transaction.

        Raises `LeaseLostError`, `StoreChangedError` or `StoreError`; in each case nothing was written, or, where the
        connection broke after EXEC, what was written is found by `head`.
        """
        ...

    async def head(self, source: str) -> tuple[str, Position] | None:
        """Incarnation and head of the state there, or None for an empty store."""
        ...

    async def restart(self, lease: Lease) -> Lease:
        """Begin a new incarnation with a new epoch, without log, workers and queues; the caller then writes everything anew.

        The tasks and rollups that are there stay until they are written over, so that what is held of a task (and thereby its
        contribution to the rollups) can be looked up with `load_tasks`; `complete` is false until the last flush.
        Raises `LeaseLostError` when another holds the lease; a lease that went with the store is taken again.
        """
        ...

    async def announce(self, lease: Lease, position: Position, at: float, ttl_seconds: float | None = None) -> None:
        """Publish the head, refresh the source's keys and its entry among the sources, and renew the lease by `ttl_seconds`.

        Raises like `flush`, so that an idle collector notices a lost lease or a changed store, too.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease up, if it is still held, so that a standby takes over at once."""
        ...

    async def load_tasks(self, source: str, ids: Sequence[str]) -> dict[str, Task]:
        """The stored tasks among `ids`."""
        ...

    async def load_workers(self, source: str) -> list[Worker]:
        """All stored workers."""
        ...

    async def load_queues(self, source: str) -> list[Queue]:
        """All stored queues."""
        ...

    async def task_ids(self, source: str) -> list[str]:
        """The ids of all stored tasks."""
        ...

    async def load_cells(
        self, source: str, wanted: Mapping[tuple[int, int], Sequence[str]]
    ) -> dict[tuple[int, int, str], bytes]:
        """The stored rollup cells: (resolution, start) -> fields (none: all), as (resolution, start, field) -> bytes."""
        ...

    async def meta(self, source: str) -> dict[str, str]:
        """The meta hash."""
        ...

    async def events_forbidden(self, source: str) -> bool:
        """Whether somebody asked that the workers' events stay off (`keys.stop_mark`)."""
        ...


class Reader(Protocol):
    """The api's side (a standby collector reads, too)."""

    async def sources(self) -> list[str]:
        """The names of all sources that some collector refreshed lately."""
        ...

    async def snapshot(self, source: str) -> Snapshot | None:
        """The whole state, or None where there is none."""
        ...

    async def log(self, source: str, incarnation: str, after: Position, limit: int = 1000) -> list[Message]:
        """Entries after `after`, oldest first. Raises `GapError` when the log does not reach back to it."""
        ...

    def follow(self, sources: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
        """Subscribe; the iterator yields messages from the moment the context is entered.

        Raises `StoreError` from the iterator when the connection is lost. Undecodable messages are counted and skipped.
        """
        ...

    async def load_cells(
        self, source: str, wanted: Mapping[tuple[int, int], Sequence[str]]
    ) -> dict[tuple[int, int, str], bytes]:
        """See `Writer.load_cells`: one command for each bucket, sent as one."""
        ...

    async def meta(self, source: str) -> dict[str, str]:
        """The meta hash; it says how far the rollups are compacted, and what of them was corrected."""
        ...


class Store(Writer, Reader, Protocol):
    """Both sides."""

    async def ping(self) -> None:
        """Raises `StoreError` with what is wrong when the store does not answer."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...

"""What the collector writes to and the api reads from.

`redis_store.RedisStore` is the production implementation, `testing.MemoryStore` its in-memory twin; both pass
`tests/contract/test_store.py`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from taskscope_shared.codec import Message
from taskscope_shared.model import Position, Queue, Source, Task, Worker


class StoreError(Exception):
    """The store cannot be reached, or refused what was asked (full, read-only)."""


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


class Snapshot(msgspec.Struct):
    """A source's whole state, at least as new as `position`; single tasks may be newer (their version says so)."""

    source: str
    incarnation: str
    position: Position
    complete: bool
    tasks: list[Task]
    workers: list[Worker]
    queues: list[Queue]
    health: Source | None


class Writer(Protocol):
    """The collector's side."""

    async def acquire(self, source: str, holder: str, ttl_seconds: float) -> Lease | None:
        """Win the lease, with an epoch above any seen, or None while another holds it."""
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
        """Drop the state under this lease and begin a new incarnation; the caller then writes everything anew."""
        ...

    async def announce(self, lease: Lease, position: Position, at: float) -> None:
        """Publish the head, and refresh the source's keys and its entry among the sources."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease up, if it is still held, so that a standby takes over at once."""
        ...

    async def load_tasks(self, source: str, ids: Sequence[str]) -> dict[str, Task]:
        """The stored tasks among `ids`."""
        ...

    async def load_cells(
        self, source: str, wanted: Mapping[tuple[int, int], Sequence[str]]
    ) -> dict[tuple[int, int, str], bytes]:
        """The stored rollup cells: (resolution, start) -> fields, as (resolution, start, field) -> bytes."""
        ...

    async def meta(self, source: str) -> dict[str, str]:
        """The meta hash."""
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


class Store(Writer, Reader, Protocol):
    """Both sides."""

    async def ping(self) -> None:
        """Raises `StoreError` with what is wrong when the store does not answer."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...

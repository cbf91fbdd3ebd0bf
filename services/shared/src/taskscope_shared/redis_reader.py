"""Reading the store on Redis or Valkey: snapshots, the log, the channel, single tasks and cells."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from taskscope_shared import codec
from taskscope_shared.clock import Clock
from taskscope_shared.codec import Entry, Message
from taskscope_shared.keys import Keys
from taskscope_shared.model import Position, Queue, Task, Worker
from taskscope_shared.redis_follow import follow
from taskscope_shared.redis_link import Command, RedisLink, Reply
from taskscope_shared.store import GapError, Snapshot, StoreError

SCAN_CHUNK = 1000
"""Tasks a HSCAN: one answer is about 1 MB."""
LOAD_CHUNK = 1000
"""Tasks a HMGET."""
ATTEMPTS = 3
"""Snapshots tried while a writer keeps beginning anew."""
SOURCE_SECONDS = 24 * 3600
"""A source that nobody announced for so long is not listed any more."""


class RedisReader:
    """The reading half of `redis_store.RedisStore`, which says what the parameters are."""

    def __init__(
        self, url: str | Callable[[], str], clock: Clock, *, prefix: str = "taskscope", timeout_seconds: float = 5.0
    ) -> None:
        self._url: Callable[[], str] = url if callable(url) else lambda: url
        self._clock = clock
        self._keys = Keys(prefix)
        self._timeout_seconds = timeout_seconds
        self._links: dict[str, RedisLink] = {}
        self.undecodable = 0

    async def head(self, source: str) -> tuple[str, Position] | None:
        """See `Writer.head`."""
        meta = await self.meta(source)
        return (meta["incarnation"], Position.parse(meta["head"])) if "incarnation" in meta else None

    async def meta(self, source: str) -> dict[str, str]:
        """See `Writer.meta`."""
        return fields_of((await self._reading(source).call(("HGETALL", self._keys.meta(source))))[0])

    async def lease_left(self, source: str) -> float:
        """See `Writer.lease_left`."""
        milliseconds: int = (await self._reading(source).call(("PTTL", self._keys.lease(source))))[0]
        return max(0, milliseconds) / 1000

    async def events_forbidden(self, source: str) -> bool:
        """See `Writer.events_forbidden`."""
        return bool((await self._reading(source).call(("EXISTS", self._keys.stop_mark(source))))[0])

    async def load_tasks(self, source: str, ids: Sequence[str]) -> dict[str, Task]:
        """See `Writer.load_tasks`."""
        found: dict[str, Task] = {}
        for first in range(0, len(ids), LOAD_CHUNK):
            chunk = ids[first : first + LOAD_CHUNK]
            values = (await self._reading(source).call(("HMGET", self._keys.tasks(source), *chunk)))[0]
            found.update((id_, codec.decode_task(value)) for id_, value in zip(chunk, values, strict=True) if value is not None)
        return found

    async def load_workers(self, source: str) -> list[Worker]:
        """See `Writer.load_workers`."""
        values = (await self._reading(source).call(("HVALS", self._keys.workers(source))))[0]
        return [codec.decode_worker(value) for value in values]

    async def load_queues(self, source: str) -> list[Queue]:
        """See `Writer.load_queues`."""
        values = (await self._reading(source).call(("HVALS", self._keys.queues(source))))[0]
        return [codec.decode_queue(value) for value in values]

    async def task_ids(self, source: str) -> list[str]:
        """See `Writer.task_ids`."""
        try:
            ids = [id_ async for part in self._scan_raw(source, "NOVALUES") for id_ in part]
        except StoreError as error:
            if "syntax" not in str(error).lower():
                raise
            ids = [id_ async for part in self._scan_raw(source) for id_ in part[::2]]  # before Redis 7.4 and Valkey 8
        return list(dict.fromkeys(map(bytes.decode, ids)))

    async def load_cells(
        self, source: str, wanted: Mapping[tuple[int, int], Sequence[str]]
    ) -> dict[tuple[int, int, str], bytes]:
        """See `Writer.load_cells`."""
        commands: list[Command] = []
        for (resolution, start), fields in wanted.items():
            key = self._keys.rollup(source, resolution, start)
            commands.append(("HMGET", key, *fields) if fields else ("HGETALL", key))
        if not commands:
            return {}
        replies = await self._reading(source).call(*commands)
        found: dict[tuple[int, int, str], bytes] = {}
        for ((resolution, start), fields), reply in zip(wanted.items(), replies, strict=True):
            pairs = zip(fields, reply, strict=True) if fields else _pairs(reply)
            found.update(((resolution, start, field), cell) for field, cell in pairs if cell is not None)
        return found

    async def sources(self) -> list[str]:
        """See `Reader.sources`."""
        since = self._clock.now() - SOURCE_SECONDS
        names = (await self._reading("").call(("ZRANGEBYSCORE", self._keys.sources, since, "+inf")))[0]
        return sorted(name.decode() for name in names)

    async def snapshot(self, source: str) -> Snapshot | None:
        """See `Reader.snapshot`."""
        for _ in range(ATTEMPTS):
            meta = await self.meta(source)
            if "incarnation" not in meta:
                return None
            taken = await self._read_state(source, meta)
            if (await self.meta(source)).get("incarnation") == taken.incarnation:
                return taken
        raise StoreError(f"{source}: the store was begun anew while its state was read")

    async def _read_state(self, source: str, meta: dict[str, str]) -> Snapshot:
        keys = self._keys
        packed: dict[bytes, bytes] = {}  # HSCAN may return a field twice
        async for flat in self._scan_raw(source):
            packed.update(zip(flat[::2], flat[1::2], strict=True))
        workers, queues, health = await self._reading(source).call(
            ("HVALS", keys.workers(source)), ("HVALS", keys.queues(source)), ("GET", keys.health(source))
        )
        return Snapshot(
            source=source,
            incarnation=meta["incarnation"],
            position=Position.parse(meta["head"]),
            complete=meta.get("complete") == "1",
            packed=list(packed.values()),
            workers=[codec.decode_worker(value) for value in workers],
            queues=[codec.decode_queue(value) for value in queues],
            health=None if health is None else codec.decode_source(health),
        )

    async def _scan_raw(self, source: str, *options: str) -> AsyncIterator[list[bytes]]:
        cursor: bytes | int = 0
        while True:
            command = ("HSCAN", self._keys.tasks(source), cursor, "COUNT", SCAN_CHUNK, *options)
            cursor, flat = (await self._reading(source).call(command))[0]
            yield flat
            if int(cursor) == 0:
                return

    async def log(self, source: str, incarnation: str, after: Position, limit: int = 1000) -> list[Message]:
        """See `Reader.log`."""
        keys = self._keys
        # In one transaction, or a trimming between the two would look like an empty log.
        replies = await self._reading(source).call(
            ("MULTI",),
            ("HMGET", keys.meta(source), "incarnation", "head"),
            ("XRANGE", keys.log(source), f"({after}", "+", "COUNT", limit),
            ("EXEC",),
        )
        (found, head), rows = replies[-1]
        if found is None or found.decode() != incarnation:
            raise GapError(f"{source}: {incarnation} is not the store's incarnation any more")
        entries = [codec.decode_message(fields[1]) for _, fields in rows]
        check_continues(source, after, Position.parse(head.decode()), entries)
        return entries

    @asynccontextmanager
    async def follow(self, sources: Sequence[str]) -> AsyncIterator[AsyncIterator[Message]]:
        """See `Reader.follow`."""
        link = RedisLink(self._url, self._timeout_seconds)
        database = await link.database() if sources else 0
        async with follow(link, [self._keys.channel(name, database) for name in sources], self._skip) as messages:
            yield messages

    def _skip(self) -> None:
        self.undecodable += 1

    async def ping(self) -> None:
        """See `Store.ping`."""
        await self._reading("").call(("PING",))

    async def close(self) -> None:
        """See `Store.close`."""
        links, self._links = list(self._links.values()), {}
        for link in links:
            await link.drop()

    def _reading(self, source: str) -> RedisLink:
        return self._link(f"r{source}")

    def _link(self, name: str) -> RedisLink:
        link = self._links.get(name)
        if link is None:
            link = self._links[name] = RedisLink(self._url, self._timeout_seconds)
        return link


def check_continues(source: str, after: Position, head: Position, entries: Sequence[Message]) -> None:
    """Raises `GapError` unless `entries` go on exactly where `after` ends."""
    first = entries[0] if entries else None
    if isinstance(first, Entry) and first.previous == after:
        return
    if first is None and head == after:
        return
    raise GapError(f"{source}: the log does not reach back to {after}; its head is {head}")


def _pairs(flat: Sequence[bytes]) -> list[tuple[str, bytes]]:
    return [(field.decode(), value) for field, value in zip(flat[::2], flat[1::2], strict=True)]


def fields_of(reply: Reply) -> dict[str, str]:
    """A hash of text, from what HGETALL answers."""
    return {field: value.decode() for field, value in _pairs(reply)}

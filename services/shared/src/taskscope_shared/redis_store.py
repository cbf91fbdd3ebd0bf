"""The store on Redis or Valkey. `docs/architecture.md` ("Positions") says what a flush is.

A flush is two round trips on a connection of the source's own: `WATCH lease meta` with what is to be compared, then
`MULTI`..`EXEC`. Nothing is ever scanned but one source's own hash of tasks.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence

from taskscope_shared import codec, settings
from taskscope_shared.clock import Clock
from taskscope_shared.codec import Head
from taskscope_shared.keys import KEY_TTL_SECONDS, ROLLUP_SECONDS
from taskscope_shared.model import Position
from taskscope_shared.redis_link import Command, RedisLink, Reply, explain, pack
from taskscope_shared.redis_log import LogTail
from taskscope_shared.redis_reader import RedisReader, fields_of
from taskscope_shared.store import Flush, Lease, LeaseLostError, StoreChangedError, StoreError

ATTEMPTS = 3
"""Tries when something touched the watched keys without taking the lease (an expiry that was refreshed)."""


class RedisStore(RedisReader):
    """`store.Store` on the server at `url`, with keys that begin with `prefix`.

    `log_bytes` and `log_seconds` bound each source's log. `url` may be a function that is asked at each connecting.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        clock: Clock,
        *,
        prefix: str = "taskscope",
        log_bytes: int = 64 * 1024 * 1024,
        log_seconds: float = 300.0,
        timeout_seconds: float = 5.0,
    ) -> None:
        super().__init__(url, clock, prefix=prefix, timeout_seconds=timeout_seconds)
        self._log_bytes = log_bytes
        self._log_seconds = log_seconds
        self._tails: dict[str, LogTail] = {}

    @classmethod
    def from_settings(cls, configured: settings.Settings, clock: Clock) -> "RedisStore":
        """As the installation is configured; the log's bytes are divided among its sources."""
        retention = configured.retention
        return cls(
            lambda: settings.resolve_url(configured.redis.url),
            clock,
            prefix=configured.redis.prefix,
            log_bytes=retention.log_bytes // max(1, len(configured.sources)),
            log_seconds=retention.log_seconds,
        )

    # --------------------------------------------------------------------------------------------------------- lease

    async def acquire(self, source: str, holder: str, ttl_seconds: float) -> Lease | None:
        """See `Writer.acquire`."""
        async with self._writing(source).held() as link:
            value, meta = await self._watch_lease(link, source)
            if value is not None:
                return None
            lease = Lease(
                source=source,
                holder=holder,
                epoch=self._next_epoch(meta),
                incarnation=meta.get("incarnation") or secrets.token_hex(8),
                head=Position.parse(meta.get("head", "0-0")),
                complete=meta.get("complete") == "1",
            )
            won = await self._take(link, lease, ttl_seconds, [])
        self._tails.pop(source, None)
        return lease if won else None

    async def restart(self, lease: Lease) -> Lease:
        """See `Writer.restart`."""
        async with self._writing(lease.source).held() as link:
            value, meta = await self._watch_lease(link, lease.source)
            if value not in (None, lease.value):
                raise LeaseLostError(f"{lease.source}: the lease is held by {value}")
            epoch = max(self._next_epoch(meta), lease.epoch + 1)
            begun = Lease(lease.source, lease.holder, epoch, secrets.token_hex(8), Position(), complete=False)
            ttl_seconds = max(await self._lease_left(link, lease.source), 1.0)
            keys = self._keys
            dropped = ("DEL", keys.log(lease.source), keys.workers(lease.source), keys.queues(lease.source))
            if not await self._take(link, begun, ttl_seconds, [dropped]):
                raise LeaseLostError(f"{lease.source}: the lease was taken while the store was begun anew")
        self._tails.pop(lease.source, None)
        return begun

    async def release(self, lease: Lease) -> None:
        """See `Writer.release`."""
        async with self._writing(lease.source).held() as link:
            value, _ = await self._watch_lease(link, lease.source)
            if value == lease.value:
                keys, source = self._keys, lease.source
                given_up = ("HSET", keys.meta(source), "released", str(lease.epoch))
                await link.run([("MULTI",), ("DEL", keys.lease(source)), given_up, ("EXEC",)])

    def _next_epoch(self, meta: dict[str, str]) -> int:
        seen = max(int(meta.get("epoch", 0)), Position.parse(meta.get("head", "0-0")).epoch)
        return max(int(self._clock.now() * 1000), seen + 1)

    async def _watch_lease(self, link: RedisLink, source: str) -> tuple[str | None, dict[str, str]]:
        keys = self._keys
        lease, meta = keys.lease(source), keys.meta(source)
        replies = await link.run([("UNWATCH",), ("WATCH", lease, meta), ("GET", lease), ("HGETALL", meta)])
        value = replies[2]
        return (None if value is None else value.decode()), fields_of(replies[3])

    async def _take(self, link: RedisLink, lease: Lease, ttl_seconds: float, more: list[Command]) -> bool:
        keys, source = self._keys, lease.source
        fields = {"incarnation": lease.incarnation, "head": str(lease.head), "epoch": str(lease.epoch)}
        fields["complete"] = "1" if lease.complete else "0"
        replies = await link.run(
            [
                ("MULTI",),
                ("SET", keys.lease(source), lease.value, "PX", max(1, int(ttl_seconds * 1000))),
                ("HSET", keys.meta(source), *_flat(fields)),
                ("EXPIRE", keys.meta(source), KEY_TTL_SECONDS),
                *more,
                ("EXEC",),
            ]
        )
        return _executed(replies[-1])

    async def _lease_left(self, link: RedisLink, source: str) -> float:
        left: int = (await link.run([("PTTL", self._keys.lease(source))]))[0]
        return left / 1000

    # --------------------------------------------------------------------------------------------------------- flush

    async def flush(self, lease: Lease, batch: Flush, ttl_seconds: float) -> None:
        """See `Writer.flush`."""
        entry = codec.encode(batch.entry(lease))
        async with self._writing(lease.source).held() as link:
            for _ in range(ATTEMPTS):
                logged = await self._compare(link, lease, lease.before(batch.seq))
                tail = self._tail(lease, logged)
                oldest = tail.add(batch.seq, batch.at, len(entry))
                channel = self._keys.channel(lease.source, await link.database())
                parts, count = self._transaction(lease, batch, entry, tail.bytes, oldest, ttl_seconds, channel)
                try:
                    if await self._execute(link, parts, count):
                        return
                except BaseException:
                    self._tails.pop(lease.source, None)  # whether the entry is there is not known: `log_bytes` tells
                    raise
                self._tails.pop(lease.source, None)
        raise StoreError(f"{lease.source}: something else keeps writing to the lease's key; no flush got through")

    async def _compare(self, link: RedisLink, lease: Lease, expected: Position) -> int:
        """Watch lease and meta, and see that both are as this holder left them. The log's bytes, as meta says."""
        keys, source = self._keys, lease.source
        replies = await link.run(
            [
                ("UNWATCH",),
                ("WATCH", keys.lease(source), keys.meta(source)),
                ("GET", keys.lease(source)),
                ("HMGET", keys.meta(source), "incarnation", "head", "log_bytes"),
            ]
        )
        value = None if replies[2] is None else replies[2].decode()
        incarnation, head, logged = (None if field is None else field.decode() for field in replies[3])
        if value not in (None, lease.value):
            raise LeaseLostError(f"{source}: the lease is held by {value}")
        if incarnation != lease.incarnation or Position.parse(head or "0-0") < expected:
            raise StoreChangedError(f"{source}: the store holds {incarnation} {head}, expected {lease.incarnation} {expected}")
        if value is None:
            raise LeaseLostError(f"{source}: the lease expired")
        if head != str(expected):
            raise StoreChangedError(f"{source}: the store is ahead, at {head} instead of {expected}")
        return int(logged or 0)

    def _tail(self, lease: Lease, logged: int) -> LogTail:
        tail = self._tails.get(lease.source)
        if tail is None or tail.epoch != lease.epoch:
            tail = LogTail(lease.epoch, logged, self._clock.now(), self._log_bytes, self._log_seconds)
            self._tails[lease.source] = tail
        return tail

    async def _execute(self, link: RedisLink, parts: list[bytes], count: int) -> bool:
        """Whether the transaction went through; False when a watched key was touched."""
        replies = await link.run_packed(parts, count)
        for reply in replies[:-1]:
            if isinstance(reply, Exception):
                raise explain(reply)
        return _executed(replies[-1])

    def _transaction(
        self,
        lease: Lease,
        batch: Flush,
        entry: bytes,
        log_bytes: int,
        oldest: Position | None,
        ttl_seconds: float,
        channel: str,
    ) -> tuple[list[bytes], int]:
        keys, source = self._keys, lease.source
        position = f"{lease.epoch}-{batch.seq}"
        trim: Command = () if oldest is None else ("MINID", "=", str(oldest))
        meta = {"head": position, "complete": "1" if batch.complete else "0", "log_bytes": str(log_bytes), **batch.meta}
        commands: list[Command] = [
            ("MULTI",),
            ("PEXPIRE", keys.lease(source), max(1, int(ttl_seconds * 1000))),
            ("HSET", keys.meta(source), *_flat(meta)),
            *self._state(source, batch),
            *self._rollups(source, batch),
            ("XADD", keys.log(source), *trim, position, "d", entry),
            *(self._refresh(source) if batch.seq == 1 else ()),
            ("PUBLISH", channel, entry),
            ("EXEC",),
        ]
        return pack(commands), len(commands)

    def _state(self, source: str, batch: Flush) -> list[Command]:
        keys = self._keys
        workers = {worker.name: codec.encode(worker) for worker in batch.workers}
        queues = {queue.name: codec.encode(queue) for queue in batch.queues}
        commands: list[Command] = []
        for key, fields, removed in (
            (keys.tasks(source), batch.tasks, batch.removed),
            (keys.workers(source), workers, batch.removed_workers),
            (keys.queues(source), queues, batch.removed_queues),
        ):
            commands.extend(_hash(key, fields, removed))
            if fields:
                # A hash begins with its first field, and who writes may end before the next announcement.
                commands.append(("EXPIRE", key, KEY_TTL_SECONDS))
        if batch.health is not None:
            commands.append(("SET", keys.health(source), codec.encode(batch.health), "EX", KEY_TTL_SECONDS))
        return commands

    def _rollups(self, source: str, batch: Flush) -> list[Command]:
        commands: list[Command] = []
        for (resolution, start), cells in batch.cells.items():
            key = self._keys.rollup(source, resolution, start)
            written = {field: cell for field, cell in cells.items() if cell is not None}
            commands.extend(_hash(key, written, [field for field, cell in cells.items() if cell is None]))
            left = start + resolution + ROLLUP_SECONDS[resolution] - batch.at
            commands.append(("EXPIRE", key, max(1, int(left))))
        return commands

    def _refresh(self, source: str) -> list[Command]:
        keys = self._keys
        kept = (keys.meta(source), keys.tasks(source), keys.workers(source), keys.queues(source), keys.log(source))
        return [("EXPIRE", key, KEY_TTL_SECONDS) for key in (*kept, keys.health(source))]

    async def announce(self, lease: Lease, position: Position, at: float, ttl_seconds: float | None = None) -> None:
        """See `Writer.announce`."""
        keys, source = self._keys, lease.source
        head = codec.encode(Head(codec.CODEC, source, lease.incarnation, position, at))
        renew: list[Command] = [] if ttl_seconds is None else [("PEXPIRE", keys.lease(source), max(1, int(ttl_seconds * 1000)))]
        body = [("MULTI",), *renew, *self._refresh(source)]
        async with self._writing(source).held() as link:
            for _ in range(ATTEMPTS):
                await self._compare(link, lease, position)
                published: Command = ("PUBLISH", keys.channel(source, await link.database()), head)
                if _executed((await link.run([*body, published, ("EXEC",)]))[-1]):
                    # On its own: it lies in another slot of a cluster.
                    await link.run([("ZADD", keys.sources, at, source), ("EXPIRE", keys.sources, KEY_TTL_SECONDS)])
                    return
        raise StoreError(f"{source}: something else keeps writing to the lease's key; the head was not announced")

    def _writing(self, source: str) -> RedisLink:
        return self._link(f"w{source}")


def _hash(key: str, fields: Mapping[str, bytes], removed: Sequence[str]) -> list[Command]:
    commands: list[Command] = []
    if fields:
        commands.append(("HSET", key, *_flat(fields)))
    if removed:
        commands.append(("HDEL", key, *removed))
    return commands


def _flat(fields: Mapping[str, str] | Mapping[str, bytes]) -> list[str | bytes]:
    return [part for pair in fields.items() for part in pair]


def _executed(reply: Reply) -> bool:
    """Whether EXEC ran. Raises what one of its commands said: some of the rest may have been done."""
    if reply is None:
        return False
    if isinstance(reply, Exception):
        raise explain(reply)
    for part in reply:
        if isinstance(part, Exception):
            raise StoreChangedError(f"a write was refused: {part}; the state is to be written anew")
    return True

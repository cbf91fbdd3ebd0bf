"""A store to test, whichever it is, and short ways to hold its lease and to write to it."""

import asyncio

from support.waiting import eventually
from taskscope_shared import codec
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, Position, State, Task
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.store import Flush, Lease, Store
from taskscope_shared.testing import MemoryStore

TTL = 30.0
NOW = 1_800_000_000.0


class Backend:
    """One implementation: makes stores on the same data, and does to the data what no writer would."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._memory = MemoryStore(SystemClock(), log_bytes=4096, log_seconds=60.0)
        self.opened: list[Store] = []

    def store(self) -> Store:
        made: Store = self._memory
        if self.url is not None:
            made = RedisStore(self.url, SystemClock(), prefix="t", log_bytes=4096, log_seconds=60.0)
        self.opened.append(made)
        return made

    async def erase(self) -> None:
        if self.url is None:
            self._memory.erase()
        else:
            await self._command("FLUSHALL")

    async def publish_raw(self, payload: bytes) -> None:
        if self.url is None:
            self._memory.publish_raw("s", payload)
        else:
            await self._command("PUBLISH", "t:{s}:live", payload)

    async def step_back(self) -> None:
        """Be as if a flush had never been."""
        if self.url is None:
            self._memory._state("s").meta["head"] = "1-0"
        else:
            await self._command("HSET", "t:{s}:meta", "head", "1-0")

    async def _command(self, *command: str | bytes) -> None:
        assert self.url is not None
        link = RedisLink(lambda: self.url or "")
        await link.call(command)
        await link.drop()


def task(id_: str, lease: Lease, seq: int, **fields: object) -> bytes:
    return codec.encode(Task(id_, lease.source, Engine.CELERY, State.RUNNING, lease.epoch, seq, **fields))  # type: ignore[arg-type]


async def held(store: Store, holder: str = "a", ttl_seconds: float = TTL) -> Lease:
    lease = await store.acquire("s", holder, ttl_seconds)
    assert lease is not None
    return lease


async def won(store: Store, holder: str) -> Lease:
    """The lease, once it is free."""
    found: list[Lease] = []

    async def free() -> bool:
        lease = await store.acquire("s", holder, TTL)
        found.extend([lease] if lease else [])
        return lease is not None

    await eventually(free, seconds=3, what="the lease to expire")
    return found[0]


async def stays_held(store: Store, seconds: float) -> None:
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        assert await store.acquire("s", "probe", TTL) is None
        await asyncio.sleep(0.02)


async def flush(store: Store, lease: Lease, seq: int, *ids: str, size: int = 0, complete: bool = True) -> None:
    tasks = {id_: task(id_, lease, seq, args="x" * size) for id_ in ids}
    await store.flush(lease, Flush(seq, NOW + seq, tasks=tasks, complete=complete), TTL)


async def head_of(store: Store) -> tuple[str, Position]:
    head = await store.head("s")
    assert head is not None
    return head

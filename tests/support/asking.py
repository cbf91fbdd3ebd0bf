"""A collector that runs in this process, and somebody who asks it through Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from support.waiting import eventually
from taskscope_collector.collector import Collector
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_requests import RedisAnswerer, RedisAsker
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.requests import PLACE, WORKER, NoAnswerError, Place, PlaceOf, WorkerFacts, WorkerOf
from taskscope_shared.settings import Settings, SourceSettings

Read = TypeVar("Read")


class Asking:
    """Asks about the source `s`."""

    def __init__(self, store_url: str) -> None:
        self.asker = RedisAsker(store_url)

    async def _ask(self, kind: str, arguments: msgspec.Struct, answer: type[Read], seconds: float) -> Read:
        return msgspec.msgpack.decode(await self.asker.ask("s", kind, arguments, seconds), type=answer)

    async def place(self, task_id: str, queue: str, seconds: float = 3.0) -> Place:
        return await self._ask(PLACE, PlaceOf(task_id, queue), Place, seconds)

    async def worker(self, name: str, seconds: float = 3.0) -> WorkerFacts:
        return await self._ask(WORKER, WorkerOf(name), WorkerFacts, seconds)

    async def until_answered(self) -> None:
        """Until a collector holds the source and is connected to its broker."""

        async def answered() -> bool:
            try:
                await self.place("nobody", "nothing", 1.0)
            except NoAnswerError:
                return False
            return True

        await eventually(answered, seconds=30, what="the collector to answer")


@asynccontextmanager
async def collecting(store_url: str, source: SourceSettings, **options: Any) -> AsyncIterator[Collector]:
    """A collector of `source`."""
    clock = SystemClock()
    store, answerer = RedisStore(store_url, clock), RedisAnswerer(store_url)
    collector = Collector(Settings(sources=(source,)), store, clock, answerer=answerer, **options)
    running = asyncio.create_task(collector.run())
    try:
        yield collector
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await answerer.close()
        await store.close()


@asynccontextmanager
async def asking(store_url: str) -> AsyncIterator[Asking]:
    """Who asks."""
    made = Asking(store_url)
    try:
        yield made
    finally:
        await made.asker.close()

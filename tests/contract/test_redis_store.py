"""What only a store on a server can meet: that it is away, refuses, is a replica, forgets, or is read too slowly."""

import asyncio

import pytest
from support.stores import NOW, TTL, flush, head_of, held, task
from support.waiting import eventually
from taskscope_shared import codec
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import Head
from taskscope_shared.model import Engine, Position, Queue, Source, SourceStatus, Worker, WorkerState
from taskscope_shared.redis_follow import follow
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.store import Flush, StoreError


async def test_a_server_that_is_not_there_is_a_store_error() -> None:
    store = RedisStore("redis://127.0.0.1:1/0", SystemClock())
    with pytest.raises(StoreError, match="cannot be reached"):
        await store.ping()
    with pytest.raises(StoreError):
        await store.acquire("s", "a", TTL)
    with pytest.raises(StoreError):
        async with store.follow(["s"]):
            pass


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [("maxmemory", "1", "maxmemory"), ("min-replicas-to-write", "1", "refused")],
)
async def test_a_server_that_refuses_writes_says_why_and_nothing_is_written(
    valkey_url: str, setting: str, value: str, expected: str
) -> None:
    store = RedisStore(valkey_url, SystemClock())
    link = RedisLink(lambda: valkey_url)
    lease = await held(store)
    await flush(store, lease, 1, "1")
    await link.call(("CONFIG", "SET", setting, value))
    with pytest.raises(StoreError, match=expected):
        await flush(store, lease, 2, "2")
    await link.call(("CONFIG", "SET", setting, "0"))
    assert await head_of(store) == (lease.incarnation, Position(lease.epoch, 1))
    await flush(store, lease, 2, "2")
    await store.close()
    await link.drop()


async def test_a_read_only_replica_says_what_redis_url_should_name(valkey_url: str) -> None:
    link = RedisLink(lambda: valkey_url)
    await link.call(("REPLICAOF", "127.0.0.1", "1"))
    store = RedisStore(valkey_url, SystemClock())
    with pytest.raises(StoreError, match=r"redis\.url has to name the primary"):
        await store.acquire("s", "a", TTL)
    await store.close()
    await link.drop()


async def test_every_key_expires_when_nobody_refreshes_it(valkey_url: str) -> None:
    store = RedisStore(valkey_url, SystemClock(), prefix="t")
    link = RedisLink(lambda: valkey_url)
    lease = await held(store)
    batch = Flush(
        1,
        NOW,
        tasks={"1": task("1", lease, 1)},
        workers=[Worker("w", "s", Engine.RQ, WorkerState.ONLINE)],
        queues=[Queue("q", "s", Engine.RQ)],
        health=Source("s", Engine.RQ, SourceStatus.UP),
        cells={(60, int(NOW) // 60 * 60): {"source:": b"c"}},
    )
    await store.flush(lease, batch, TTL)
    await store.announce(lease, Position(lease.epoch, 1), NOW, TTL)
    keys = (await link.call(("KEYS", "*")))[0]
    assert len(keys) == 9
    times = await link.call(*(("TTL", key) for key in keys))
    assert all(time > 0 for time in times), dict(zip(keys, times, strict=True))
    await store.close()
    await link.drop()


async def test_a_hash_that_a_later_flush_begins_expires_without_an_announcement(valkey_url: str) -> None:
    store = RedisStore(valkey_url, SystemClock(), prefix="t")
    link = RedisLink(lambda: valkey_url)
    lease = await held(store)
    await store.flush(lease, Flush(1, NOW), TTL)
    workers = [Worker("w", "s", Engine.RQ, WorkerState.ONLINE)]
    queues = [Queue("q", "s", Engine.RQ)]
    await store.flush(lease, Flush(2, NOW, tasks={"1": task("1", lease, 2)}, workers=workers, queues=queues), TTL)
    keys = [f"t:{{s}}:{name}" for name in ("tasks", "workers", "queues")]
    times = await link.call(*(("TTL", key) for key in keys))
    assert all(time > 0 for time in times), dict(zip(keys, times, strict=True))
    await store.close()
    await link.drop()


async def test_installations_in_two_databases_of_a_server_do_not_hear_each_other(valkey_url: str) -> None:
    server = valkey_url.rpartition("/")[0]
    stores = [RedisStore(f"{server}/{database}", SystemClock()) for database in (0, 1)]
    async with stores[0].follow(["s"]) as one, stores[1].follow(["s"]) as other:
        for store, messages in zip(stores, (one, other), strict=True):
            lease = await held(store)
            await flush(store, lease, 1, "1")
            await store.announce(lease, Position(lease.epoch, 1), NOW)
            heard = [await asyncio.wait_for(anext(messages), 5) for _ in range(2)]
            assert {message.incarnation for message in heard} == {lease.incarnation}
    for store in stores:
        await store.close()


def _skip() -> None:
    """No message here is one that cannot be decoded."""


async def test_a_follower_that_does_not_read_gets_an_error_instead_of_holding_the_socket(valkey_url: str) -> None:
    link = RedisLink(lambda: valkey_url)
    async with follow(RedisLink(lambda: valkey_url), ["c"], _skip, limit_bytes=1000) as messages:
        payload = codec.encode(Head(codec.CODEC, "s" * 400, "i", Position(), NOW))
        for _ in range(10):
            await link.call(("PUBLISH", "c", payload))

        async def read_to_the_end() -> None:
            async for _ in messages:
                pass

        with pytest.raises(StoreError, match="read the log"):
            await asyncio.wait_for(read_to_the_end(), 5)
    await link.drop()


async def test_a_follower_that_heard_nothing_for_long_hears_what_comes_then(valkey_url: str) -> None:
    link, following = RedisLink(lambda: valkey_url), RedisLink(lambda: valkey_url)
    head = Head(codec.CODEC, "s", "i", Position(), NOW)
    async with follow(following, ["c"], _skip, quiet_seconds=0.05) as messages:

        async def was_asked() -> bool:
            answer = (await link.call(("INFO", "commandstats")))[0]
            return b"cmdstat_ping:calls=1" not in answer and b"cmdstat_ping:" in answer

        await eventually(was_asked, what="the silent server to be asked twice")
        await link.call(("PUBLISH", "c", codec.encode(head)))
        assert await asyncio.wait_for(anext(messages), 5) == head
    await link.drop()


async def test_a_follower_of_a_server_that_answers_nothing_any_more_gets_an_error(valkey_url: str) -> None:
    link, following = RedisLink(lambda: valkey_url), RedisLink(lambda: valkey_url, timeout_seconds=0.2)
    async with follow(following, ["c"], _skip, quiet_seconds=0.05) as messages:
        await link.call(("CLIENT", "PAUSE", 60_000, "ALL"))
        with pytest.raises(StoreError, match="cannot be reached"):
            await asyncio.wait_for(anext(messages), 5)
    await link.drop()

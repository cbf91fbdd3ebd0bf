"""How the api's processes find each other: the same through Redis, Valkey and in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.stores import Backend
from taskscope_shared.clock import ManualClock
from taskscope_shared.keys import Keys
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_replicas import RedisReplicas
from taskscope_shared.replicas import ANNOUNCED_SECONDS, SECRET_BYTES, SECRET_SECONDS, Replicas
from taskscope_shared.testing import MemoryReplicas


@pytest.fixture
async def replicas(backend: Backend) -> AsyncIterator[Replicas]:
    made: Replicas = MemoryReplicas(ManualClock()) if backend.url is None else RedisReplicas(backend.url, prefix="t")
    yield made
    await made.close()


async def test_a_replica_is_found_by_its_id_until_it_withdraws(replicas: Replicas) -> None:
    assert await replicas.url_of("a") is None
    await replicas.announce("a", "http://10.0.0.1:5051")
    await replicas.announce("b", "http://10.0.0.2:5051")
    assert [await replicas.url_of(name) for name in "ab"] == ["http://10.0.0.1:5051", "http://10.0.0.2:5051"]
    await replicas.withdraw("a")
    assert [await replicas.url_of(name) for name in "ab"] == [None, "http://10.0.0.2:5051"]


async def test_all_share_one_secret_whoever_announces_first(replicas: Replicas) -> None:
    secrets = await asyncio.gather(*(replicas.announce(name, "http://10.0.0.1:5051") for name in "abc"))
    assert len(set(secrets)) == 1
    assert len(secrets[0]) == 2 * SECRET_BYTES
    assert await replicas.announce("a", "http://10.0.0.1:5051") == secrets[0]


async def test_what_is_announced_expires_by_itself() -> None:
    clock = ManualClock()
    replicas = MemoryReplicas(clock)
    await replicas.announce("a", "http://10.0.0.1:5051")
    clock.advance(ANNOUNCED_SECONDS + 1)
    assert await replicas.url_of("a") is None


async def test_both_keys_expire_in_redis(valkey_url: str) -> None:
    replicas, link = RedisReplicas(valkey_url, prefix="t"), RedisLink(lambda: valkey_url)
    try:
        await replicas.announce("a", "http://10.0.0.1:5051")
        keys = Keys("t")
        left = await link.call(("TTL", keys.replica("a")), ("TTL", keys.replicas_secret))
        assert 0 < left[0] <= ANNOUNCED_SECONDS
        assert SECRET_SECONDS - 60 < left[1] <= SECRET_SECONDS
    finally:
        await replicas.close()
        await link.drop()

"""The servers that tests use are what their names say."""

import asyncio

import aiormq
import pytest
import redis


def test_each_redis_answers_and_is_empty(each_redis_url: str) -> None:
    with redis.Redis.from_url(each_redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")


def test_each_redis_is_empty_again(each_redis_url: str) -> None:
    with redis.Redis.from_url(each_redis_url) as client:
        assert client.dbsize() == 0


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("rabbitmq")
async def test_rabbitmq_has_a_virtual_host_for_the_test(rabbitmq_url: str) -> None:
    connection = await asyncio.wait_for(aiormq.connect(rabbitmq_url), 10)
    channel = await connection.channel()
    declared = await channel.queue_declare("a-queue")
    assert declared.message_count == 0
    await connection.close()

"""A connection to Taskscope's own Redis that nobody used for a while."""

import pytest
from support.waiting import eventually
from taskscope_shared.redis_link import RedisLink


async def _killed(url: str, link: RedisLink) -> None:
    """The server ends all connections but the one that asks it to, as a restart, a proxy or its `timeout` does."""
    other = RedisLink(lambda: url)
    await other.call(("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
    await other.drop()
    await eventually(link._ended)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_connection_that_was_ended_while_it_was_idle_costs_no_question(valkey_url: str, times: int) -> None:
    link = RedisLink(lambda: valkey_url)
    try:
        for _ in range(times):
            assert await link.call(("ECHO", "here")) == [b"here"]
            await _killed(valkey_url, link)
        assert await link.call(("ECHO", "there")) == [b"there"]
    finally:
        await link.drop()

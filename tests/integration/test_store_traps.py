"""What Redis does with transactions and streams that would let a write through in part, or twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.stores import TTL, flush, head_of, held
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Position
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.store import LeaseLostError, StoreChangedError

LEASE, LOG, TASKS = "t:{s}:lease", "t:{s}:log", "t:{s}:tasks"


class Interrupted(RedisStore):
    """Lets something happen between the WATCH and the MULTI of a flush, once."""

    def __init__(self, url: str, interruption: Callable[[], Awaitable[object]]) -> None:
        super().__init__(url, SystemClock(), prefix="t")
        self._interruption: Callable[[], Awaitable[object]] | None = interruption

    async def _execute(self, *arguments: Any) -> bool:
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            await interruption()
        return await super()._execute(*arguments)


@asynccontextmanager
async def interrupted(url: str, *commands: tuple[str, ...]) -> AsyncIterator[tuple[Interrupted, RedisLink]]:
    link = RedisLink(lambda: url)

    async def interrupt() -> None:
        for command in commands:
            await link.call(command)
        if any("PEXPIRE" in command for command in commands):
            async with asyncio.timeout(5):
                while (await link.call(("EXISTS", LEASE)))[0]:  # noqa: ASYNC110 - the server's clock has no event
                    await asyncio.sleep(0.01)

    store = Interrupted(url, interrupt)
    yield store, link
    await store.close()
    await link.drop()


@pytest.mark.parametrize(
    "command", [("SET", LEASE, "9:other"), ("PEXPIRE", LEASE, "20"), ("DEL", LEASE)], ids=["taken", "expired", "deleted"]
)
async def test_a_lease_that_goes_while_a_flush_is_on_its_way_refuses_it_whole(
    valkey_url: str, command: tuple[str, ...]
) -> None:
    async with interrupted(valkey_url, command) as (store, link):
        lease = await held(store)
        with pytest.raises(LeaseLostError):
            await flush(store, lease, 1, "1")
        assert await link.call(("EXISTS", LOG), ("EXISTS", TASKS)) == [0, 0]


async def test_a_lease_that_is_renewed_while_a_flush_is_on_its_way_only_makes_it_begin_again(valkey_url: str) -> None:
    """A renewal by the very same holder between WATCH and MULTI refuses the transaction, too."""
    async with interrupted(valkey_url, ("PERSIST", LEASE), ("EXPIRE", LEASE, "30")) as (store, link):
        lease = await held(store, ttl_seconds=TTL)
        await flush(store, lease, 1, "1")
        assert await head_of(store) == (lease.incarnation, Position(lease.epoch, 1))
        assert await link.call(("XLEN", LOG), ("HLEN", TASKS)) == [1, 1]


async def test_a_position_that_the_log_is_beyond_is_told_and_the_state_begun_anew(valkey_url: str) -> None:
    """The refusal of one XADD undoes none of its neighbours in the transaction: what is stored then agrees with no entry."""
    async with interrupted(valkey_url) as (store, link):
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await link.call(("XADD", LOG, f"{lease.epoch}-7", "d", "foreign"))
        with pytest.raises(StoreChangedError, match="written anew"):
            await flush(store, lease, 2, "2")
        assert (await link.call(("HLEN", TASKS)))[0] == 2, "Redis itself would have undone it: the trap is gone"
        begun = await store.restart(lease)
        assert begun.incarnation != lease.incarnation
        await flush(store, begun, 1, "3")
        assert await head_of(store) == (begun.incarnation, Position(begun.epoch, 1))

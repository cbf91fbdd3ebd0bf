"""Who takes a lease that became free."""

import pytest
from taskscope_collector.lease import YIELD_SECONDS, LeaseKeeper
from taskscope_shared.clock import ManualClock
from taskscope_shared.store import Lease
from taskscope_shared.testing import MemoryStore

LEASE_SECONDS = 4.0


class Standing:
    """Collectors that stand by, and one that held the lease when they began."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)

    def keeper(self, holder: str) -> LeaseKeeper:
        return LeaseKeeper(self.store, "s", holder, LEASE_SECONDS, int)

    async def tried(self, keeper: LeaseKeeper) -> Lease | None:
        return await keeper.attempt(self.clock.monotonic())

    async def held(self) -> Lease:
        lease = await self.store.acquire("s", "holder", LEASE_SECONDS)
        assert lease is not None
        return lease

    async def renewed(self, lease: Lease) -> None:
        await self.store.announce(lease, lease.head, self.clock.now(), LEASE_SECONDS)


@pytest.fixture
def standing() -> Standing:
    return Standing()


async def test_a_free_lease_is_taken_at_once_where_nobody_held_it(standing: Standing) -> None:
    assert await standing.tried(standing.keeper("a")) is not None


async def test_one_that_began_after_the_holder_died_leaves_the_lease_to_a_standby(standing: Standing) -> None:
    standby, restarted = standing.keeper("standby"), standing.keeper("restarted")
    held = await standing.held()
    assert await standing.tried(standby) is None
    standing.clock.advance(1.0)
    await standing.renewed(held)
    assert await standing.tried(standby) is None
    standing.clock.advance(2.0)
    assert await standing.tried(restarted) is None
    standing.clock.advance(1.0)
    assert await standing.tried(restarted) is None
    standing.clock.advance(1.1)
    assert await standing.tried(restarted) is None
    assert await standing.store.lease_left("s") == 0
    won = await standing.tried(standby)
    assert won is not None
    assert won.holder == "standby"


async def test_a_lease_that_was_given_up_is_taken_at_once(standing: Standing) -> None:
    begun = standing.keeper("begun")
    held = await standing.held()
    assert await standing.tried(begun) is None
    standing.clock.advance(1.0)
    await standing.store.release(held)
    assert await standing.tried(begun) is not None


async def test_one_that_finds_a_lease_that_ran_out_leaves_it_to_a_standby_first(standing: Standing) -> None:
    await standing.held()
    standing.clock.advance(LEASE_SECONDS + 0.1)
    begun = standing.keeper("begun")
    assert await standing.tried(begun) is None
    assert not begun.tried
    standing.clock.advance(YIELD_SECONDS)
    assert await standing.tried(begun) is not None
    assert begun.tried


async def test_it_takes_the_lease_itself_where_no_standby_comes(standing: Standing) -> None:
    restarted = standing.keeper("restarted")
    await standing.held()
    standing.clock.advance(2.0)
    assert await standing.tried(restarted) is None
    standing.clock.advance(2.1)
    assert await standing.tried(restarted) is None
    standing.clock.advance(YIELD_SECONDS)
    assert await standing.tried(restarted) is not None


async def test_a_standby_tries_as_soon_as_a_lease_that_nobody_renews_runs_out(standing: Standing) -> None:
    standby = standing.keeper("standby")
    await standing.held()
    assert await standing.tried(standby) is None
    assert standby.pause_seconds() == 0.5
    standing.clock.advance(LEASE_SECONDS - 0.2)
    assert await standing.tried(standby) is None
    assert standby.pause_seconds() == pytest.approx(0.22)

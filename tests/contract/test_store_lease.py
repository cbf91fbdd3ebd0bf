"""Who may write to a source, and how that is told: the same for Redis, Valkey and the twin in memory."""

import pytest
from support.stores import NOW, TTL, flush, held, stays_held, won
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Position
from taskscope_shared.store import LeaseLostError, Store


class TestLease:
    async def test_an_empty_store_gives_a_lease_with_a_new_incarnation(self, store: Store) -> None:
        lease = await held(store)
        assert lease.incarnation
        assert lease.head == Position(0, 0)
        assert not lease.complete

    async def test_a_held_lease_is_not_given_to_another(self, store: Store) -> None:
        await held(store, "a")
        assert await store.acquire("s", "b", TTL) is None

    async def test_it_is_said_how_long_a_lease_is_held_yet(self, store: Store) -> None:
        assert await store.lease_left("s") == 0
        lease = await held(store, "a")
        assert TTL - 1 < await store.lease_left("s") <= TTL
        await store.release(lease)
        assert await store.lease_left("s") == 0

    async def test_a_released_lease_is_won_at_once_with_a_higher_epoch(self, store: Store) -> None:
        first = await held(store, "a")
        await store.release(first)
        second = await held(store, "b")
        assert second.epoch > first.epoch
        assert second.incarnation == first.incarnation

    async def test_an_expired_lease_is_won_by_another(self, store: Store) -> None:
        first = await held(store, "a", 0.1)
        second = await won(store, "b")
        assert second.epoch > first.epoch

    async def test_releasing_a_lease_that_another_won_leaves_it_alone(self, store: Store) -> None:
        first = await held(store, "a", 0.1)
        await won(store, "b")
        await store.release(first)
        assert await store.acquire("s", "c", TTL) is None

    async def test_an_epoch_is_above_the_last_one_seen_even_when_the_clock_stands(self, store: Store) -> None:
        epochs = []
        for _ in range(5):
            lease = await held(store)
            epochs.append(lease.epoch)
            await store.release(lease)
        assert epochs == sorted(set(epochs))

    async def test_sources_have_leases_of_their_own(self, store: Store) -> None:
        await held(store)
        assert await store.acquire("other", "b", TTL) is not None


class TestAnnouncement:
    async def test_a_source_is_listed_once_announced(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        assert await store.sources() == []
        await store.announce(lease, Position(lease.epoch, 1), SystemClock().now())
        assert await store.sources() == ["s"]

    async def test_an_announcement_renews_the_lease_when_asked(self, store: Store) -> None:
        lease = await held(store, "a", 0.3)
        await store.announce(lease, lease.head, NOW, TTL)
        await stays_held(store, 0.4)

    async def test_an_announcement_of_a_lost_lease_is_refused(self, store: Store) -> None:
        lease = await held(store, "a", 0.1)
        await won(store, "b")
        with pytest.raises(LeaseLostError):
            await store.announce(lease, lease.head, NOW, TTL)

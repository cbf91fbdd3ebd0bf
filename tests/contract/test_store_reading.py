"""Snapshots, the log and what is published: the same for Redis, Valkey and the twin in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.stores import NOW, TTL, Backend, flush, held
from taskscope_shared import codec
from taskscope_shared.codec import Entry, Head, Message
from taskscope_shared.model import Position
from taskscope_shared.store import Flush, GapError, Store


async def test_a_store_that_answers_pings_is_there(store: Store) -> None:
    await store.ping()


class TestSnapshot:
    async def test_an_empty_store_has_none(self, store: Store) -> None:
        assert await store.snapshot("s") is None
        assert await store.head("s") is None

    async def test_thousands_of_tasks_are_read_whole(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, *map(str, range(5000)))
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert {found.id for found in snapshot.tasks} == set(map(str, range(5000)))
        assert len(await store.task_ids("s")) == 5000


class TestLog:
    async def test_the_log_goes_on_after_a_position(self, store: Store) -> None:
        lease = await held(store)
        for seq in (1, 2, 3):
            await flush(store, lease, seq, str(seq))
        entries = await store.log("s", lease.incarnation, Position(lease.epoch, 1))
        assert [(entry.position.seq, entry.previous.seq) for entry in entries if isinstance(entry, Entry)] == [(2, 1), (3, 2)]
        assert await store.log("s", lease.incarnation, Position(lease.epoch, 3)) == []

    async def test_the_log_is_read_in_steps(self, store: Store) -> None:
        lease = await held(store)
        for seq in (1, 2, 3):
            await flush(store, lease, seq)
        entries = await store.log("s", lease.incarnation, Position(0, 0), limit=2)
        assert [entry.position.seq for entry in entries] == [1, 2]

    async def test_the_log_goes_on_across_holdings(self, store: Store) -> None:
        first = await held(store, "a")
        await flush(store, first, 1, "1")
        await store.release(first)
        second = await held(store, "b")
        await flush(store, second, 1, "2")
        entries = await store.log("s", first.incarnation, Position(first.epoch, 1))
        assert [entry.position for entry in entries] == [Position(second.epoch, 1)]

    async def test_a_position_behind_the_tail_is_a_gap(self, store: Store) -> None:
        lease = await held(store)
        for seq in range(1, 11):
            await flush(store, lease, seq, str(seq), size=1000)
        with pytest.raises(GapError):
            await store.log("s", lease.incarnation, Position(lease.epoch, 1))
        kept = await store.log("s", lease.incarnation, Position(lease.epoch, 8))
        assert [entry.position.seq for entry in kept] == [9, 10]

    async def test_entries_of_an_older_holding_are_trimmed_too(self, store: Store) -> None:
        first = await held(store, "a")
        for seq in (1, 2, 3):
            await flush(store, first, seq, str(seq), size=1000)
        await store.release(first)
        second = await held(store, "b")
        for seq in (1, 2, 3):
            await flush(store, second, seq, str(seq), size=1000)
        with pytest.raises(GapError):
            await store.log("s", first.incarnation, Position(first.epoch, 1))
        kept = await store.log("s", second.incarnation, Position(second.epoch, 1))
        assert [entry.position.seq for entry in kept] == [2, 3]
        assert int((await store.meta("s"))["log_bytes"]) <= 4096

    async def test_old_entries_are_trimmed_by_time(self, store: Store) -> None:
        lease = await held(store)
        for seq, at in ((1, NOW), (2, NOW + 30), (3, NOW + 70)):
            await store.flush(lease, Flush(seq, at), TTL)
        with pytest.raises(GapError):
            await store.log("s", lease.incarnation, Position(0, 0))
        assert len(await store.log("s", lease.incarnation, Position(lease.epoch, 1))) == 2

    async def test_another_incarnation_is_a_gap(self, store: Store) -> None:
        lease = await held(store)
        with pytest.raises(GapError):
            await store.log("s", "other", Position(lease.epoch, 0))

    async def test_an_unknown_position_is_a_gap(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1)
        with pytest.raises(GapError):
            await store.log("s", lease.incarnation, Position(lease.epoch, 7))


async def received(messages: AsyncIterator[Message], count: int) -> list[Message]:
    async with asyncio.timeout(5):
        return [await anext(messages) for _ in range(count)]


class TestFollowing:
    async def test_a_follower_gets_flushes_and_heads_as_they_are_written(self, store: Store) -> None:
        lease = await held(store)
        async with store.follow(["s"]) as messages:
            await flush(store, lease, 1, "1")
            await store.announce(lease, Position(lease.epoch, 1), NOW)
            entry, head = await received(messages, 2)
        assert isinstance(entry, Entry)
        assert codec.decode_task(entry.tasks[0]).id == "1"
        assert entry.previous == Position(0, 0)
        assert head == Head(codec.CODEC, "s", lease.incarnation, Position(lease.epoch, 1), NOW)

    async def test_what_is_logged_and_published_is_the_same(self, store: Store) -> None:
        lease = await held(store)
        async with store.follow(["s"]) as messages:
            await flush(store, lease, 1, "1")
            published = await received(messages, 1)
        assert published == await store.log("s", lease.incarnation, Position(0, 0))

    async def test_only_the_sources_asked_for_are_followed(self, store: Store) -> None:
        lease = await held(store)
        other = await store.acquire("other", "a", TTL)
        assert other is not None
        async with store.follow(["s"]) as messages:
            await store.flush(other, Flush(1, NOW), TTL)
            await store.flush(lease, Flush(1, NOW), TTL)
            assert [message.source for message in await received(messages, 1)] == ["s"]

    async def test_what_cannot_be_decoded_is_counted_and_skipped(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        async with store.follow(["s"]) as messages:
            await backend.publish_raw(b"\xc1")
            await backend.publish_raw(codec.encode(Head(99, "s", "i", Position(), NOW)))
            await store.announce(lease, lease.head, NOW)
            assert len(await received(messages, 1)) == 1
        assert store.undecodable == 2  # type: ignore[attr-defined]

    async def test_following_nothing_waits(self, store: Store) -> None:
        async with store.follow([]) as messages:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(messages)

    async def test_two_readers_agree_with_the_writer(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        readers = [backend.store() for _ in range(2)]
        async with readers[0].follow(["s"]) as one, readers[1].follow(["s"]) as two:
            for seq in range(1, 21):
                await flush(store, lease, seq, str(seq % 7))
            assert await received(one, 20) == await received(two, 20)

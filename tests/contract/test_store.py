"""What a store does: the same for Redis, Valkey and the twin in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from support.waiting import eventually
from taskscope_shared import codec
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import Entry, Head, Message
from taskscope_shared.model import Engine, Position, Queue, Source, SourceStatus, State, Task, Worker, WorkerState
from taskscope_shared.redis_follow import follow
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.store import (
    Flush,
    GapError,
    Lease,
    LeaseLostError,
    Store,
    StoreChangedError,
    StoreError,
)
from taskscope_shared.testing import MemoryStore

TTL = 30.0
NOW = 1_800_000_000.0


class Backend:
    """One implementation: makes stores on the same data, and does to the data what no writer would."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._memory = MemoryStore(SystemClock(), log_bytes=4096, log_seconds=60.0)
        self.opened: list[Store] = []

    def store(self) -> Store:
        made: Store = self._memory
        if self.url is not None:
            made = RedisStore(self.url, SystemClock(), prefix="t", log_bytes=4096, log_seconds=60.0)
        self.opened.append(made)
        return made

    async def erase(self) -> None:
        if self.url is None:
            self._memory.erase()
        else:
            await self._command("FLUSHALL")

    async def publish_raw(self, payload: bytes) -> None:
        if self.url is None:
            self._memory.publish_raw("s", payload)
        else:
            await self._command("PUBLISH", "t:{s}:live", payload)

    async def step_back(self) -> None:
        """Be as if a flush had never been."""
        if self.url is None:
            self._memory._state("s").meta["head"] = "1-0"
        else:
            await self._command("HSET", "t:{s}:meta", "head", "1-0")

    async def _command(self, *command: str | bytes) -> None:
        assert self.url is not None
        link = RedisLink(lambda: self.url or "")
        await link.call(command)
        await link.drop()


@pytest.fixture(params=["memory", "valkey_url", "redis_8_url", "valkey_8_url"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    made = Backend(None if request.param == "memory" else str(request.getfixturevalue(request.param)))
    yield made
    for store in made.opened:
        await store.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.store()


def task(id_: str, lease: Lease, seq: int, **fields: object) -> bytes:
    return codec.encode(Task(id_, lease.source, Engine.CELERY, State.RUNNING, lease.epoch, seq, **fields))  # type: ignore[arg-type]


async def held(store: Store, holder: str = "a", ttl_seconds: float = TTL) -> Lease:
    lease = await store.acquire("s", holder, ttl_seconds)
    assert lease is not None
    return lease


async def won(store: Store, holder: str) -> Lease:
    """The lease, once it is free."""
    found: list[Lease] = []

    async def free() -> bool:
        lease = await store.acquire("s", holder, TTL)
        found.extend([lease] if lease else [])
        return lease is not None

    await eventually(free, seconds=3, what="the lease to expire")
    return found[0]


async def stays_held(store: Store, seconds: float) -> None:
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        assert await store.acquire("s", "probe", TTL) is None
        await asyncio.sleep(0.02)


async def flush(store: Store, lease: Lease, seq: int, *ids: str, size: int = 0, complete: bool = True) -> None:
    tasks = {id_: task(id_, lease, seq, args="x" * size) for id_ in ids}
    await store.flush(lease, Flush(seq, NOW + seq, tasks=tasks, complete=complete), TTL)


async def head_of(store: Store) -> tuple[str, Position]:
    head = await store.head("s")
    assert head is not None
    return head


class TestLease:
    async def test_an_empty_store_gives_a_lease_with_a_new_incarnation(self, store: Store) -> None:
        lease = await held(store)
        assert lease.incarnation
        assert lease.head == Position(0, 0)
        assert not lease.complete

    async def test_a_held_lease_is_not_given_to_another(self, store: Store) -> None:
        await held(store, "a")
        assert await store.acquire("s", "b", TTL) is None

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


class TestFlush:
    async def test_what_was_flushed_is_in_the_snapshot(self, store: Store) -> None:
        lease = await held(store)
        worker = Worker("w", "s", Engine.CELERY, WorkerState.ONLINE)
        queue = Queue("q", "s", Engine.CELERY, depth=3)
        health = Source("s", Engine.CELERY, SourceStatus.UP)
        batch = Flush(1, NOW, tasks={"1": task("1", lease, 1)}, workers=[worker], queues=[queue], health=health)
        await store.flush(lease, batch, TTL)
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert [found.id for found in snapshot.tasks] == ["1"]
        assert (snapshot.workers, snapshot.queues, snapshot.health) == ([worker], [queue], health)
        assert (snapshot.incarnation, snapshot.position) == (lease.incarnation, Position(lease.epoch, 1))
        assert snapshot.complete

    async def test_what_was_removed_is_gone(self, store: Store) -> None:
        lease = await held(store)
        workers = [Worker(name, "s", Engine.RQ, WorkerState.ONLINE) for name in ("u", "v")]
        queues = [Queue(name, "s", Engine.RQ) for name in ("p", "q")]
        tasks = {id_: task(id_, lease, 1) for id_ in "12"}
        await store.flush(lease, Flush(1, NOW, tasks=tasks, workers=workers, queues=queues), TTL)
        await store.flush(lease, Flush(2, NOW, removed=["1"], removed_workers=["u"], removed_queues=["p"]), TTL)
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert [found.id for found in snapshot.tasks] == ["2"]
        assert [found.name for found in snapshot.workers] == ["v"]
        assert [found.name for found in snapshot.queues] == ["q"]
        assert await store.task_ids("s") == ["2"]

    async def test_a_flush_moves_the_head_and_a_new_holder_sees_it(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await flush(store, lease, 2, "2")
        assert await head_of(store) == (lease.incarnation, Position(lease.epoch, 2))
        await store.release(lease)
        after = await held(store, "b")
        assert after.head == Position(lease.epoch, 2)
        assert after.complete
        await flush(store, after, 1, "3")
        assert await head_of(store) == (lease.incarnation, Position(after.epoch, 1))

    async def test_a_flush_renews_the_lease(self, store: Store) -> None:
        lease = await held(store, "a", 0.3)
        await store.flush(lease, Flush(1, NOW), TTL)
        await stays_held(store, 0.4)

    async def test_a_flush_after_another_took_the_lease_is_refused_whole(self, store: Store) -> None:
        old = await held(store, "a", 0.1)
        new = await won(store, "b")
        await flush(store, new, 1, "new")
        batch = Flush(1, NOW, tasks={"old": task("old", old, 1)}, cells={(60, 0): {"name:n": b"c"}})
        with pytest.raises(LeaseLostError):
            await store.flush(old, batch, TTL)
        assert await store.task_ids("s") == ["new"]
        assert await store.load_cells("s", {(60, 0): []}) == {}
        assert await head_of(store) == (new.incarnation, Position(new.epoch, 1))

    async def test_a_flush_after_the_lease_expired_is_refused(self, store: Store) -> None:
        lease = await held(store, "a", 0.05)

        await store.release(await won(store, "probe"))
        with pytest.raises(LeaseLostError):
            await flush(store, lease, 1, "1")
        assert await store.task_ids("s") == []

    async def test_an_incomplete_state_is_marked_until_the_last_flush(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1", complete=False)
        assert (await store.meta("s"))["complete"] == "0"
        await flush(store, lease, 2, "2")
        assert (await store.meta("s"))["complete"] == "1"

    async def test_more_meta_is_written_with_the_flush(self, store: Store) -> None:
        lease = await held(store)
        await store.flush(lease, Flush(1, NOW, meta={"rolled:300": "1200"}), TTL)
        assert (await store.meta("s"))["rolled:300"] == "1200"

    async def test_loaded_tasks_are_those_among_the_ids_that_are_there(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1", "2")
        found = await store.load_tasks("s", ["1", "9"])
        assert {id_: (loaded.id, loaded.seq) for id_, loaded in found.items()} == {"1": ("1", 1)}
        assert await store.load_tasks("s", []) == {}

    async def test_cells_are_written_loaded_and_deleted(self, store: Store) -> None:
        lease = await held(store)
        cells: dict[tuple[int, int], dict[str, bytes | None]] = {
            (60, 60): {"name:a": b"1", "name:b": b"2"},
            (300, 0): {"source:": b"3"},
        }
        await store.flush(lease, Flush(1, 120.0, cells=cells), TTL)
        assert await store.load_cells("s", {(60, 60): ["name:a", "name:x"]}) == {(60, 60, "name:a"): b"1"}
        assert await store.load_cells("s", {(60, 60): [], (300, 0): []}) == {
            (60, 60, "name:a"): b"1",
            (60, 60, "name:b"): b"2",
            (300, 0, "source:"): b"3",
        }
        await store.flush(lease, Flush(2, 120.0, cells={(60, 60): {"name:a": None}}), TTL)
        assert await store.load_cells("s", {(60, 60): []}) == {(60, 60, "name:b"): b"2"}
        assert await store.load_cells("s", {}) == {}


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


class TestChangedStore:
    async def test_a_store_that_came_back_empty_refuses_the_flush(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.erase()
        with pytest.raises(StoreChangedError):
            await flush(store, lease, 2, "2")
        assert await store.task_ids("s") == []

    async def test_an_announcement_notices_an_empty_store_too(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.erase()
        with pytest.raises(StoreChangedError):
            await store.announce(lease, Position(lease.epoch, 1), NOW, TTL)

    async def test_a_store_that_came_back_older_refuses_the_flush(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.step_back()
        with pytest.raises(StoreChangedError):
            await flush(store, lease, 2, "2")

    async def test_after_a_restart_everything_is_written_anew(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.erase()
        begun = await store.restart(lease)
        assert begun.incarnation != lease.incarnation
        assert begun.epoch > lease.epoch
        await flush(store, begun, 1, "1", complete=False)
        await flush(store, begun, 2, "2")
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert {found.id for found in snapshot.tasks} == {"1", "2"}
        assert snapshot.incarnation == begun.incarnation
        with pytest.raises(LeaseLostError):
            await flush(store, lease, 2, "3")

    async def test_a_restart_keeps_what_is_stored_of_the_tasks_and_empties_the_log(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        begun = await store.restart(lease)
        assert list(await store.load_tasks("s", ["1"])) == ["1"]
        assert await store.log("s", begun.incarnation, Position(0, 0)) == []
        assert (await store.meta("s"))["complete"] == "0"

    async def test_a_restart_under_a_lost_lease_is_refused(self, store: Store) -> None:
        lease = await held(store, "a", 0.1)
        await won(store, "b")
        with pytest.raises(LeaseLostError):
            await store.restart(lease)


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


async def test_a_store_that_answers_pings_is_there(store: Store) -> None:
    await store.ping()


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


async def test_a_follower_that_does_not_read_gets_an_error_instead_of_holding_the_socket(valkey_url: str) -> None:
    link = RedisLink(lambda: valkey_url)
    skipped: Callable[[], None] = lambda: None  # noqa: E731 - a callback that does nothing
    async with follow(RedisLink(lambda: valkey_url), ["c"], skipped, limit_bytes=1000) as messages:
        payload = codec.encode(Head(codec.CODEC, "s" * 400, "i", Position(), NOW))
        for _ in range(10):
            await link.call(("PUBLISH", "c", payload))

        async def read_to_the_end() -> None:
            async for _ in messages:
                pass

        with pytest.raises(StoreError, match="read the log"):
            await asyncio.wait_for(read_to_the_end(), 5)
    await link.drop()

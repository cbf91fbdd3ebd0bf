"""The follower against the in-memory store: whatever happens there, the live view ends up with what is written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.api import Writing, task
from support.waiting import eventually
from taskscope_api.fleet import FORGET_SECONDS, Fleet
from taskscope_api.follower import SILENT_SECONDS, SLICE_TASKS, Lag, SourceFollower
from taskscope_api.live_view import LiveView
from taskscope_shared.clock import ManualClock
from taskscope_shared.codec import CODEC, Head, encode
from taskscope_shared.model import Engine, Position, Queue, State, Worker, WorkerState
from taskscope_shared.store import StoreError
from taskscope_shared.testing import MemoryStore


class Followed:
    """A store, a writer and a follower."""

    def __init__(self, clock: ManualClock, store: MemoryStore, writing: Writing) -> None:
        self.clock, self.store, self.writing = clock, store, writing
        self.live = LiveView()
        self.follower = SourceFollower("s", store, self.live, clock)

    def states(self) -> dict[str, State]:
        replica = self.live.replicas.get("s")
        return {} if replica is None else {one.id: one.task().state for one in replica.tasks.values()}

    async def holds(self, **states: State) -> None:
        await eventually(
            lambda: self.follower.loaded and self.states() == states and "s" not in self.live.stale, what=f"{states}"
        )


@asynccontextmanager
async def running(followed: Followed) -> AsyncIterator[None]:
    task_ = asyncio.create_task(followed.follower.run())
    try:
        yield
    finally:
        task_.cancel()
        await asyncio.gather(task_, return_exceptions=True)


@pytest.fixture
async def followed() -> Followed:
    clock = ManualClock()
    store = MemoryStore(clock)
    return Followed(clock, store, await Writing(store, clock).begin())


async def test_a_snapshot_and_what_follows_it_are_shown(followed: Followed) -> None:
    await followed.writing.write(task("a"), task("b"))
    async with running(followed):
        await followed.holds(a=State.RUNNING, b=State.RUNNING)
        worker = Worker("w", "s", Engine.CELERY, WorkerState.ONLINE)
        queue = Queue("q", "s", Engine.CELERY, depth=1)
        await followed.writing.write(task("a", state=State.SUCCEEDED), removed=["b"], workers=[worker], queues=[queue])
        await followed.holds(a=State.SUCCEEDED)
        assert followed.live.workers(lambda _: True) == {"s/w": worker}
        assert followed.live.queues(lambda _: True) == {"s/q": queue}
        assert (followed.follower.snapshots, followed.follower.gaps) == (1, 0)


async def test_a_lost_message_is_read_from_the_log(followed: Followed) -> None:
    async with running(followed):
        await followed.holds()
        followers, followed.store._followers = followed.store._followers, []
        await followed.writing.write(task("lost"))
        followed.store._followers = followers
        await followed.writing.write(task("seen"))
        await followed.holds(lost=State.RUNNING, seen=State.RUNNING)
        assert (followed.follower.snapshots, followed.follower.gaps) == (1, 1)


async def test_even_a_lost_last_message_is_noticed_by_the_announcement(followed: Followed) -> None:
    async with running(followed):
        await followed.holds()
        followers, followed.store._followers = followed.store._followers, []
        await followed.writing.write(task("lost"))
        followed.store._followers = followers
        await followed.writing.announce()
        await followed.holds(lost=State.RUNNING)
        assert followed.follower.snapshots == 1


async def test_a_gap_that_the_log_does_not_reach_back_to_takes_a_snapshot() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, log_seconds=1.0)
    followed = Followed(clock, store, await Writing(store, clock).begin())
    async with running(followed):
        await followed.holds()
        followers, store._followers = store._followers, []
        await followed.writing.write(task("a"))
        clock.advance(10)
        await followed.writing.write(task("b"))
        store._followers = followers
        await followed.writing.write(task("c"))
        await followed.holds(a=State.RUNNING, b=State.RUNNING, c=State.RUNNING)
        assert followed.follower.snapshots == 2


async def test_a_new_holder_of_the_lease_is_followed_without_a_gap(followed: Followed) -> None:
    async with running(followed):
        await followed.writing.write(task("a"))
        await followed.holds(a=State.RUNNING)
        await followed.store.release(followed.writing.lease)
        followed.clock.advance(1)
        standby = await Writing(followed.store, followed.clock).begin()
        await standby.write(task("a", state=State.FAILED))
        await followed.holds(a=State.FAILED)
        assert (followed.follower.snapshots, followed.follower.gaps) == (1, 0)


async def test_while_the_state_is_written_anew_the_old_one_is_served_marked_stale(followed: Followed) -> None:
    await followed.writing.write(task("a"), task("b"))
    async with running(followed):
        await followed.holds(a=State.RUNNING, b=State.RUNNING)
        followed.store.erase()
        followed.clock.advance(1)
        await followed.writing.begin_anew()
        await followed.writing.write(task("a", state=State.FAILED), complete=False)
        await eventually(lambda: followed.live.stale.get("s") == Lag.REBUILDING)
        assert followed.states() == {"a": State.RUNNING, "b": State.RUNNING}
        await followed.writing.write(task("c"), complete=True)
        await followed.holds(a=State.FAILED, c=State.RUNNING)


async def test_an_empty_store_leaves_what_was_shown_marked_stale(followed: Followed) -> None:
    await followed.writing.write(task("a"))
    async with running(followed):
        await followed.holds(a=State.RUNNING)
        followed.store.erase()
        followed.store.publish_raw("s", encode(Head(CODEC, "s", "other", Position(5, 5), 0.0)))
        await eventually(lambda: followed.live.stale.get("s") == Lag.EMPTY)
        assert followed.states() == {"a": State.RUNNING}


async def test_one_old_announcement_is_no_store_that_went_back_but_several_are(followed: Followed) -> None:
    await followed.writing.write(task("a"))
    async with running(followed):
        await followed.holds(a=State.RUNNING)
        old = encode(Head(CODEC, "s", followed.writing.lease.incarnation, Position(followed.writing.lease.epoch, 1), 0.0))
        followed.store.publish_raw("s", old)
        await followed.writing.write(task("a", state=State.FAILED))
        await followed.holds(a=State.FAILED)
        assert followed.follower.gaps == 0
        for _ in range(3):
            followed.store.publish_raw("s", old)
        await eventually(lambda: followed.follower.gaps == 1)
        await followed.holds(a=State.FAILED)  # the snapshot says that it did not


async def test_a_store_that_really_went_back_is_taken_as_it_is_after_a_while(followed: Followed) -> None:
    await followed.writing.write(task("a"))
    async with running(followed):
        await followed.holds(a=State.RUNNING)
        meta = followed.store._states["s"].meta
        await followed.writing.write(task("a", state=State.FAILED))
        await followed.holds(a=State.FAILED)
        older = Position(followed.writing.lease.epoch, 2)
        meta["head"] = str(older)
        for _ in range(3):
            followed.store.publish_raw("s", encode(Head(CODEC, "s", followed.writing.lease.incarnation, older, 0.0)))
        await eventually(lambda: followed.live.stale.get("s") == Lag.WENT_BACK)
        followed.clock.advance(60)
        await eventually(lambda: "s" not in followed.live.stale)
        assert followed.live.replicas["s"].position == older


async def test_garbage_on_the_channel_changes_nothing(followed: Followed) -> None:
    async with running(followed):
        await followed.holds()
        for payload in (b"", b"\xc1", b"garbage", encode([1, 2, 3])):
            followed.store.publish_raw("s", payload)
        await followed.writing.write(task("a"))
        await followed.holds(a=State.RUNNING)
        assert (followed.follower.gaps, followed.follower.failures) == (0, 0)


async def test_a_collector_that_is_not_heard_of_makes_its_source_stale_until_it_is(followed: Followed) -> None:
    async with running(followed):
        await followed.holds()
        followed.clock.advance(SILENT_SECONDS + 1)
        followed.follower.check_silence()
        assert followed.live.stale == {"s": Lag.SILENT}
        await followed.writing.announce()
        await followed.holds()


async def test_a_store_that_is_away_is_tried_until_it_is_back(followed: Followed) -> None:
    followed.store.fault = StoreError("connection refused")
    async with running(followed):
        await eventually(lambda: "connection refused" in followed.live.stale.get("s", ""))
        followed.store.fault = None
        await followed.holds()


async def test_ten_thousand_changes_at_once_are_applied_in_slices(followed: Followed) -> None:
    async with running(followed):
        await followed.holds()
        for start in range(0, 10_000, 1000):
            await followed.writing.write(*(task(str(number)) for number in range(start, start + 1000)))
        seen = set()
        while len(followed.live.replicas["s"].tasks) < 10_000:
            await asyncio.sleep(0)
            seen.add(len(followed.live.replicas["s"].tasks))
        assert len(seen) >= 10_000 // SLICE_TASKS, "others get their turn after each slice"


async def test_the_fleet_is_ready_when_each_source_that_is_named_was_read() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    store.fault = StoreError("not there")
    live = LiveView()
    fleet = Fleet(store, live, clock)
    looking = asyncio.create_task(fleet.run())
    try:
        await eventually(lambda: fleet.store.reason == "not there")
        assert await eventually(lambda: not fleet.ready)
        store.fault = None
        await (await Writing(store, clock, "first").begin()).write(task("a"))
        await eventually(lambda: "first" in live.replicas)
        assert fleet.ready
        await Writing(store, clock, "second").begin()
        await eventually(lambda: "second" in live.replicas, what="a source that appeared later")
        store._announced.pop("first")
        clock.advance(1)
        await eventually(lambda: "first" in fleet._missing)
        clock.advance(FORGET_SECONDS + 1)
        await eventually(lambda: "first" not in live.replicas, what="a source that is gone for long to be forgotten")
        assert "second" in live.replicas
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

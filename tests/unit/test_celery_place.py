"""A look into a queue of a Redis broker: its order, its limits, and a queue that moves meanwhile."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.celery.place import BEHIND, GONE, LOOK_BYTES, MESSAGES, MOVED, Places
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_shared.clock import ManualClock
from taskscope_shared.requests import Place
from taskscope_shared.settings import CelerySource

NAMES = BrokerNames.of(CelerySource(name="s", broker_url="redis://broker/0"), 0)


def message(task_id: str, size: int = 10) -> bytes:
    return json.dumps({"body": "x" * size, "headers": {"id": task_id, "root_id": "t-1"}, "properties": {}}).encode()


class Broker:
    """Lists as Redis has them. `after` is called behind each LRANGE."""

    def __init__(self) -> None:
        self.lists: dict[str, list[bytes]] = {}
        self.after: Callable[[], None] = lambda: None
        self.read: list[int] = []
        self.bytes = 0

    def push(self, *ids: str, step: int = 0, size: int = 10) -> None:
        found = self.lists.setdefault(NAMES.queue_keys("q")[step], [])
        found[:0] = [message(task_id, size) for task_id in reversed(ids)]

    async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [self._run(*command) for command in commands]

    def _run(self, command: str, key: str, *arguments: int) -> Any:
        found = self.lists.get(key, [])
        if command == "LLEN":
            return len(found)
        start, stop = (max(0, len(found) + argument) if argument < 0 else argument for argument in arguments)
        part = found[start : stop + 1] if len(found) + arguments[1] >= 0 else []
        self.read.append(len(part))
        self.bytes += sum(map(len, part))
        self.after()
        return part


async def look(broker: Broker, task_id: str, places: Places | None = None) -> Place:
    places = places or Places(NAMES, ManualClock())
    return await places.find(cast("RespConnection", broker), task_id, "q")


def ids(count: int, prefix: str = "t") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 9, 10, 11, 110, 111, 250, 1000])
async def test_every_task_of_a_queue_has_its_place(count: int) -> None:
    for number in {0, count // 2, count - 1}:
        broker = Broker()
        broker.push(*ids(count))
        assert await look(broker, f"t-{number}") == Place(number + 1, number, count)
        assert max(broker.read) <= 101


async def test_more_urgent_lists_come_first() -> None:
    broker = Broker()
    broker.push(*ids(30, "low"), step=3)
    broker.push(*ids(20, "high"), step=0)
    places = Places(NAMES, ManualClock())
    assert (await look(broker, "low-0", places)).position == 21
    assert (await look(broker, "high-19", places)).position == 20
    assert await look(broker, "nobody", places) == Place(None, None, 50, GONE)


async def test_no_more_than_a_thousand_messages_are_looked_at() -> None:
    broker = Broker()
    broker.push(*ids(5000))
    assert await look(broker, "t-4000") == Place(None, MESSAGES, 5000, BEHIND)
    assert sum(broker.read) <= MESSAGES + len(broker.read)


async def test_large_messages_are_looked_at_as_far_as_their_bytes_are_affordable() -> None:
    broker = Broker()
    broker.push(*ids(200), size=200_000)
    found = await look(broker, "t-150")
    assert (found.position, found.reason) == (None, BEHIND)
    assert found.ahead_at_least == 20
    assert broker.bytes < LOOK_BYTES * 1.1


async def test_a_queue_that_moved_meanwhile_is_looked_through_once_more() -> None:
    broker = Broker()
    broker.push(*ids(300))
    [queue] = broker.lists.values()

    def taken_once() -> None:
        if len(broker.read) == 2:
            del queue[-50:]

    broker.after = taken_once
    assert (await look(broker, "t-290")).position == 241


async def test_a_queue_that_keeps_moving_says_so() -> None:
    broker = Broker()
    broker.push(*ids(900))
    [queue] = broker.lists.values()

    def taken() -> None:
        del queue[-5:]

    broker.after = taken
    assert await look(broker, "t-890") == Place(None, None, 900, MOVED)


async def test_what_is_pushed_meanwhile_changes_nothing() -> None:
    broker = Broker()
    broker.push(*ids(300))
    broker.after = lambda: broker.push("new")
    assert (await look(broker, "t-290")).position == 291


async def test_what_is_no_task_message_takes_its_place_and_has_no_id() -> None:
    broker = Broker()
    broker.push("t-2")
    [queue] = broker.lists.values()
    queue += [b"garbage", json.dumps({"body": "x"}).encode(), b"\xff\xfe"]
    assert (await look(broker, "t-2")).position == 4
    assert (await look(broker, "t-1")).reason == GONE  # the root of another is not the task itself


async def test_a_look_serves_a_second() -> None:
    broker, clock = Broker(), ManualClock()
    broker.push(*ids(5))
    places = Places(NAMES, clock)
    for number in range(5):
        assert (await look(broker, f"t-{number}", places)).position == number + 1
    assert broker.read == [5]
    clock.advance(1.1)
    await look(broker, "t-0", places)
    assert broker.read == [5, 5]


async def test_what_the_broker_refuses_is_raised() -> None:
    class Refusing(Broker):
        async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
            return [RespError("NOPERM no") for _ in commands]

    with pytest.raises(RespError):
        await look(Refusing(), "t")

"""A collector's desk: who answers, what it refuses, and how much it does at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from support.tiny_source import TinySource, TinyState
from support.waiting import eventually
from taskscope_collector.asks import A_SECOND, CONCURRENT
from taskscope_collector.collector import Collector
from taskscope_shared.clock import SystemClock
from taskscope_shared.requests import PLACE, WORKER, NoAnswerError, Place, PlaceOf, WorkerFacts, WorkerOf
from taskscope_shared.settings import CelerySource, Settings
from taskscope_shared.testing import MemoryRequests, MemoryStore

SETTINGS = Settings(sources=(CelerySource(name="s", broker_url="redis://broker/0"),))


class Knowing(TinySource):
    """Counts what it is asked; `held` keeps it from answering."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.at_once = self.most_at_once = 0
        self.held = asyncio.Event()
        self.held.set()

    async def place(self, task_id: str, queue: str) -> Place:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.held.wait()
        finally:
            self.at_once -= 1
        if task_id == "broken":
            raise RuntimeError(queue)
        if task_id == "away":
            raise ConnectionResetError("gone")
        return Place(position=1)


class World:
    """Collectors of one store in this process, and who asks them."""

    def __init__(self) -> None:
        self.store = MemoryStore(SystemClock())
        self.requests = MemoryRequests(self.store, SystemClock())

    async def place(self, task_id: str, seconds: float = 5.0) -> Place:
        return msgspec.msgpack.decode(await self.requests.ask("s", PLACE, PlaceOf(task_id, "q"), seconds), type=Place)

    @asynccontextmanager
    async def collector(self, runner: Knowing) -> AsyncIterator[Collector]:
        make: Callable[..., Knowing] = lambda *_: runner  # noqa: E731 - one that takes whatever it is given
        collector = Collector(
            SETTINGS, self.store, SystemClock(), make_runner=make, make_state=lambda _: TinyState("s"), answerer=self.requests
        )
        running = asyncio.create_task(collector.run())
        try:
            await eventually(lambda: runner.runs and collector.is_ready(), what="the collector to be ready")
            yield collector
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_the_holder_answers_and_the_standby_does_not() -> None:
    world, first, second = World(), Knowing(), Knowing()
    async with world.collector(first):
        assert await world.place("t-1") == Place(position=1)
        async with world.collector(second):
            for number in range(10):
                await world.place(f"t-{number + 2}")
            assert (first.asked, second.asked) == (11, 0)


async def test_equal_questions_of_a_second_are_looked_up_once_and_more_than_it_takes_are_refused() -> None:
    world, runner = World(), Knowing()
    async with world.collector(runner):
        same = await asyncio.gather(*[world.place("t") for _ in range(30)])
        assert (len(same), runner.asked) == (30, 1)
        others = await asyncio.gather(*[world.place(f"t-{n}") for n in range(60)], return_exceptions=True)
        refused = [str(other) for other in others if isinstance(other, NoAnswerError)]
        assert len(refused) >= 60 - A_SECOND - 5
        assert "times a second" in refused[0]


async def test_so_many_are_answered_at_once() -> None:
    world, runner = World(), Knowing()
    runner.held.clear()
    async with world.collector(runner):
        asking = [asyncio.create_task(world.place(f"t-{n}")) for n in range(CONCURRENT + 5)]
        await eventually(lambda: runner.at_once == CONCURRENT, what="the desk to be full")
        runner.held.set()
        assert await asyncio.gather(*asking) == [Place(position=1)] * len(asking)
        assert runner.most_at_once == CONCURRENT


async def test_whatever_goes_wrong_with_one_question_is_its_answer_and_the_next_is_answered() -> None:
    world, runner = World(), Knowing()
    async with world.collector(runner):
        with pytest.raises(NoAnswerError, match="the collector failed: RuntimeError"):
            await world.place("broken")
        with pytest.raises(NoAnswerError, match="the broker: gone"):
            await world.place("away")
        with pytest.raises(NoAnswerError, match=r"'reboot'.*older than the api"):
            await world.requests.ask("s", "reboot", WorkerOf("w"), 2.0)
        with pytest.raises(NoAnswerError):
            await world.requests.ask("s", PLACE, WorkerOf("w"), 2.0)
        facts = await world.requests.ask("s", WORKER, WorkerOf("w"), 2.0)
        assert msgspec.msgpack.decode(facts, type=WorkerFacts).registered == ["w"]
        assert await world.place("t") == Place(position=1)


async def test_an_answer_that_comes_too_late_is_waited_for_by_nobody() -> None:
    world, runner = World(), Knowing()
    runner.held.clear()
    async with world.collector(runner):
        with pytest.raises(NoAnswerError, match="no collector answered within"):
            await world.place("t", seconds=0.2)
        runner.held.set()
        assert await world.place("u") == Place(position=1)

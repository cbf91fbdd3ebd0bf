"""Taking over what another collector wrote and this one did not see, with the real reducer over the store's twin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.reducing import T0, beat, event, reducer, usual
from support.waiting import eventually
from taskscope_collector.observations import InspectReply, Observation, TaskMissing
from taskscope_collector.pipeline import Pipeline
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import decode_task
from taskscope_shared.model import State, Task, Worker
from taskscope_shared.testing import MemoryStore

FOR_EVER = 1e12


class Two:
    """Collectors of one source: `first` writes, `second` began when the first had written what was there then."""

    def __init__(self, store: MemoryStore, first: Pipeline, second: Pipeline, writing: "asyncio.Task[None]") -> None:
        self._store, self.first, self.second, self._writing = store, first, second, writing

    def stored(self) -> Task | None:
        data = self._store._states["s"].tasks.get("t")
        return None if data is None else decode_task(data)

    def workers(self) -> list[Worker]:
        return list(self._store._states["s"].workers.values())

    async def until_stored(self, state: State) -> Task:
        def found() -> Task | None:
            task = self.stored()
            return task if task is not None and task.state is state else None

        task = await eventually(found, what=f"the task to be stored as {state}")
        assert task is not None
        return task

    async def take_over(self) -> None:
        """The first one ends in peace, and the second writes."""
        self._writing.cancel()
        await eventually(self.second.active, what="the second one to write")

    async def see(self, *observations: Observation) -> None:
        """The second one sees it; when that is written, everything before is."""
        self.second.buffer.put([*observations, event("sent", 50.0, id_="last", name="app.f")])
        await eventually(lambda: "last" in self._store._states["s"].tasks, what="all of it to be written")


@asynccontextmanager
async def two(*before: Observation) -> AsyncIterator[Two]:
    """`before`: what the first one wrote when the second began."""
    store = MemoryStore(SystemClock())
    first, second = (
        Pipeline("s", reducer(seconds=FOR_EVER), store, SystemClock(), holder=name, lease_seconds=4.0) for name in "ab"
    )
    await first.load()
    writing = asyncio.create_task(first.run())
    first.buffer.put(list(before))
    await eventually(lambda: not before or "t" in store._states["s"].tasks, what="the first one to write")
    await second.load()
    standing_by = asyncio.create_task(second.run())
    try:
        yield Two(store, first, second, writing)
    finally:
        for task in (writing, standing_by):
            task.cancel()
        await asyncio.gather(writing, standing_by, return_exceptions=True)


def rest(*, until: str = "succeeded") -> list[Observation]:
    """What comes after a task was sent."""
    life = [*usual()[1:], event("succeeded", 2.0, result="1", runtime=0.75)]
    return life if until == "succeeded" else life[:-1]


async def test_what_ended_while_this_one_began_is_not_missed_afterwards() -> None:
    async with two(usual()[0]) as pair:
        pair.first.buffer.put(rest())
        ended = await pair.until_stored(State.SUCCEEDED)
        await pair.take_over()
        await pair.see(TaskMissing("t", T0 + 30, "it is in no queue and with no worker"))
        kept = pair.stored()
        assert kept is not None
        assert (kept.state, kept.worker, kept.started_at) == (State.SUCCEEDED, ended.worker, ended.started_at)


async def test_what_was_sent_before_this_one_listened_keeps_its_queue_and_its_wait() -> None:
    async with two() as pair:
        pair.first.buffer.put([usual()[0]])
        await pair.until_stored(State.QUEUED)
        pair.second.buffer.put(rest())
        await pair.take_over()
        task = await pair.until_stored(State.SUCCEEDED)
        assert (task.queue, task.attempts, task.wait_seconds) == ("q", 1, 0.75)


async def test_whose_events_were_switched_on_is_known_to_whoever_takes_over() -> None:
    """The worker tells the second that its events are on, and not that the first did that."""

    def reply(*, ours: bool) -> InspectReply:
        return InspectReply("celery@one", T0 + 2, T0 + 2, pid=11, events=True, events_enabled_by_us=ours)

    async with two() as pair:
        pair.first.buffer.put([reply(ours=True)])
        await eventually(pair.workers, what="the worker to be written")
        pair.second.buffer.put([beat(1.0)])
        await pair.take_over()
        await pair.see(reply(ours=False))
        assert [(worker.name, worker.events_enabled_by_us) for worker in pair.workers()] == [("celery@one", True)]


@pytest.mark.parametrize("heard", [0, 1, 2, 3])
@pytest.mark.parametrize("written", [1, 2, 3, 4])
async def test_two_that_saw_parts_of_a_life_make_it_whole(heard: int, written: int) -> None:
    """The first wrote it up to some event, the second heard it from some event on."""
    whole = [*usual(), event("succeeded", 2.0, result="1", runtime=0.75)]
    async with two() as pair:
        pair.first.buffer.put(whole[:written])
        await eventually(lambda: pair.stored() is not None, what="the first part to be written")
        pair.second.buffer.put([*usual(), event("succeeded", 2.0, result="1", runtime=0.75)][heard:])
        await pair.take_over()
        task = await pair.until_stored(State.SUCCEEDED)
        assert (task.attempts, task.retries, task.finished_at, task.history) == (1, 0, T0 + 2.0, ())
        if heard <= written:
            assert (task.queue, task.sent_at, task.started_at) == ("q", T0 + 0.5, T0 + 1.25)

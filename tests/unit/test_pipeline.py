"""The pipeline over the store's twin: what is flushed and when, standing by, faults of the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from msgspec.structs import replace
from support.tiny_source import TinyState, event
from support.waiting import eventually
from taskscope_collector import outbox
from taskscope_collector import pipeline as pipelines
from taskscope_collector.buffer import Buffer
from taskscope_collector.observations import Observation, Reconnected, WorkerSeen
from taskscope_collector.pipeline import Pipeline
from taskscope_shared.cells import decode_cell, merged
from taskscope_shared.clock import ManualClock, SystemClock
from taskscope_shared.codec import Entry, Head, decode_task
from taskscope_shared.model import Engine, Position, Source, SourceStatus, State, Worker, WorkerState
from taskscope_shared.store import StoreError
from taskscope_shared.testing import MemoryStore

NOW = SystemClock().now()


@asynccontextmanager
async def running(
    store: MemoryStore, state: TinyState | None = None, *, holder: str = "a", lease_seconds: float = 4.0
) -> AsyncIterator[tuple[Pipeline, TinyState]]:
    state = state or TinyState("s")
    pipeline = Pipeline("s", state, store, SystemClock(), holder=holder, lease_seconds=lease_seconds)
    await pipeline.load()
    task = asyncio.create_task(pipeline.run())
    try:
        yield pipeline, state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


def stored(store: MemoryStore) -> dict[str, State]:
    return {id_: decode_task(data).state for id_, data in store._states["s"].tasks.items()} if "s" in store._states else {}


def ended(store: MemoryStore) -> int:
    """Attempts that the minutes' rollups count."""
    cells = store._states["s"].cells
    return merged(decode_cell(cell["source:"]) for (resolution, _), cell in cells.items() if resolution == 60).total


def _is_stored(store: MemoryStore, id_: str) -> bool:
    return id_ in stored(store)


async def until_stored(store: MemoryStore, expected: dict[str, State]) -> None:
    await eventually(lambda: stored(store) == expected, what=f"{expected} to be stored")


async def until(condition: Callable[[], object]) -> None:
    await eventually(condition)


async def test_what_a_source_saw_is_stored_and_counted_once(store: MemoryStore) -> None:
    async with running(store) as (pipeline, _):
        pipeline.buffer.put([event("1", "task-started", NOW), event("2", "task-succeeded", NOW)])
        await until_stored(store, {"1": State.RUNNING, "2": State.SUCCEEDED})
        pipeline.buffer.put([event("1", "task-succeeded", NOW), event("2", "task-failed", NOW)])
        await until_stored(store, {"1": State.SUCCEEDED, "2": State.FAILED})
        assert ended(store) == 2


async def test_a_stored_task_carries_the_version_of_its_flush(store: MemoryStore) -> None:
    async with running(store) as (pipeline, _), store.follow(["s"]) as messages:
        pipeline.buffer.put([event("1", at=NOW)])
        async for message in messages:
            if isinstance(message, Entry) and message.tasks:
                task = decode_task(message.tasks[0])
                assert Position(task.epoch, task.seq) == message.position
                break


async def test_a_change_on_an_idle_pipeline_goes_out_at_once(store: MemoryStore) -> None:
    async with running(store) as (pipeline, _):
        await until(pipeline.active)
        await asyncio.sleep(0.1)  # idle for longer than a flush's pause
        began = SystemClock().monotonic()
        pipeline.buffer.put([event("1", at=NOW)])
        await until_stored(store, {"1": State.SUCCEEDED})
        assert SystemClock().monotonic() - began < 0.035


async def test_flushes_under_load_are_forty_milliseconds_apart(store: MemoryStore) -> None:
    async with running(store) as (pipeline, _):
        await until(pipeline.active)
        before, began = pipeline.writer.flushes, SystemClock().monotonic()
        for number in range(100):
            pipeline.buffer.put([event(str(number), at=NOW)])
            await asyncio.sleep(0.004)
        passed = SystemClock().monotonic() - began
        await until(lambda: len(stored(store)) == 100)
        assert pipeline.writer.flushes - before <= passed / 0.04 + 3


async def test_a_big_change_is_divided_among_flushes(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FLUSH_BYTES", 10_000)
    async with running(store) as (pipeline, _):
        await until(pipeline.active)
        pipeline.buffer.put([event(str(number), at=NOW, args="x" * 1000) for number in range(100)])
        await until(lambda: len(stored(store)) == 100)
        sizes = [len(entry) for _, entry in store._states["s"].log]
        assert max(sizes) < 12_000
        assert ended(store) == 100


async def test_the_head_is_announced_while_nothing_happens(store: MemoryStore) -> None:
    async with running(store, lease_seconds=1.0), store.follow(["s"]) as messages:
        heads = [message async for message in _take(messages, 3) if isinstance(message, Head)]
        assert heads
        assert await store.sources() == ["s"]


async def _take(messages: AsyncIterator[object], count: int) -> AsyncIterator[object]:
    async with asyncio.timeout(10):
        for _ in range(count):
            yield await anext(messages)


async def test_workers_and_what_was_evicted_reach_the_store(store: MemoryStore) -> None:
    async with running(store, TinyState("s", limit=2)) as (pipeline, _):
        pipeline.buffer.put([WorkerSeen(Worker("w", "s", Engine.CELERY, WorkerState.ONLINE), NOW)])
        for id_ in "123":
            pipeline.buffer.put([event(id_, at=NOW)])
            await until(partial(_is_stored, store, id_))
        await until_stored(store, {"2": State.SUCCEEDED, "3": State.SUCCEEDED})
        assert list(store._states["s"].workers) == ["w"]


async def test_health_says_who_writes_and_what_was_received(store: MemoryStore) -> None:
    async with running(store, holder="me") as (pipeline, _):
        pipeline.buffer.put([event("1", at=NOW)])
        await until(lambda: (store._states["s"].health or 0) and store._states["s"].health)
        health = store._states["s"].health
        assert health is not None
        assert (health.holder, health.name) == ("me", "s")


async def test_why_a_source_is_down_is_logged_again_when_it_is_another_reason(
    store: MemoryStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(pipelines, "REASON_SECONDS", 0.0)
    reason = "no such file"

    def said(_: float) -> Source:
        return replace(source(), status=SourceStatus.DOWN, reason=reason)

    def reasons() -> list[object]:
        return [vars(record)["reason"] for record in caplog.records if record.message == "the source is down"]

    state = TinyState("s")
    source = partial(state.source_health, 0.0)
    monkeypatch.setattr(state, "source_health", said)
    async with running(store, state):
        await until(reasons)
        reason = "wrong password"
        await until(lambda: len(reasons()) > 1)
    assert reasons() == ["no such file", "wrong password"]


async def test_an_observation_that_cannot_be_reduced_is_counted_and_the_others_go_on(store: MemoryStore) -> None:
    state = TinyState("s")
    state.poison = "bad"
    async with running(store, state) as (pipeline, _):
        pipeline.buffer.put([event("1", at=NOW), event("bad", at=NOW), event("2", at=NOW)])
        await until_stored(store, {"1": State.SUCCEEDED, "2": State.SUCCEEDED})
        assert pipeline.poisoned == 1


async def test_a_task_that_cannot_be_encoded_is_left_out_and_the_others_go_on(store: MemoryStore) -> None:
    async with running(store) as (pipeline, _):
        pipeline.buffer.put([event("1", at=NOW, args="\ud800"), event("2", at=NOW)])
        await until_stored(store, {"2": State.SUCCEEDED})


class TestFaults:
    async def test_while_the_store_is_away_reducing_goes_on_and_everything_is_written_later(self, store: MemoryStore) -> None:
        async with running(store) as (pipeline, state):
            await until(pipeline.active)
            store.fault = StoreError("away")
            for number in range(50):
                pipeline.buffer.put([event(str(number), at=NOW)])
            await until(lambda: len(state.records) == 50)
            await until(lambda: pipeline.writer.fault)
            store.fault = None
            await until(lambda: len(stored(store)) == 50)
            assert ended(store) == 50

    async def test_a_store_that_came_back_empty_is_written_anew(self, store: MemoryStore) -> None:
        async with running(store) as (pipeline, _):
            pipeline.buffer.put([event(str(number), at=NOW) for number in range(50)])
            await until(lambda: len(stored(store)) == 50)
            before = await store.head("s")
            store.erase()
            await until(lambda: len(stored(store)) == 50)
            after = await store.head("s")
            assert before is not None
            assert after is not None
            assert before[0] != after[0]
            await until(lambda: store._states["s"].meta["complete"] == "1")
            assert ended(store) == 50

    async def test_a_new_state_is_complete_only_with_its_last_flush(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with running(store) as (pipeline, _):
            pipeline.buffer.put([event(str(number), at=NOW, args="x" * 100) for number in range(100)])
            await until(lambda: len(stored(store)) == 100)
            monkeypatch.setattr(outbox, "FLUSH_BYTES", 2_000)
            flags: list[tuple[str, int]] = []
            flush = store.flush

            async def noted(lease: object, batch: object, ttl: float) -> None:
                await flush(lease, batch, ttl)  # type: ignore[arg-type]
                flags.append((store._states["s"].meta["complete"], len(stored(store))))

            monkeypatch.setattr(store, "flush", noted)
            store.erase()
            await until(lambda: ("1", 100) in flags)
            assert all(complete == "0" for complete, count in flags if count < 100)
            assert len([complete for complete, _ in flags if complete == "0"]) > 3

    async def test_a_flush_whose_answer_was_lost_is_not_written_twice(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flush = store.flush
        failed: list[object] = []

        async def written_but_unanswered(lease: object, batch: object, ttl: float) -> None:
            await flush(lease, batch, ttl)  # type: ignore[arg-type]
            if batch.tasks and not failed:  # type: ignore[attr-defined]
                failed.append(batch)
                raise StoreError("the connection broke")

        monkeypatch.setattr(store, "flush", written_but_unanswered)
        async with running(store) as (pipeline, _):
            pipeline.buffer.put([event("1", at=NOW)])
            await until(lambda: failed)
            pipeline.buffer.put([event("2", at=NOW)])
            await until_stored(store, {"1": State.SUCCEEDED, "2": State.SUCCEEDED})
            assert ended(store) == 2
            incarnation, _ = await store.head("s") or ("", None)
            assert len(await store.log("s", incarnation, Position(0, 0))) == pipeline.writer.flushes


class TestStandby:
    async def test_a_standby_takes_over_at_once_after_a_release_and_counts_nothing_twice(self, store: MemoryStore) -> None:
        async with running(store, holder="b") as (second, _):
            async with running(store, holder="a") as (first, _):
                active, standby = (first, second) if first.active() else (second, first)
                del active, standby
                await until(lambda: first.active() or second.active())
                for pipeline in (first, second):
                    pipeline.buffer.put([event("1", at=NOW), event("2", "task-started", NOW)])
                await until_stored(store, {"1": State.SUCCEEDED, "2": State.RUNNING})
            await until(second.active)
            second.buffer.put([event("2", at=NOW)])
            await until_stored(store, {"1": State.SUCCEEDED, "2": State.SUCCEEDED})
            assert ended(store) == 2

    async def test_what_the_store_has_already_is_not_written_again(self, store: MemoryStore) -> None:
        async with running(store, holder="a") as (first, _):
            await until(first.active)
            async with running(store, holder="b") as (second, _):
                for pipeline in (first, second):
                    pipeline.buffer.put([event(str(number), at=NOW) for number in range(10)])
                await until(lambda: len(stored(store)) == 10)
                written = dict(store._states["s"].tasks)
                store._states["s"].lease_until = 0.0
                await until(second.active)
                second.buffer.put([event("new", at=NOW)])
                await until(lambda: _is_stored(store, "new"))
                assert {id_: data for id_, data in store._states["s"].tasks.items() if id_ != "new"} == written
                assert ended(store) == 11

    async def test_what_the_active_one_had_not_written_the_standby_writes(self, store: MemoryStore) -> None:
        lease = await store.acquire("s", "gone", 0.3)
        assert lease is not None
        async with running(store) as (pipeline, _):
            pipeline.buffer.put([event("1", at=NOW)])
            assert not pipeline.active()
            await until_stored(store, {"1": State.SUCCEEDED})
            assert ended(store) == 1

    async def test_a_task_that_came_before_the_standby_listened_is_taken_over(self, store: MemoryStore) -> None:
        async with running(store, holder="b") as (second, state):
            await until(second.active)
            other = TinyState("s")
            second.writer._keeper.seconds = 0.05
            store._states["s"].lease_until = 0.0
            async with running(store, other, holder="a") as (first, _):
                await until(first.active)
                await until(lambda: not second.active())
                first.buffer.put([event("unseen", at=NOW)])
                await until_stored(store, {"unseen": State.SUCCEEDED})
            await until(second.active)
            await until(lambda: "unseen" in state.records)
            second.buffer.put([event("unseen", "task-failed", at=NOW)])
            await until_stored(store, {"unseen": State.FAILED})
            assert ended(store) == 1

    async def test_a_collector_that_starts_again_knows_what_was_stored(self, store: MemoryStore) -> None:
        async with running(store) as (pipeline, _):
            pipeline.buffer.put([event("1", at=NOW), event("2", "task-started", NOW)])
            await until(lambda: len(stored(store)) == 2)
        async with running(store) as (pipeline, state):
            assert {id_: record.draft.state for id_, record in state.records.items()} == stored(store)
            pipeline.buffer.put([event("1", at=NOW), event("2", at=NOW)])
            await until_stored(store, {"1": State.SUCCEEDED, "2": State.SUCCEEDED})
            assert ended(store) == 2

    async def test_a_paused_holder_writes_nothing_and_stands_by(self, store: MemoryStore) -> None:
        async with running(store, holder="a", lease_seconds=1.0) as (pipeline, _):
            await until(pipeline.active)
            store._states["s"].lease = "99:other"
            store._states["s"].lease_until = SystemClock().monotonic() + 60
            pipeline.buffer.put([event("1", at=NOW)])
            await until(lambda: not pipeline.active())
            assert stored(store) == {}
            store._states["s"].lease = None
            await until_stored(store, {"1": State.SUCCEEDED})
            assert ended(store) == 1

    async def test_what_is_left_is_written_when_the_collector_stops(self, store: MemoryStore) -> None:
        async with running(store) as (pipeline, _):
            await until(pipeline.active)
            pipeline.buffer.put([event("1", at=NOW)])
            await until(lambda: pipeline.writer.changed.is_set() or stored(store))
        assert stored(store) == {"1": State.SUCCEEDED}
        assert await store.acquire("s", "next", 1.0) is not None


class TestBuffer:
    async def test_what_does_not_fit_is_counted_and_told_as_a_gap_later(self) -> None:
        clock = ManualClock()
        buffer = Buffer(clock, limit=4)
        buffer.put([event("1"), event("2"), event("3")])
        buffer.put([event("4"), event("5")])
        assert buffer.dropped == 2
        since = clock.now()
        clock.advance(3)
        assert buffer.lag_seconds() == 3
        assert (await buffer.take(10))[-1] == Reconnected(since, clock.now())
        assert buffer.lag_seconds() == 0

    async def test_batches_come_out_in_order_and_in_slices(self) -> None:
        buffer = Buffer(ManualClock())
        events: list[Observation] = [event(str(number)) for number in range(7)]
        buffer.put(events[:5])
        buffer.put(events[5:])
        taken = [await buffer.take(3) for _ in range(3)]
        assert [len(batch) for batch in taken] == [3, 2, 2] or [len(batch) for batch in taken] == [3, 3, 1]
        assert [each for batch in taken for each in batch] == events

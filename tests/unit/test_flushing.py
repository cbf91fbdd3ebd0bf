"""What a collector tells of its flushes and of itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest
from support.spans import Telemetry
from support.tiny_source import TinyState, event
from support.waiting import eventually
from taskscope_collector.collector import Collector
from taskscope_collector.flushing import Flushing, links
from taskscope_collector.metrics import OTHER, QUEUES, observe
from taskscope_collector.outbox import Prepared
from taskscope_collector.pipeline import Pipeline
from taskscope_collector.reducer.record import Draft, Record
from taskscope_shared.clock import SystemClock
from taskscope_shared.codec import Entry
from taskscope_shared.model import Engine, Queue, State
from taskscope_shared.settings import CelerySource, Settings
from taskscope_shared.store import Flush, StoreError
from taskscope_shared.testing import MemoryStore
from taskscope_shared.tracing import MAX_LINKS

CLOCK = SystemClock()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(CLOCK)


@pytest.fixture
async def pipeline(store: MemoryStore, telemetry: Telemetry) -> AsyncIterator[Pipeline]:
    flushing = Flushing(telemetry.providers, CLOCK)
    made = Pipeline("s", TinyState("s"), store, CLOCK, holder="a", lease_seconds=4.0, flushing=flushing)
    await made.load()
    running = asyncio.create_task(made.run())
    try:
        await eventually(made.active)
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_flush_is_a_span_whose_context_goes_out_with_it(
    pipeline: Pipeline, store: MemoryStore, telemetry: Telemetry
) -> None:
    async with store.follow(["s"]) as messages:
        pipeline.buffer.put([event("1", at=CLOCK.now()), event("2", at=CLOCK.now())])
        entry = await anext(message async for message in messages if isinstance(message, Entry) and message.tasks)
    spans = {span.get_span_context().span_id: span for span in telemetry.spans.named("flush")}  # type: ignore[union-attr]
    assert entry.traceparent is not None
    span = spans[int(entry.traceparent.split("-")[2], 16)]
    told = dict(span.attributes or {})
    assert (told["taskscope.source"], told["taskscope.tasks"]) == ("s", 2)
    assert told["taskscope.position"] == str(entry.position)


async def test_every_flush_is_timed_and_what_writes_nothing_is_none(pipeline: Pipeline, telemetry: Telemetry) -> None:
    before = pipeline.writer.flushes
    pipeline.writer.changed.set()
    pipeline.buffer.put([event("1", at=CLOCK.now())])
    await eventually(lambda: pipeline.writer.flushes > before)
    await eventually(lambda: len(telemetry.spans.named("flush")) == pipeline.writer.flushes)
    await eventually(
        lambda: telemetry.points("taskscope.flush.duration") == [({"source": "s"}, float(pipeline.writer.flushes))]
    )


async def test_a_flush_that_fails_is_counted_and_its_span_an_error(store: MemoryStore, telemetry: Telemetry) -> None:
    flushing = Flushing(telemetry.providers, CLOCK)
    lease = await store.acquire("s", "a", 10)
    assert lease is not None
    with pytest.raises(StoreError), flushing.of(lease, Prepared(Flush(1, CLOCK.now()))):
        raise StoreError("full")
    assert flushing.failures == {"s": 1}
    (span,) = telemetry.spans.named("flush")
    assert (span.attributes or {})["error.type"] == "StoreError"


# ------------------------------------------------------------------------------------------------------------------- links


def prepared(count: int, span_id: Callable[[int], str | None]) -> Prepared:
    drafts = [Draft(str(n), "s", Engine.CELERY, State.QUEUED, trace_id=TRACE, span_id=span_id(n)) for n in range(1, count + 1)]
    return Prepared(Flush(1, 0.0), [(Record(draft), ()) for draft in drafts])


def test_a_flush_links_to_those_who_sent_its_tasks() -> None:
    made = links(prepared(4, lambda n: f"{n:016x}" if n % 2 else None))
    assert [link.context.span_id for link in made] == [1, 3]
    assert {f"{link.context.trace_id:032x}" for link in made} == {TRACE}
    assert dict(made[0].attributes or {}) == {"taskscope.task.id": "1"}


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 256, 300, 5000])
def test_links_are_evenly_chosen_and_never_more_than_a_span_takes(count: int) -> None:
    ids = [link.context.span_id for link in links(prepared(count, lambda n: f"{n:016x}"))]
    assert min(count, MAX_LINKS // 2) <= len(ids) <= min(count, MAX_LINKS)
    assert len({later - earlier for earlier, later in pairwise(ids)}) <= 1


# ----------------------------------------------------------------------------------------------------------------- metrics


@pytest.fixture
async def collector(store: MemoryStore, telemetry: Telemetry) -> AsyncIterator[Collector]:
    made = Collector(
        Settings(sources=(CelerySource(name="s", broker_url="redis://127.0.0.1:1/0"),)),
        store,
        CLOCK,
        make_state=lambda settings: TinyState(settings.source),
        providers=telemetry.providers,
    )
    observe(telemetry.providers, made)
    running = asyncio.create_task(made.run())
    try:
        await eventually(lambda: made.pipelines and made.pipelines[0].active())
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.usefixtures("collector")
async def test_a_collector_tells_how_each_source_is(telemetry: Telemetry) -> None:
    def point(name: str, **labels: Any) -> float | None:
        return next((value for told, value in telemetry.points(f"taskscope.{name}") if told == {"source": "s", **labels}), None)

    assert point("lease.held") == 1
    await eventually(lambda: point("source.status", status="down") == 1, seconds=20, what="the broker to be missed")
    assert sum(value for _, value in telemetry.points("taskscope.source.status")) == 1
    assert (point("buffer.limit"), point("event.lag"), point("flush.failures")) == (100_000, 0, 0)
    assert {point("events.dropped", reason=reason) for reason in ("buffer", "reader")} == {0}
    assert point("events.undecodable") == 0
    assert point("tasks.retained") is not None
    await eventually(lambda: (point("flush.duration") or 0) > 0)


async def test_queues_beyond_the_bound_are_summed_up(collector: Collector, telemetry: Telemetry) -> None:
    state = collector.pipelines[0]._state
    assert isinstance(state, TinyState)
    state.queues = {f"q{n}": Queue(f"q{n}", "s", Engine.CELERY, depth=n) for n in range(QUEUES + 10)}
    told = {labels["queue"]: value for labels, value in telemetry.points("taskscope.queue.messages")}
    assert len(told) == QUEUES + 1
    assert told[OTHER] == sum(range(10))
    assert (told[f"q{QUEUES + 9}"], "q9" in told) == (QUEUES + 9, False)
    state.queues = {"one": Queue("one", "s", Engine.CELERY, depth=3), "unknown": Queue("unknown", "s", Engine.CELERY)}
    assert telemetry.points("taskscope.queue.messages") == [({"source": "s", "queue": "one"}, 3)]

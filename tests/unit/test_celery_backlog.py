import asyncio
import base64
from typing import Any

import msgspec
from support.waiting import eventually
from taskscope_collector.observations import Counts, Health, Observation, Reconnected, TaskEvent
from taskscope_collector.sources.celery.backlog import SLICE, Backlog
from taskscope_collector.sources.celery.board import Board
from taskscope_collector.sources.celery.decode import EventDecoder, Malformed
from taskscope_collector.sources.celery.losses import CUT_SECONDS, TOLD_SECONDS, Losses
from taskscope_collector.sources.celery.roster import KnownIds, Roster
from taskscope_collector.sources.celery.skew import ClockSkew
from taskscope_shared.clock import ManualClock


class Recorder:
    def __init__(self) -> None:
        self.batches: list[list[Observation]] = []

    def put(self, batch: list[Observation]) -> None:
        self.batches.append(batch)

    def of(self, kind: type[Any]) -> list[Any]:
        return [seen for batch in self.batches for seen in batch if isinstance(seen, kind)]


class Bench:
    def __init__(self, limit_bytes: int) -> None:
        self.counts, self.clock, self.sink = Counts(), ManualClock(), Recorder()
        self.repaired = 0
        decoder = EventDecoder(self.counts, Malformed(self.counts), ClockSkew(), Roster(), KnownIds(), self.clock)
        self.losses = Losses(Board(self.sink, self.clock), self.counts, self.clock, self._repair)
        self.backlog = Backlog(decoder, self.counts, self.clock, self.sink, self.losses.dropped, limit_bytes)

    def _repair(self) -> None:
        self.repaired += 1

    @property
    def notes(self) -> str:
        return " ".join(self.sink.of(Health)[-1].notes)


def message(*ids: str) -> tuple[bytes, bytes]:
    events = [{"type": "task-started", "uuid": each, "hostname": 'w"uuid":@h', "timestamp": 900.0} for each in ids]
    body = msgspec.json.encode(events if len(ids) > 1 else events[0])
    topic = b"task.multi" if len(ids) > 1 else b"task.started"
    return topic, msgspec.json.encode({"body": base64.b64encode(body).decode()})


async def test_what_was_kept_is_decoded_in_its_order_and_in_slices() -> None:
    bench = Bench(limit_bytes=10_000_000)
    ids = [f"t{number}" for number in range(SLICE * 2 + 5)]
    for each in ids:
        bench.backlog.put(*message(each))
    await eventually(lambda: bench.counts.received == len(ids))
    assert [event.uuid for event in bench.sink.of(TaskEvent)] == ids
    assert [len(batch) for batch in bench.sink.batches] == [SLICE, SLICE, 5]


async def test_what_does_not_fit_is_counted_exactly_told_and_repaired() -> None:
    topic, payload = message("a", "b", "c")
    bench = Bench(limit_bytes=len(payload) * 2)
    for _ in range(5):
        bench.backlog.put(topic, payload)
    bench.backlog.put(*message("d"))
    await asyncio.sleep(0)
    assert bench.counts == Counts(received=6, dropped=10)
    assert len(bench.sink.of(Reconnected)) == 1
    assert bench.repaired == 1
    assert "10 events from" in bench.notes
    bench.backlog.put(topic, payload)
    await asyncio.sleep(0)
    assert bench.counts.received == 9


def test_a_cut_subscription_is_told_with_what_the_rate_before_lets_expect() -> None:
    bench = Bench(limit_bytes=1)
    bench.losses.cut(1_000.0, 1_002.0, rate=500.0)
    assert bench.counts.dropped == 1_000
    assert "the broker cut the subscription: events from 00:16:40 UTC to 00:16:42 UTC are missing, about 1000" in bench.notes
    bench.clock.advance(TOLD_SECONDS + 1)
    bench.losses.forget_old()
    assert bench.notes == ""


def test_a_broker_that_was_away_lost_nothing_that_could_be_counted() -> None:
    bench = Bench(limit_bytes=1)
    bench.losses.cut(1_000.0, 1_001.0 + CUT_SECONDS, rate=500.0)
    assert bench.counts.dropped == 0
    assert "the connection to the broker was lost" in bench.notes

"""When the workers of a Celery source are asked."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support.celery_source import Recorder
from support.waiting import eventually
from taskscope_collector.observations import InspectRound, QueuesSeen, WorkerBeat
from taskscope_collector.sources.celery import control as control_module
from taskscope_collector.sources.celery.control import IDLE_FACTOR, Control
from taskscope_collector.sources.celery.roster import MISSED_ROUNDS, KnownIds, Roster
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, Queue
from taskscope_shared.settings import CelerySource


class Inspector:
    """Counts the rounds; nobody holds anything."""

    def __init__(self, clock: ManualClock) -> None:
        self.rounds: list[float] = []
        self.round_bytes = 0
        self.holdings = SimpleNamespace(idle=lambda: True)
        self.worker_queues: dict[str, set[str]] = {}
        self.exchanges: set[str] = set()
        self._clock = clock

    async def round(self, *_: object, everything: bool) -> InspectRound:  # noqa: ARG002 - the inspector's signature
        self.rounds.append(self._clock.monotonic())
        return InspectRound(self._clock.now(), frozenset())

    def ask_everything(self) -> None:
        pass


class Nothing:
    """Whatever is asked of it, there is none."""

    def __getattr__(self, name: str) -> Any:
        async def nothing(*_: object, **__: object) -> list[object]:
            return []

        return (lambda *_: None) if name in {"tell", "ask_everybody", "degrade", "note"} else nothing


class Switch(Nothing):
    """Counts how often the control looks whether something is due."""

    looks = 0

    async def turn_on(self, *_: object) -> None:
        self.looks += 1

    async def looked(self) -> None:
        """Return once it looked twice more."""
        enough = self.looks + 2
        await eventually(lambda: self.looks >= enough, what="two more looks")


def control_of(clock: ManualClock, inspector: Inspector, roster: Roster | None = None, **parts: Any) -> Control:
    settings = CelerySource(name="s", broker_url="redis://127.0.0.1/0", inspect_seconds=5)
    nothing: Any = Nothing()
    events = parts.get("events", SimpleNamespace(tasks_at=None, sent_at=None))
    switch = parts.get("switch", nothing)
    all_: tuple[Any, ...] = (settings, roster or Roster(), inspector, switch, nothing, events, KnownIds(), nothing, clock)
    return Control(*all_)


async def test_the_first_event_after_idleness_brings_the_next_round_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "TICK_SECONDS", 0.01)
    clock = ManualClock(1_000.0)
    inspector, events = Inspector(clock), SimpleNamespace(tasks_at=None, sent_at=None)
    nothing: Any = Nothing()
    switch: Any = Switch()
    control = control_of(clock, inspector, events=events, switch=switch)
    running = asyncio.create_task(control.run(nothing, Recorder(), Recorder()))
    try:
        await eventually(lambda: len(inspector.rounds) == 1, what="the first round")
        first = inspector.rounds[0]
        clock.advance(5.0)
        await switch.looked()
        assert len(inspector.rounds) == 1, "an idle application is asked seldom"
        events.tasks_at = clock.now()
        await eventually(lambda: len(inspector.rounds) == 2, what="the round that an event calls for")
        assert inspector.rounds[1] - first < 5.0 * IDLE_FACTOR
        clock.advance(4.0)
        await switch.looked()
        assert len(inspector.rounds) == 2, "and then they are asked at the usual pace"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class OneQueue(Nothing):
    """A broker with one queue, of which it cannot tell who takes from it."""

    async def count(self, *_: object) -> list[Queue]:
        return [Queue("media", "s", Engine.CELERY)]


@pytest.mark.parametrize("end", ["says goodbye", "is not heard of any more"])
async def test_a_worker_that_is_gone_takes_from_no_queue(end: str) -> None:
    clock, roster, recorder = ManualClock(1_000.0), Roster(), Recorder()
    inspector = Inspector(clock)
    inspector.worker_queues = {"there": {"media"}, "gone": {"media", "other"}}
    for name in ("there", "gone"):
        roster.beat(WorkerBeat("worker-heartbeat", name, freq=2.0), clock.monotonic())
        roster.nodes[name].pool = "prefork"
    broker: Any = OneQueue()
    assert await consumers(control_of(clock, inspector, roster), broker, recorder) == 2
    if end == "says goodbye":
        roster.beat(WorkerBeat("worker-offline", "gone"), clock.monotonic())
    else:
        clock.advance(60.0)
        for _ in range(MISSED_ROUNDS):
            roster.round_over(["there"], clock.monotonic())
    assert await consumers(control_of(clock, inspector, roster), broker, recorder) == 1


async def consumers(control: Control, broker: Any, recorder: Recorder) -> int | None:
    """Who takes from the queue, as the control counts it next."""
    recorder.seen.clear()
    running = asyncio.create_task(control.run(broker, recorder, recorder))
    try:
        await eventually(lambda: recorder.of(QueuesSeen), what="a count of the queue")
        return recorder.of(QueuesSeen)[0].queues[0].consumers
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

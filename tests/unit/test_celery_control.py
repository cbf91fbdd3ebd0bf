"""When the workers of a Celery source are asked."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support.celery_source import Recorder
from support.waiting import eventually
from taskscope_collector.observations import InspectRound
from taskscope_collector.sources.celery import control as control_module
from taskscope_collector.sources.celery.control import IDLE_FACTOR, Control
from taskscope_collector.sources.celery.roster import KnownIds, Roster
from taskscope_shared.clock import ManualClock
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


async def test_the_first_event_after_idleness_brings_the_next_round_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "TICK_SECONDS", 0.01)
    clock = ManualClock(1_000.0)
    inspector, events = Inspector(clock), SimpleNamespace(tasks_at=None, sent_at=None)
    settings = CelerySource(name="s", broker_url="redis://127.0.0.1/0", inspect_seconds=5)
    nothing: Any = Nothing()
    switch: Any = Switch()
    parts: tuple[Any, ...] = (settings, Roster(), inspector, switch, nothing, events, KnownIds(), nothing, clock)
    control = Control(*parts)
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

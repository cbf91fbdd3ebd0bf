"""Watches one RQ source as a collector does, in this process: the source puts into the reducer's state, and all is kept."""

import asyncio
import copy
from collections import defaultdict
from types import TracebackType
from typing import Any, NamedTuple, Self

from support.waiting import eventually
from taskscope_collector.observations import Observation
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer.record import Draft
from taskscope_collector.reducer.state import ReducerSettings, SourceState
from taskscope_collector.sources.rq.source import RqSourceRunner
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, Queue, Source, State, Worker
from taskscope_shared.settings import DEFAULT_KINDS, Redaction, RqSource

TICK_SECONDS = 0.5
DRAIN_SECONDS = 0.02


class Moment(NamedTuple):
    """How a task looked when something of it changed, and when this process saw it so."""

    at: float
    state: State
    detail: str | None
    uncertain: str | None
    percent: float | None


class ActiveView:
    """The state as a source may see it; this collector is the active one while `is_active`."""

    def __init__(self, state: SourceState) -> None:
        self._state = state
        self.is_active = True

    def active(self) -> bool:
        return self.is_active

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)


def reducer_settings(source: str) -> ReducerSettings:
    return ReducerSettings(
        source=source,
        engine=Engine.RQ,
        kinds=DEFAULT_KINDS,
        finished=10_000,
        failed=10_000,
        queued=10_000,
        seconds=3600.0,
        redactor=Redactor(Redaction()),
    )


class WatchedRq:
    """A running RQ source with its state, and everything that was observed, in order."""

    def __init__(self, settings: RqSource) -> None:
        self.clock = SystemClock()
        self.runner = RqSourceRunner(settings, Redactor(Redaction()), self.clock)
        self.settings = reducer_settings(settings.name)
        self.state = SourceState(self.settings)
        self.view = ActiveView(self.state)
        self.observations: list[Observation] = []
        self.tasks: dict[str, Draft] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.moments: dict[str, list[Moment]] = defaultdict(list)
        self._running: list[asyncio.Task[Any]] = []

    def put(self, batch: list[Observation]) -> None:
        """As `Sink`."""
        self.observations.extend(copy.copy(observation) for observation in batch)
        self.state.apply_batch(batch)

    async def __aenter__(self) -> Self:
        self._running = [asyncio.create_task(work) for work in (self.runner.run(self, self.view), self._tick(), self._drain())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.state.tick(self.clock.now())

    async def _drain(self) -> None:
        while True:
            await asyncio.sleep(DRAIN_SECONDS)
            self._take_over()

    def _take_over(self) -> None:
        changes = self.state.drain()
        for record in changes.tasks:
            self._take(copy.copy(record.draft))
        self.workers |= {worker.name: worker for worker in changes.workers}
        self.queues |= {queue.name: queue for queue in changes.queues}

    def _take(self, draft: Draft) -> None:
        self.tasks[draft.id] = draft
        percent = draft.progress.percent if draft.progress else None
        moment = Moment(self.clock.now(), draft.state, draft.detail, draft.uncertain, percent)
        if not self.moments[draft.id] or self.moments[draft.id][-1][1:] != moment[1:]:
            self.moments[draft.id].append(moment)

    def health(self) -> Source:
        return self.state.source_health(self.clock.now())

    def state_of(self, job_id: str) -> State | None:
        draft = self.tasks.get(job_id)
        return draft.state if draft else None

    async def until(self, what: str, condition: Any, seconds: float = 20.0) -> None:
        """Until `condition()` holds. Fails if the source ended, or after `seconds`."""
        await eventually(lambda: self._alive() and condition(), seconds=seconds, what=what)

    def _alive(self) -> bool:
        for task in self._running:
            if task.done():
                task.result()
                raise AssertionError("the source ended")
        return True

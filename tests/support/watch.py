"""Watches one source as a collector does, in this process: the source puts into the reducer's state, and all is kept."""

import asyncio
import copy
from collections import defaultdict
from types import TracebackType
from typing import Any, NamedTuple, Self

from support.waiting import eventually
from taskscope_collector.collector import make_runner
from taskscope_collector.observations import Observation
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer.record import Draft
from taskscope_collector.reducer.state import ReducerSettings, SourceState
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Queue, Source, State, Worker
from taskscope_shared.settings import DEFAULT_KINDS, Redaction, Retention, SourceSettings

TICK_SECONDS = 0.5
BUDGETS = Retention(finished=10_000, failed=10_000, queued=10_000, seconds=3600.0)


class Moment(NamedTuple):
    """How a task looked when something of it changed. `at` is when this process saw it so, epoch seconds."""

    at: float
    state: State
    detail: str | None
    uncertain: str | None
    percent: float | None


class Watched:
    """A running source with its state, and everything that was observed, in order.

    It is as the one that holds the lease, which asks the broker and the workers, until a test says `state.is_active = False`.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self.clock = SystemClock()
        redactor = Redactor(Redaction())
        self.runner = make_runner(settings, BUDGETS, redactor, self.clock)
        self.state = SourceState(
            ReducerSettings(
                source=settings.name,
                engine=self.runner.engine,
                kinds=DEFAULT_KINDS,
                finished=BUDGETS.finished,
                failed=BUDGETS.failed,
                queued=BUDGETS.queued,
                seconds=BUDGETS.seconds,
                redactor=redactor,
            )
        )
        self.state.is_active = True
        self.observations: list[Observation] = []
        self.tasks: dict[str, Draft] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.deepest: dict[str, int] = defaultdict(int)
        self.moments: dict[str, list[Moment]] = defaultdict(list)
        self._running: list[asyncio.Task[Any]] = []

    def put(self, batch: list[Observation]) -> None:
        """As `Sink`, but one by one, so that nothing is overlooked that a busy machine hands over at once.

        What is kept is a copy: the reducer may redact in place.
        """
        for observation in batch:
            self.observations.append(copy.copy(observation))
            self.state.apply(observation)
            self.drain()

    async def __aenter__(self) -> Self:
        self._running = [asyncio.create_task(work) for work in (self.runner.run(self, self.state), self._tick())]
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
            self.drain()

    def drain(self) -> None:
        """Take over what changed."""
        changes = self.state.drain()
        for record in changes.tasks:
            self._take(copy.copy(record.draft))
        self.workers |= {worker.name: worker for worker in changes.workers}
        self.queues |= {queue.name: queue for queue in changes.queues}
        for queue in changes.queues:
            self.deepest[queue.name] = max(self.deepest[queue.name], queue.depth or 0)

    def _take(self, draft: Draft) -> None:
        self.tasks[draft.id] = draft
        percent = draft.progress.percent if draft.progress else None
        moment = Moment(self.clock.now(), draft.state, draft.detail, draft.uncertain, percent)
        if not self.moments[draft.id] or self.moments[draft.id][-1][1:] != moment[1:]:
            self.moments[draft.id].append(moment)

    def health(self) -> Source:
        return self.state.source_health(self.clock.now())

    def state_of(self, task_id: str) -> State | None:
        draft = self.tasks.get(task_id)
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

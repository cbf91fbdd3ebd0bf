"""From what a source saw to the store: one pipeline a source, which reduces always and writes while it holds the lease.

Three tasks share the state, all in one event loop: one takes from the buffer and reduces, one ticks, one writes; each gives
way after at most a few milliseconds.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from taskscope_shared.clock import Clock
from taskscope_shared.model import Queue, Source, SourceStatus
from taskscope_shared.store import Store

from taskscope_collector.buffer import Buffer
from taskscope_collector.flushing import Flushing
from taskscope_collector.health import HealthReport
from taskscope_collector.lease import LeaseKeeper
from taskscope_collector.observations import Counts, Observation, View
from taskscope_collector.reduced import Reduced
from taskscope_collector.writer import SourceWriter

log = logging.getLogger(__name__)

SLICE = 500
"""Observations applied before others may run: about 2 ms."""
TICK_SECONDS = 1.0
REASON_SECONDS = 30.0
"""Between two lines of the log that say why a source is down."""


class SourceView:
    """What a source may ask: of the reduced state, and whether this collector is the active one."""

    def __init__(self, state: View, writer: SourceWriter) -> None:
        self._writer = writer
        self.open_tasks = state.open_tasks
        self.open_tasks_of = state.open_tasks_of
        self.queue_names = state.queue_names
        self.queued_tasks = state.queued_tasks
        self.clock_skew = state.clock_skew

    def active(self) -> bool:
        """See `View.active`."""
        return self._writer.lease is not None

    def events_allowed(self) -> bool:
        """Whether nobody asked for workers' events to stay off (`taskscope events off`)."""
        return not self._writer.events_forbidden


class Pipeline:
    """One source's way to the store. `held` counts the leases that this collector holds; `flushing` tells of flushes."""

    def __init__(
        self,
        name: str,
        state: Reduced,
        store: Store,
        clock: Clock,
        *,
        holder: str,
        lease_seconds: float,
        held: Callable[[], int] = int,
        flushing: Flushing | None = None,
    ) -> None:
        self.name = name
        self._state = state
        self._clock = clock
        self.buffer = Buffer(clock)
        self._health = HealthReport(state, self.buffer, Counts(), holder, clock)
        keeper = LeaseKeeper(store, name, holder, lease_seconds, held)
        self.writer = SourceWriter(state, store, clock, keeper, self._health, flushing)
        self.view = SourceView(state, self.writer)
        self.poisoned = 0
        self._told, self._told_at = SourceStatus.STARTING, 0.0
        self._told_reason: str | None = None

    def active(self) -> bool:
        """Whether this collector holds the source's lease."""
        return self.writer.lease is not None

    def count_with(self, counts: Counts) -> None:
        """These are the source's own counts from now on."""
        self._health.count_with(counts)

    def told(self) -> Source:
        """The source's health as it is written with the next flush."""
        return self._health.now()

    def queues(self) -> list[Queue]:
        """The source's queues."""
        return self._state.counted_queues()

    def health(self) -> dict[str, Any]:
        """How it is, for people."""
        writer, told = self.writer, self._health.now()
        return {
            "status": told.status.value,
            "reason": told.reason,
            "active": self.active(),
            "settled": writer.settled.is_set(),
            "store": writer.fault or "answers",
            "flushes": writer.flushes,
            "received": self.buffer.received,
            "dropped": self.buffer.dropped,
            "poisoned": self.poisoned,
            "lag_seconds": round(self.buffer.lag_seconds(), 3),
        }

    async def load(self) -> None:
        """Begin with what is stored; waits for the store to answer."""
        await self.writer.load()

    async def run(self) -> None:
        """Reduce and write until cancelled; then write what is left, and give the lease up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reduce(), name=f"reduce {self.name}")
            group.create_task(self._tick(), name=f"tick {self.name}")
            group.create_task(self.writer.run(self._reduce_rest), name=f"write {self.name}")

    async def _reduce(self) -> None:
        while True:
            self._apply(await self.buffer.take(SLICE))
            self.writer.changed.set()
            await asyncio.sleep(0)

    def _reduce_rest(self) -> None:
        for batch in self.buffer.rest():
            self._apply(batch)

    def _apply(self, batch: list[Observation]) -> None:
        try:
            self._state.apply_batch(batch)
        except Exception:  # one observation that cannot be reduced must not stop the source; it is logged and counted
            log.exception("an observation cannot be reduced; its batch is taken one by one", extra={"source": self.name})
            for observation in batch:
                self._apply_alone(observation)

    def _apply_alone(self, observation: Observation) -> None:
        """Facts may come twice, so those that were applied with the batch are not harmed."""
        try:
            self._state.apply_batch([observation])
        except Exception:  # noqa: BLE001 - as above; logged with its batch
            self.poisoned += 1
            self.buffer.gap(self._clock.now())

    async def _tick(self) -> None:
        while True:
            self._state.tick(self._clock.now())
            self._health.count()
            self._tell_status()
            self.writer.changed.set()
            await asyncio.sleep(TICK_SECONDS)

    def _tell_status(self) -> None:
        """A line in the log when the source comes, goes, or does worse; and now and then when it is down for another reason."""
        told, now = self._health.now(), self._clock.monotonic()
        is_other = told.status is SourceStatus.DOWN and told.reason != self._told_reason
        if told.status is self._told and not (is_other and now >= self._told_at + REASON_SECONDS):
            return
        self._told, self._told_reason, self._told_at = told.status, told.reason, now
        level = logging.INFO if told.status in (SourceStatus.UP, SourceStatus.STARTING) else logging.WARNING
        log.log(level, "the source is %s", told.status.value, extra={"source": self.name, "reason": told.reason})

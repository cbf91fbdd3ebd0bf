"""From what a source saw to the store: one pipeline a source, which reduces always and writes while it holds the lease.

Three tasks share the state, all in one event loop: one takes from the buffer and reduces, one ticks, one writes; each gives
way after at most a few milliseconds.
"""

import asyncio
import logging
from collections.abc import Callable

from taskscope_shared.clock import Clock
from taskscope_shared.store import Store

from taskscope_collector.buffer import Buffer
from taskscope_collector.health import HealthReport
from taskscope_collector.lease import LeaseKeeper
from taskscope_collector.observations import Counts, Observation
from taskscope_collector.reduced import Reduced
from taskscope_collector.writer import SourceWriter

log = logging.getLogger(__name__)

SLICE = 500
"""Observations applied before others may run: about 2 ms."""
TICK_SECONDS = 1.0


class Pipeline:
    """One source's way to the store. `held` counts the leases that this collector holds already."""

    def __init__(
        self,
        name: str,
        state: Reduced,
        store: Store,
        clock: Clock,
        *,
        holder: str,
        lease_seconds: float,
        counts: Counts | None = None,
        held: Callable[[], int] = int,
    ) -> None:
        self.name = name
        self._state = state
        self._clock = clock
        self.buffer = Buffer(clock)
        self._health = HealthReport(state, self.buffer, counts or Counts(), holder, clock)
        self.writer = SourceWriter(state, store, clock, LeaseKeeper(store, name, holder, lease_seconds, held), self._health)
        self.poisoned = 0

    def active(self) -> bool:
        """Whether this collector holds the source's lease."""
        return self.writer.lease is not None

    async def load(self) -> None:
        """Begin with what is stored; waits for the store to answer."""
        await self.writer.load()

    async def run(self) -> None:
        """Reduce and write until cancelled; then write what is left, and give the lease up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reduce(), name=f"reduce {self.name}")
            group.create_task(self._tick(), name=f"tick {self.name}")
            group.create_task(self.writer.run(), name=f"write {self.name}")

    async def _reduce(self) -> None:
        while True:
            self._apply(await self.buffer.take(SLICE))
            self.writer.changed.set()
            await asyncio.sleep(0)

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
            self.writer.changed.set()
            await asyncio.sleep(TICK_SECONDS)

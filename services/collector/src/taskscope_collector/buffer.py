"""The bounded buffer between a source, which must never wait, and the reducer."""

import asyncio
from collections import deque

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Observation, Reconnected

LIMIT = 100_000
"""Observations that may wait: one to two seconds at the highest rate; about 1 KB each."""


class Buffer:
    """A `Sink` that drops what does not fit and counts it; an empty one takes a batch of any size.

    After a drop the reducer is told of the gap, like after a reconnection, once there is room again.
    """

    def __init__(self, clock: Clock, limit: int = LIMIT) -> None:
        self._clock = clock
        self.limit = limit
        self._batches: deque[tuple[float, list[Observation]]] = deque()
        self._waiting = 0
        self._gap_since: float | None = None
        self._filled = asyncio.Event()
        self.received = 0
        self.dropped = 0

    @property
    def length(self) -> int:
        """Observations that wait."""
        return self._waiting

    def put(self, batch: list[Observation]) -> None:
        """See `Sink.put`."""
        if not batch:
            return
        if self._waiting and self._waiting + len(batch) > self.limit:
            self._drop(batch)
            return
        self.received += len(batch)
        self._waiting += len(batch)
        self._batches.append((self._clock.monotonic(), batch))
        self._filled.set()

    def _drop(self, batch: list[Observation]) -> None:
        self.dropped += len(batch)
        if self._gap_since is None:
            self._gap_since = self._clock.now()

    async def take(self, limit: int) -> list[Observation]:
        """The next observations in their order, about `limit` (a single bigger batch is divided); waits for one."""
        while not self._batches:
            self._filled.clear()
            await self._filled.wait()
        at, taken = self._batches.popleft()
        if len(taken) > limit:
            self._batches.appendleft((at, taken[limit:]))
            taken = taken[:limit]
        elif self._batches and len(taken) + len(self._batches[0][1]) <= limit:
            taken = list(taken)
            while self._batches and len(taken) + len(self._batches[0][1]) <= limit:
                taken += self._batches.popleft()[1]
        self._waiting -= len(taken)
        if self._gap_since is not None and self._waiting < self.limit // 2:
            taken = [*taken, Reconnected(self._gap_since, self._clock.now())]
            self._gap_since = None
        return taken

    def rest(self) -> list[list[Observation]]:
        """All that waits, at the end."""
        rest, self._waiting = [batch for _, batch in self._batches], 0
        self._batches.clear()
        return rest

    def gap(self, since: float) -> None:
        """Make the next `take` tell of a gap since then: something was skipped that cannot be named."""
        self._gap_since = since if self._gap_since is None else min(since, self._gap_since)

    def lag_seconds(self) -> float:
        """How long the observation that is taken next has been waiting."""
        try:
            return self._clock.monotonic() - self._batches[0][0]
        except IndexError:
            return 0.0

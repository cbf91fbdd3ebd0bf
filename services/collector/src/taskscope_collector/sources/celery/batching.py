"""Gathers what one read of a socket brought, so that the sink gets it as one batch."""

import asyncio

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Observation, Sink


class Batch:
    """Append to `items` after `open`; the rest of the same read comes before the sink gets it."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._handing = False
        self.items: list[Observation] = []
        self.heard_at: float | None = None
        """When something was handed over last, or the connection was known to work."""

    def open(self) -> list[Observation]:
        """Where to append to now."""
        if not self._handing:
            self._handing = True
            asyncio.get_running_loop().call_soon(self._hand_over)
        return self.items

    def _hand_over(self) -> None:
        self._handing = False
        if self.items:
            batch, self.items = self.items, []
            self.heard_at = self._clock.now()
            self._sink.put(batch)

"""Messages between the socket and the decoder, so that the reader never waits for anybody.

A broker cuts a subscriber that reads too slowly, and with it everything that it held back. So what arrives is only kept here,
in bounds, and decoded in slices between reads; what does not fit is dropped, counted, and told as a gap later.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Counts, Observation, Reconnected, Sink

logger = logging.getLogger(__name__)

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""About a second at 60,000 events a second."""
SLICE: Final = 400
"""Observations decoded before others, and the socket, have their turn: 2 ms, and less than the reducer takes in one."""


class Decoder(Protocol):
    """`decode.EventDecoder`."""

    def message(self, topic: bytes, payload: bytes, out: list[Observation], now: float) -> None:
        """Append what a message says."""
        ...

    def count(self, topic: bytes, payload: bytes) -> int:
        """How many events a message holds."""
        ...


class Backlog:
    """Takes messages and hands over their observations. `gap` is called with what was dropped, when there is room again."""

    def __init__(
        self,
        decoder: Decoder,
        counts: Counts,
        clock: Clock,
        sink: Sink,
        gap: Callable[[float, float, int], None] = lambda *_: None,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._decoder = decoder
        self._counts = counts
        self._clock = clock
        self._sink = sink
        self._gap = gap
        self._limit = limit_bytes
        self._waiting: deque[tuple[bytes, bytes, float]] = deque()
        self._bytes = 0
        self._scheduled = False
        self._dropped_since: float | None = None
        self._dropped = 0
        self.heard_at: float | None = None
        """When something came last, or the connection was known to work."""

    def put(self, topic: bytes, payload: bytes) -> None:
        """One message of a channel whose last part is `topic`. Quick, and never raises."""
        now = self.heard_at = self._clock.now()
        size = len(payload)
        if self._bytes + size > self._limit and self._waiting:
            self._drop(topic, payload, now)
            return
        self._bytes += size
        self._waiting.append((topic, payload, now))
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._turn)

    def _drop(self, topic: bytes, payload: bytes, now: float) -> None:
        if self._dropped_since is None:
            self._dropped_since = now
        dropped = self._decoder.count(topic, payload)
        self._dropped += dropped
        self._counts.dropped += dropped

    def _turn(self) -> None:
        self._scheduled = False
        batch: list[Observation] = []
        try:
            self._decode(batch)
        except Exception:  # the decoder's own fault with one message must not end the others
            logger.exception("a message cannot be decoded")
            self._counts.malformed += 1
        if batch:
            self._sink.put(batch)
        if self._dropped_since is not None and self._bytes < self._limit // 2:
            self._tell(self._dropped_since)
        if self._waiting:
            self._schedule()

    def _decode(self, batch: list[Observation]) -> None:
        waiting, decode, freed = self._waiting, self._decoder.message, 0
        try:
            while waiting and len(batch) < SLICE:
                topic, payload, at = waiting.popleft()
                freed += len(payload)
                decode(topic, payload, batch, at)
        finally:
            self._bytes -= freed

    def _tell(self, since: float) -> None:
        now, dropped = self._clock.now(), self._dropped
        self._dropped_since, self._dropped = None, 0
        self._sink.put([Reconnected(since=since, at=now)])
        self._gap(since, now, dropped)

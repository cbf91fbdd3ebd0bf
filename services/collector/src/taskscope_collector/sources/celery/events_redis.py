"""The event stream of a Redis broker: its fanout channels, read without ever waiting for anybody."""

import asyncio
from collections.abc import Callable
from typing import Any

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Counts, Reconnected, Sink
from taskscope_collector.sources.celery.backlog import Backlog
from taskscope_collector.sources.celery.decode import EventDecoder
from taskscope_collector.sources.celery.losses import Losses
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.resp import RespConnection

PMESSAGE_PARTS = 4  # "pmessage", pattern, channel, payload
LOOK_SECONDS = 1.0
QUIET_LOOKS = 5
"""A connection on which nothing came in so many looks is asked whether it is still there."""


class RedisEvents:
    """Subscribes to the event channels; what comes is kept at once, and decoded between reads (`backlog.py`)."""

    def __init__(self, decoder: EventDecoder, counts: Counts, clock: Clock, sink: Sink, losses: Losses) -> None:
        self._counts = counts
        self._clock = clock
        self._sink = sink
        self._losses = losses
        self._backlog = Backlog(decoder, counts, clock, sink, losses.dropped)
        self._rate = 0.0

    async def listen(self, url: str, names: BrokerNames, alive_channel: str, ready: Callable[[], None]) -> None:
        """Listen until the connection ends; raises what ended it (OSError, RespError).

        `ready` is called once subscribed; `alive_channel` is only held, to show that this process lives (`pidbox_redis.py`).
        """
        since = self._backlog.heard_at  # before this subscription, whose first messages may come before it is confirmed
        connection = await RespConnection.open(url, protocol=2, on_push=self._take)
        try:
            await connection.execute("PSUBSCRIBE", names.event_pattern)
            await connection.execute("SUBSCRIBE", alive_channel)
            now = self._clock.now()
            if since is not None:
                self._sink.put([Reconnected(since=since, at=now)])
                self._losses.cut(since, now, self._rate)
            self._backlog.heard_at = now
            ready()
            await self._stay(connection)
        finally:
            await connection.close()

    async def _stay(self, connection: RespConnection) -> None:
        ended = asyncio.ensure_future(connection.closed())
        quiet, self._rate = 0, 0.0
        try:
            while True:
                before, received, began = connection.bytes_received, self._counts.received, self._clock.monotonic()
                done, _ = await asyncio.wait((ended,), timeout=LOOK_SECONDS)
                if done:
                    ended.result()
                    return
                self._rate = (self._counts.received - received) / (self._clock.monotonic() - began)
                # Behind a backlog the answer would come late, but then there is no need to ask.
                quiet = quiet + 1 if connection.bytes_received == before else 0
                if quiet and quiet % QUIET_LOOKS == 0:
                    await connection.execute("PING")
                if not quiet or quiet % QUIET_LOOKS == 0:
                    self._backlog.heard_at = self._clock.now()
                self._losses.forget_old()
        finally:
            ended.cancel()

    def _take(self, message: list[Any]) -> None:
        if len(message) != PMESSAGE_PARTS:  # something on the channel that is only held
            return
        channel: bytes = message[2]
        self._backlog.put(channel[channel.rfind(b"/") + 1 :], message[3])

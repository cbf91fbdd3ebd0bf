"""The event stream of a Redis broker: its fanout channels, read without ever waiting for anybody."""

import asyncio
from collections.abc import Callable
from typing import Any

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Reconnected, Sink
from taskscope_collector.sources.celery.batching import Batch
from taskscope_collector.sources.celery.decode import EventDecoder
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.resp import RespConnection

PMESSAGE_PARTS = 4  # "pmessage", pattern, channel, payload
QUIET_SECONDS = 5.0
"""A connection on which nothing came for so long is asked whether it is still there."""


class RedisEvents:
    """Subscribes to the event channels and puts each read's events into the sink as one batch."""

    def __init__(self, decoder: EventDecoder, clock: Clock, sink: Sink) -> None:
        self._decoder = decoder
        self._clock = clock
        self._sink = sink
        self._batch = Batch(sink, clock)

    async def listen(self, url: str, names: BrokerNames, alive_channel: str, ready: Callable[[], None]) -> None:
        """Listen until the connection ends; raises what ended it (OSError, RespError).

        `ready` is called once subscribed; `alive_channel` is only held, to show that this process lives (`pidbox_redis.py`).
        """
        connection = await RespConnection.open(url, protocol=2, on_push=self._take)
        try:
            await connection.execute("PSUBSCRIBE", names.event_pattern)
            await connection.execute("SUBSCRIBE", alive_channel)
            now = self._clock.now()
            if self._batch.heard_at is not None:
                self._sink.put([Reconnected(since=self._batch.heard_at, at=now)])
            self._batch.heard_at = now
            ready()
            await self._stay(connection)
        finally:
            await connection.close()

    async def _stay(self, connection: RespConnection) -> None:
        ended = asyncio.ensure_future(connection.closed())
        try:
            while True:
                before = connection.bytes_received
                done, _ = await asyncio.wait((ended,), timeout=QUIET_SECONDS)
                if done:
                    ended.result()
                    return
                # Behind a backlog the answer would come late, but then there is no need to ask.
                if connection.bytes_received == before:
                    await connection.execute("PING")
                self._batch.heard_at = self._clock.now()
        finally:
            ended.cancel()

    def _take(self, message: list[Any]) -> None:
        if len(message) != PMESSAGE_PARTS:  # something on the channel that is only held
            return
        channel: bytes = message[2]
        self._decoder.message(channel[channel.rfind(b"/") + 1 :], message[3], self._batch.open(), self._clock.now())

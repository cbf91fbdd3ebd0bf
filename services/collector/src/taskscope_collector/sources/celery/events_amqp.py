"""The event stream of an AMQP broker: a queue of our own at the event exchange, gone with the connection."""

from collections.abc import Callable

from aiormq.abc import AbstractConnection, DeliveredMessage
from taskscope_shared.clock import Clock

from taskscope_collector.observations import Reconnected, Sink
from taskscope_collector.sources.celery.amqp import Exchange, ended, ensure_exchange, open_channel
from taskscope_collector.sources.celery.batching import Batch
from taskscope_collector.sources.celery.decode import EventDecoder

QUEUE_ARGUMENTS: dict[str, int | str] = {
    "x-expires": 60_000,  # ms
    "x-max-length": 200_000,
    "x-max-length-bytes": 64 * 1024 * 1024,
    "x-overflow": "drop-head",
}


class AmqpEvents:
    """Consumes the event exchange and puts what came together into the sink as one batch."""

    def __init__(self, decoder: EventDecoder, clock: Clock, sink: Sink) -> None:
        self._decoder = decoder
        self._clock = clock
        self._sink = sink
        self._batch = Batch(sink, clock)

    async def listen(self, connection: AbstractConnection, exchange: Exchange, queue: str, ready: Callable[[], None]) -> None:
        """Consume until the connection ends; raises what ended it. `ready` is called once events arrive."""
        await ensure_exchange(connection, exchange)
        channel = await open_channel(connection)
        await channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=dict(QUEUE_ARGUMENTS))
        await channel.queue_bind(queue, exchange.name, routing_key="#")
        # Without acknowledgements: the queue dies with the connection, so there is nothing they could save.
        await channel.basic_consume(queue, self._take, no_ack=True)
        now = self._clock.now()
        if self._batch.heard_at is not None:
            self._sink.put([Reconnected(since=self._batch.heard_at, at=now)])
        self._batch.heard_at = now
        ready()
        await ended(connection, channel)

    async def _take(self, message: DeliveredMessage) -> None:
        topic = (message.routing_key or "").encode()
        self._decoder.body(topic, message.body, self._batch.open(), self._clock.now())

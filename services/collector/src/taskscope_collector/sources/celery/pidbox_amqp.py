"""Remote control over an AMQP broker: a fanout exchange for the question, a queue of our own for the answers."""

import secrets
from collections.abc import Sequence

import msgspec
from aiormq import spec
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from opentelemetry.trace import SpanKind
from taskscope_shared.clock import Clock
from taskscope_shared.tracing import step

from taskscope_collector.sources.celery.amqp import Exchange, ensure_exchange, exchange_exists, open_channel
from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.mailbox import ANSWER_SECONDS, Answers, Question, Waiting, request_body


class AmqpMailbox:
    """The broker does not say how many workers listen: who is expected has to be known."""

    def __init__(self, connection: AbstractConnection, control_exchange: str, clock: Clock, malformed: Malformed) -> None:
        self._connection = connection
        self._exchange = f"{control_exchange}.pidbox"
        self._reply_exchange = f"reply.{control_exchange}.pidbox"
        self._oid = f"taskscope-{secrets.token_hex(12)}"
        self._clock = clock
        self._malformed = malformed
        self._channel: AbstractChannel | None = None
        self._exists = False
        self._waiting: list[Waiting] = []

    async def open(self) -> AbstractChannel:
        """Declare the reply queue and listen to it; the channel's end is the mailbox's."""
        await ensure_exchange(self._connection, Exchange(self._reply_exchange, "direct", durable=False))
        channel = self._channel = await open_channel(self._connection)
        queue = f"{self._oid}.{self._reply_exchange}"
        await channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments={"x-expires": 60_000})
        await channel.queue_bind(queue, self._reply_exchange, routing_key=self._oid)
        await channel.basic_consume(queue, self._take, no_ack=True)
        return channel

    async def ask(
        self, questions: Sequence[Question], *, expected: Sequence[str] = (), seconds: float = ANSWER_SECONDS
    ) -> Answers:
        """See `Mailbox.ask`."""
        waiting = Waiting(questions, self._clock.now())
        if not await self._anybody():
            waiting.answers.subscribed = 0
            return waiting.answers
        self._waiting.append(waiting)
        told = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._exchange,
        }
        try:
            with step(f"send {self._exchange}", SpanKind.PRODUCER, told):
                await self._publish(waiting, expected)
            return await waiting.wait(seconds)
        finally:
            self._waiting.remove(waiting)

    async def _anybody(self) -> bool:
        """Whether a worker ever declared the exchange; publishing to none would close the channel."""
        if not self._exists:
            self._exists = await exchange_exists(self._connection, self._exchange)
        return self._exists

    async def _publish(self, waiting: Waiting, expected: Sequence[str]) -> None:
        if self._channel is None or self._channel.is_closed:
            raise ConnectionError("the channel of remote control is closed")
        for ticket, question in waiting.tickets.items():
            body = request_body(question, ticket, self._oid, self._reply_exchange)
            properties = spec.Basic.Properties(
                content_type="application/json", content_encoding="utf-8", delivery_mode=1, headers={"clock": 0, "expires": 0}
            )
            await self._channel.basic_publish(body, exchange=self._exchange, routing_key="", properties=properties)
            # Nobody known: then whoever answers within the time.
            if question.destination is not None:
                waiting.expect(ticket, len(question.destination))
            elif expected:
                waiting.expect(ticket, len(expected))

    async def _take(self, message: DeliveredMessage) -> None:
        headers = message.header.properties.headers or {}
        try:
            any(waiting.take(str(headers.get("ticket")), message.body) for waiting in self._waiting)
        except msgspec.MsgspecError as error:
            self._malformed.count("inspect reply", error)

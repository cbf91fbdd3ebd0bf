"""The two connected parts of a source with an AMQP broker: its event stream, and what is asked."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskscope_shared.settings import resolve_url

from taskscope_collector.observations import Sink, View
from taskscope_collector.sources.celery.amqp import Exchange, close, connect, ended, exchange_exists
from taskscope_collector.sources.celery.amqp_broker import AmqpBroker
from taskscope_collector.sources.celery.board import CONTROL, EVENTS
from taskscope_collector.sources.celery.events_amqp import AmqpEvents
from taskscope_collector.sources.celery.mailbox import Mailbox
from taskscope_collector.sources.celery.parts import Parts
from taskscope_collector.sources.celery.pidbox_amqp import AmqpMailbox
from taskscope_collector.sources.celery.supervision import Failover, together

NO_PEEKING = "queues of an AMQP broker cannot be looked into: waiting tasks are known from task-sent events alone"


class AmqpLink:
    """Each method is one attempt: it goes on until its connection ends, and raises what ended it."""

    transport = "amqp"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._events: AmqpEvents | None = None
        self._failover = Failover()

    async def listen(self, sink: Sink) -> None:
        """The event stream."""
        parts = self._parts
        if self._events is None:
            self._events = AmqpEvents(parts.events, parts.clock, sink)
        try:
            connection = await connect(self._url())
        except OSError:
            self._failover.next()
            raise
        try:
            exchange = Exchange(parts.settings.event_exchange, "topic", durable=True)
            queue = f"celeryev.taskscope-{secrets.token_hex(12)}"
            await self._events.listen(connection, exchange, queue, self._listening)
        finally:
            await close(connection)

    def _listening(self) -> None:
        self._parts.board.up(EVENTS)
        self._parts.control.had_a_gap()

    async def ask(self, sink: Sink, view: View) -> None:
        """Workers and queues."""
        parts = self._parts
        connection = await connect(self._url())
        try:
            mailbox = AmqpMailbox(connection, parts.settings.control_exchange, parts.clock, parts.malformed)
            channel = await mailbox.open()
            parts.board.note("queues", NO_PEEKING)
            parts.board.up(CONTROL)
            broker = AmqpBroker(connection, mailbox, parts.settings, parts.inspector.holdings, parts.clock)
            await together(ended(connection, channel), parts.control.run(broker, sink, view))
        finally:
            await close(connection)

    @asynccontextmanager
    async def mailbox(self) -> AsyncIterator[Mailbox]:
        """Remote control alone."""
        connection = await connect(self._url())
        try:
            mailbox = AmqpMailbox(connection, self._parts.settings.control_exchange, self._parts.clock, self._parts.malformed)
            await mailbox.open()
            yield mailbox
        finally:
            await close(connection)

    async def try_events(self) -> None:
        """Look whether there is an event exchange. Raises what prevents it."""
        connection = await connect(self._url())
        try:
            await exchange_exists(connection, self._parts.settings.event_exchange)
        finally:
            await close(connection)

    def _url(self) -> str:
        return self._failover.address(resolve_url(self._parts.settings.broker_url))

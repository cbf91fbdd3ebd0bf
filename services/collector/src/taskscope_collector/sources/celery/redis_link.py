"""The two connected parts of a source with a Redis broker: its event stream, and what is asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskscope_shared.settings import resolve_url

from taskscope_collector.observations import Sink, View
from taskscope_collector.sources.celery.board import CONTROL, EVENTS
from taskscope_collector.sources.celery.events_redis import RedisEvents
from taskscope_collector.sources.celery.losses import Losses
from taskscope_collector.sources.celery.mailbox import Mailbox
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.celery.parts import Parts
from taskscope_collector.sources.celery.pidbox_redis import alive_channel, new_oid
from taskscope_collector.sources.celery.queues_redis import RedisQueues
from taskscope_collector.sources.celery.redis_broker import RedisBroker
from taskscope_collector.sources.celery.supervision import Failover, together
from taskscope_collector.sources.resp import RespConnection
from taskscope_collector.sources.resp_sentinels import database_of


class RedisLink:
    """Each method is one attempt: it goes on until its connection ends, and raises what ended it."""

    transport = "redis"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._oid = new_oid()
        self._failover = Failover()
        self._events: RedisEvents | None = None
        self._queues: RedisQueues | None = None

    async def listen(self, sink: Sink) -> None:
        """The event stream."""
        parts = self._parts
        url, names = self._address()
        if self._events is None:
            losses = Losses(parts.board, parts.counts, parts.clock, parts.control.had_a_gap)
            self._events = RedisEvents(parts.events, parts.counts, parts.clock, sink, losses)
        try:
            await self._events.listen(url, names, alive_channel(names.prefix, self._oid), self._listening)
        except OSError:
            self._failover.next()
            raise

    def _listening(self) -> None:
        self._parts.board.up(EVENTS)
        self._parts.control.had_a_gap()

    async def ask(self, sink: Sink, view: View) -> None:
        """Workers and queues."""
        async with self.broker() as (broker, replies):
            await broker.mailbox.tidy()
            self._parts.board.up(CONTROL)
            await together(broker.mailbox.take_replies(replies), self._parts.control.run(broker, sink, view))

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[tuple[RedisBroker, RespConnection]]:
        """The broker, connected; nothing of ours is left in it afterwards."""
        parts = self._parts
        url, names = self._address()
        if self._queues is None:
            self._queues = RedisQueues(parts.settings, names, parts.messages, parts.malformed, parts.clock)
        commands = await RespConnection.open(url)
        try:
            broker = RedisBroker(commands, names, self._queues, self._oid, parts.clock, parts.malformed)
            replies = await RespConnection.open(url)
            try:
                yield broker, replies
            finally:
                await replies.close()
                await broker.mailbox.leave()
        finally:
            await commands.close()

    @asynccontextmanager
    async def mailbox(self) -> AsyncIterator[Mailbox]:
        """Remote control alone, for one who only wants to say something."""
        async with self.broker() as (broker, replies):
            taking = asyncio.ensure_future(broker.mailbox.take_replies(replies))
            try:
                yield broker.mailbox
            finally:
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)

    async def try_events(self) -> None:
        """Subscribe to the event stream once. Raises what prevents it."""
        url, names = self._address()
        connection = await RespConnection.open(url)
        try:
            await connection.execute("PSUBSCRIBE", names.event_pattern)
        finally:
            await connection.close()

    def _address(self) -> tuple[str, BrokerNames]:
        url = self._failover.address(resolve_url(self._parts.settings.broker_url))
        return url, BrokerNames.of(self._parts.settings, database_of(url))

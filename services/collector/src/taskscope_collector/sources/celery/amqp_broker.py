"""An AMQP broker while connected: what `Control` asks of it. Its queues can be counted, but not looked into."""

from collections.abc import Iterable
from typing import Self

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from msgspec.structs import replace
from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, Queue
from taskscope_shared.requests import Place
from taskscope_shared.settings import CelerySource

from taskscope_collector.observations import Observation
from taskscope_collector.sources.celery.amqp import open_channel
from taskscope_collector.sources.celery.inspect import Holdings
from taskscope_collector.sources.celery.mailbox import Mailbox
from taskscope_collector.sources.celery.queues_redis import QUEUES, is_work
from taskscope_collector.sources.celery.roster import KnownIds

WHY_AGAIN = "its worker is gone and had not acknowledged its message: the broker delivers it again"
OPAQUE = "queues of an AMQP broker cannot be looked into"
ABSENT = "the broker has no such queue"
ABSENT_SECONDS = 20.0
"""Between two askings for a queue that is not there: each is an error in the broker's log."""


class AmqpBroker:
    """Made anew for each connection."""

    def __init__(
        self, connection: AbstractConnection, mailbox: Mailbox, settings: CelerySource, holdings: Holdings, clock: Clock
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._holdings = holdings
        self._clock = clock
        self._channel: AbstractChannel | None = None
        self._empty = False
        self._absent_until: dict[str, float] = {}
        self.mailbox = mailbox

    @property
    def unacked(self) -> Self:
        """See `Broker.unacked`."""
        return self

    async def count(self, named: Iterable[str], exchanges: Iterable[str]) -> list[Queue]:
        """See `Broker.count`; `exchanges` are of no use: the bindings are the management API's."""
        del exchanges
        names = sorted(filter(is_work, {*self._settings.queues, *named}))[:QUEUES]
        queues = [await self._count_one(name) for name in names]
        found = [queue for queue in queues if queue is not None]
        self._empty = all(queue.depth == 0 for queue in found if queue.detail is None)
        return found

    async def _count_one(self, name: str) -> Queue | None:
        now = self._clock.monotonic()
        if now >= self._absent_until.get(name, 0.0):
            try:
                return await self._declared(name)
            except aiormq.ChannelNotFoundEntity:  # which closes the channel
                self._absent_until[name] = now + ABSENT_SECONDS
            except aiormq.ChannelLockedResource:  # somebody's exclusive queue
                return None
        return self._queue(name, consumers=0, detail=ABSENT) if name in self._settings.queues else None

    async def _declared(self, name: str) -> Queue:
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(self._connection)
        declared = await self._channel.queue_declare(name, passive=True)
        return self._queue(name, depth=declared.message_count, consumers=declared.consumer_count)

    def _queue(self, name: str, *, depth: int | None = None, consumers: int | None = None, detail: str | None = None) -> Queue:
        queue = Queue(name=name, source=self._settings.name, engine=Engine.CELERY, at=self._clock.now())
        return replace(queue, depth=depth, consumers=consumers, detail=detail)

    async def peek(self, known: KnownIds) -> list[Observation]:
        """Nothing: reading an AMQP queue is taking from it."""
        del known
        return []

    async def place(self, task_id: str, queue: str) -> Place:
        """Nobody can tell, for the same reason."""
        del task_id, queue
        return Place(reason=OPAQUE)

    async def waiting_ids(self, suspects: int) -> set[str] | None:
        """None at all when every queue is empty; else nobody can tell."""
        del suspects
        return set() if self._empty else None

    async def of_dead(self, open_tasks: dict[str, str]) -> dict[str, str]:
        """See `Unacknowledged.of_dead`: as the worker itself said when it answered last."""
        return {task_id: WHY_AGAIN for task_id, worker in open_tasks.items() if self._unacknowledged(task_id, worker)}

    def _unacknowledged(self, task_id: str, worker: str) -> bool:
        held = self._holdings.of.get(worker, {})
        if task_id in held:
            return held[task_id] is False
        return task_id in self._holdings.scheduled.get(worker, ())

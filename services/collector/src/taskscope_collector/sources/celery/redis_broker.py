"""A Redis broker while connected: what `Control` asks of it, over one connection for commands and one for answers."""

from collections.abc import Iterable
from typing import Self

from taskscope_shared.clock import Clock
from taskscope_shared.model import Queue
from taskscope_shared.requests import Place

from taskscope_collector.observations import Observation
from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.celery.pidbox_redis import RedisMailbox
from taskscope_collector.sources.celery.place import Places
from taskscope_collector.sources.celery.queues_redis import UNACKED_READ, RedisQueues
from taskscope_collector.sources.celery.roster import KnownIds
from taskscope_collector.sources.resp import RespConnection

WHY_AGAIN = "its worker is gone and its message is not acknowledged: the broker delivers it again after the visibility timeout"

WHY_BACK = "its worker is gone and its message is back in the queue"


class RedisBroker:
    """Made anew for each connection; `queues` lives on."""

    def __init__(
        self, commands: RespConnection, names: BrokerNames, queues: RedisQueues, oid: str, clock: Clock, malformed: Malformed
    ) -> None:
        self._commands = commands
        self._queues = queues
        self._places = Places(names, clock)
        self.mailbox = RedisMailbox(commands, names, oid, clock, malformed)

    @property
    def unacked(self) -> Self:
        """See `Broker.unacked`."""
        return self

    async def count(self, named: Iterable[str], exchanges: Iterable[str]) -> list[Queue]:
        """See `Broker.count`."""
        return await self._queues.count(self._commands, named, exchanges)

    async def peek(self, known: KnownIds) -> list[Observation]:
        """See `Broker.peek`."""
        return await self._queues.peek(self._commands, known)

    async def place(self, task_id: str, queue: str) -> Place:
        """See `Broker.place`."""
        return await self._places.find(self._commands, task_id, queue)

    async def waiting_ids(self, suspects: int) -> set[str] | None:
        """See `Broker.waiting_ids`."""
        if self._queues.unacked > UNACKED_READ or suspects <= self._queues.depth:
            return None
        ids = await self._queues.all_ids(self._commands)
        if ids is not None and self._queues.unacked:
            ids.update(task.id for task in await self._queues.taken(self._commands))
        return ids

    async def of_dead(self, open_tasks: dict[str, str]) -> dict[str, str]:
        """See `Unacknowledged.of_dead`; the broker does not say whose a message was, the task's id does."""
        found = dict.fromkeys(await self._queues.all_ids(self._commands) or (), WHY_BACK)
        found.update((task.id, WHY_AGAIN) for task in await self._queues.taken(self._commands))
        return {task_id: found[task_id] for task_id in open_tasks if task_id in found}

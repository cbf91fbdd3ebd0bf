"""Queues of a Redis broker: which there are, how deep they are, and a look at what waits in them."""

from collections.abc import Iterable

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, Queue
from taskscope_shared.settings import CelerySource

from taskscope_collector.observations import Observation, QueuesSeen, TaskQueued
from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.messages import MessageDecoder
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.celery.roster import KnownIds
from taskscope_collector.sources.resp import RespConnection, RespError

BINDINGS_SECONDS = 30.0
EXCHANGES = 200
QUEUES = 2_000
PEEKED_MESSAGES = 200
"""Messages looked at in a queue, half at each end."""
PEEKED_BYTES = 1024 * 1024
"""Bytes that the looks of one round may cost, as estimated from the messages seen before."""
FIRST_MESSAGES = 10
UNACKED_READ = 1_000
UNACKED_BITE = 100
DEFAULT_EXCHANGE = "celery"


def is_work(queue: str) -> bool:
    """Whether a queue holds tasks, not remote control or events."""
    return bool(queue) and not queue.endswith(".pidbox") and not queue.startswith(("celeryev", "reply."))


class RedisQueues:
    """Counts and looks, over the source's command connection."""

    def __init__(
        self, settings: CelerySource, names: BrokerNames, messages: MessageDecoder, malformed: Malformed, clock: Clock
    ) -> None:
        self._settings = settings
        self._names = names
        self._messages = messages
        self._malformed = malformed
        self._clock = clock
        self._bound: set[str] = set()
        self._bound_at: float | None = None
        self._depths: dict[str, int] = {}
        self._size: dict[str, float] = {}
        self.lists: dict[str, list[int]] = {}
        """Queue -> length of the list of each priority step, as last counted."""
        self.unacked = 0

    @property
    def depth(self) -> int:
        """Messages in all queues together, as last counted."""
        return sum(map(sum, self.lists.values()))

    async def count(self, connection: RespConnection, named: Iterable[str], exchanges: Iterable[str]) -> list[Queue]:
        """All queues with their depths: those named, configured, or bound to `exchanges`. Raises OSError or RespError."""
        await self._learn_bindings(connection, exchanges)
        queues = sorted(filter(is_work, {*self._settings.queues, *named, *self._bound}))[:QUEUES]
        steps = len(self._names.steps)
        commands = [("LLEN", key) for queue in queues for key in self._names.queue_keys(queue)]
        replies = await connection.pipeline([*commands, ("HLEN", self._names.unacked)])
        lengths = [reply if isinstance(reply, int) else 0 for reply in replies]
        self.unacked = lengths.pop()
        self.lists = {queue: lengths[index * steps : (index + 1) * steps] for index, queue in enumerate(queues)}
        now = self._clock.now()
        return [self._queue(queue, sum(counts), now) for queue, counts in self.lists.items()]

    def _queue(self, name: str, depth: int, now: float) -> Queue:
        # Redis keeps what was taken from all queues in one place: of a single queue alone it is known which it was.
        unacked = self.unacked if len(self.lists) == 1 else None
        return Queue(name=name, source=self._settings.name, engine=Engine.CELERY, depth=depth, unacked=unacked, at=now)

    async def _learn_bindings(self, connection: RespConnection, exchanges: Iterable[str]) -> None:
        now = self._clock.monotonic()
        if self._bound_at is not None and now - self._bound_at < BINDINGS_SECONDS:
            return
        self._bound_at = now
        known = sorted({DEFAULT_EXCHANGE, *exchanges, *self._settings.queues})[:EXCHANGES]
        replies = await connection.pipeline([("SMEMBERS", self._names.binding(exchange)) for exchange in known])
        members = [member for reply in replies if not isinstance(reply, RespError) for member in reply]
        separator = self._names.separator
        self._bound = {member.decode("utf-8", "replace").rpartition(separator)[2] for member in members[:QUEUES]}

    def seen(self, queues: list[Queue]) -> QueuesSeen:
        """The observation of a count."""
        return QueuesSeen(queues=queues, at=self._clock.now())

    # ------------------------------------------------------------------------------------------------ looking

    async def peek(self, connection: RespConnection, known: KnownIds) -> list[Observation]:
        """Tasks that wait in queues whose depth changed, and that are not known. Raises OSError or RespError."""
        found: list[Observation] = []
        budget = float(PEEKED_BYTES)
        for queue, lengths in self.lists.items():
            depth = sum(lengths)
            changed = self._depths.get(queue) != depth
            self._depths[queue] = depth
            if changed and depth and budget > 0:
                messages = await self._look(connection, queue, lengths, budget)
                budget -= sum(map(len, messages))
                found += self._unknown(messages, queue, known)
        self._depths = {queue: self._depths[queue] for queue in self.lists}
        return found

    async def all_ids(self, connection: RespConnection) -> set[str] | None:
        """Ids of everything that waits; None if it is more than a look shows."""
        if any(sum(lengths) > PEEKED_MESSAGES for lengths in self.lists.values()):
            return None
        ids: set[str] = set()
        budget = float(PEEKED_BYTES)
        for queue, lengths in self.lists.items():
            if sum(lengths) * self._size.get(queue, 0.0) > budget:
                return None
            messages = await self._look(connection, queue, lengths, budget) if sum(lengths) else []
            if len(messages) < sum(lengths):
                return None
            budget -= sum(map(len, messages))
            ids.update(task.id for task in self._decoded(messages, queue))
        return ids

    async def _look(self, connection: RespConnection, queue: str, lengths: list[int], budget: float) -> list[bytes]:
        size = self._size.get(queue)
        limit = FIRST_MESSAGES if size is None else max(2, min(PEEKED_MESSAGES, int(budget / max(size, 1.0))))
        commands: list[tuple[str, str, int, int]] = []
        for key, length in zip(self._names.queue_keys(queue), lengths, strict=True):
            commands += _ranges(key, length, limit)
        replies = await connection.pipeline(commands)
        messages = [message for reply in replies if isinstance(reply, list) for message in reply]
        if messages:
            self._size[queue] = sum(map(len, messages)) / len(messages)
        if size is None and sum(lengths) > len(messages):
            # The first look only measured.
            return await self._look(connection, queue, lengths, budget) if messages else []
        return messages

    def _unknown(self, messages: list[bytes], queue: str, known: KnownIds) -> list[Observation]:
        tasks = [task for task in self._decoded(messages, queue) if task.id not in known]
        known.current.update(task.id for task in tasks)
        known.turn()
        return list(tasks)

    def _decoded(self, messages: list[bytes], queue: str) -> list[TaskQueued]:
        now = self._clock.now()
        tasks: list[TaskQueued] = []
        for message in messages:
            try:
                tasks.append(self._messages.queued(message, queue, now))
            except msgspec.MsgspecError as error:
                self._malformed.count("task message", error)
        return tasks

    async def taken(self, connection: RespConnection) -> list[TaskQueued]:
        """What was taken and is not acknowledged: at most `UNACKED_READ`, the oldest and the newest deliveries."""
        half = UNACKED_READ // 2 - 1
        index = self._names.unacked_index
        oldest, newest = await connection.pipeline([("ZRANGE", index, 0, half), ("ZRANGE", index, -half - 1, -1)])
        for reply in (oldest, newest):
            if isinstance(reply, RespError):
                raise reply
        tags = list(dict.fromkeys([*oldest, *newest]))
        now = self._clock.now()
        tasks: list[TaskQueued] = []
        for start in range(0, len(tags), UNACKED_BITE):
            for entry in await connection.execute("HMGET", self._names.unacked, *tags[start : start + UNACKED_BITE]):
                try:
                    tasks += [self._messages.unacked(entry, now)] if entry else []
                except msgspec.MsgspecError as error:
                    self._malformed.count("unacked message", error)
        return tasks


def _ranges(key: str, length: int, limit: int) -> list[tuple[str, str, int, int]]:
    """LRANGEs that read a list whole, or both its ends: the newest are at its head, the next to be taken at its tail."""
    if not length:
        return []
    if length <= limit:
        return [("LRANGE", key, 0, -1)]
    half = max(1, limit // 2)
    return [("LRANGE", key, 0, half - 1), ("LRANGE", key, -half, -1)]

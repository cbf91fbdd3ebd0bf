"""Where a task is in its queue on a Redis broker.

Workers BRPOP the lists of a queue's priority steps, the most urgent first (kombu.transport.redis): what is taken next is at
the tail.
"""

import asyncio
from typing import Any

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.requests import Place

from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.resp import RespConnection, RespError

MESSAGES = 1_000
"""Messages looked at in one look into a queue."""
LOOK_BYTES = 4 * 1024 * 1024
"""Bytes that a look may cost; the last slice, whose size was estimated from those before, may go beyond it."""
SLICE = 100
FIRST_SLICE = 10
KEPT_SECONDS = 1.0
"""A look serves all questions about its queue for so long."""
LOOKS = 100

GONE = "it is not in its queue any more: a worker took it, or it was removed"
BEHIND = "more messages of the queue than those are not looked through"
MOVED = "the queue moved on faster than it could be looked through"


class _Headers(msgspec.Struct, gc=False):
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    headers: _Headers | None = None


_decode = msgspec.json.Decoder(_Message).decode


class Places:
    """Looks into the queues of one broker, over its command connection."""

    def __init__(self, names: BrokerNames, clock: Clock) -> None:
        self._names = names
        self._clock = clock
        self._looks: dict[str, tuple[float, _Look]] = {}

    async def find(self, connection: RespConnection, task_id: str, queue: str) -> Place:
        """Raises OSError or RespError."""
        now = self._clock.monotonic()
        at, look = self._looks.get(queue, (0.0, None))
        if look is None or now - at > KEPT_SECONDS:
            look = _Look(self._names.queue_keys(queue))
            self._looks.pop(queue, None)
            self._looks[queue] = (now, look)
            if len(self._looks) > LOOKS:
                del self._looks[next(iter(self._looks))]
        return await look.find(connection, task_id)


class _Look:
    """One look into a queue, as far as it was needed: slice by slice from the end that is taken from."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._one_at_a_time = asyncio.Lock()
        self._places: dict[str, int] = {}
        self._depth = 0
        self._looked = self._bytes = 0
        self._restarted = False
        self._over: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._places.clear()
        self._seen = 0
        self._lists = list(reversed(self._keys))  # the next one last
        self._offset = 0
        self._last: bytes | None = None

    async def find(self, connection: RespConnection, task_id: str) -> Place:
        async with self._one_at_a_time:
            if not self._looked:
                self._depth = sum(await _all(connection, [("LLEN", key) for key in self._keys]))
            while task_id not in self._places and self._over is None:
                await self._slice(connection)
        position = self._places.get(task_id)
        if position is not None:
            return Place(position, position - 1, self._depth)
        return Place(None, self._seen if self._over == BEHIND else None, self._depth, self._over)

    async def _slice(self, connection: RespConnection) -> None:
        count = self._affordable()
        if not self._lists or count <= 0:
            self._over = BEHIND if self._lists else GONE
            return
        overlap = 1 if self._last is not None else 0
        [found] = await _all(connection, [("LRANGE", self._lists[-1], -self._offset - count, -self._offset - 1 + overlap)])
        messages: list[bytes] = found[::-1]
        self._bytes += sum(map(len, messages))
        if overlap and (not messages or messages[0] != self._last):
            self._moved()
            return
        self._take(messages[overlap:], whole=len(messages) - overlap < count)

    def _affordable(self) -> int:
        if not self._looked:
            return FIRST_SLICE
        average = max(1.0, self._bytes / self._looked)
        return min(SLICE, MESSAGES - self._looked, int((LOOK_BYTES - self._bytes) / average))

    def _take(self, messages: list[bytes], *, whole: bool) -> None:
        for message in messages:
            self._seen += 1
            task_id = _id_of(message)
            if task_id is not None:
                self._places.setdefault(task_id, self._seen)
        self._looked += len(messages)
        self._offset += len(messages)
        self._last = messages[-1] if messages else self._last
        if whole:
            self._lists.pop()
            self._offset, self._last = 0, None

    def _moved(self) -> None:
        """Messages were taken meanwhile, so the next slice is not what follows: begin once more, within the same limits."""
        if self._restarted:
            self._over = MOVED
        else:
            self._restarted = True
            self._begin()


async def _all(connection: RespConnection, commands: list[tuple[str | int, ...]]) -> list[Any]:
    replies = await connection.pipeline(commands)
    for reply in replies:
        if isinstance(reply, RespError):
            raise reply
    return replies


def _id_of(message: bytes) -> str | None:
    """From the headers. A message of protocol 1 has its id in the body, which is not decoded."""
    try:
        headers = _decode(message).headers
    except msgspec.MsgspecError:
        return None
    return headers.id if headers is not None else None

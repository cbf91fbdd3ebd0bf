"""Counts the queues: one round trip, whatever their number, and a second for the age of their first jobs."""

from collections.abc import Mapping, Sequence

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, Queue

from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.jobs import moment
from taskscope_collector.sources.rq.keys import REGISTRIES, Keys, split_execution

WIP_READ = 1_000
"""Running jobs looked at in each queue and tick."""


class Held(msgspec.Struct, frozen=True):
    """An entry of a queue's `wip`: who runs is vouched for until `expires_at`."""

    job_id: str
    execution_id: str | None
    expires_at: float


class QueueCount(msgspec.Struct):
    """One queue as counted: its lengths by place (`queue`, `intermediate` and the registries), and its running entries."""

    name: str
    lengths: dict[str, int]
    held: list[Held]
    first: str | None = None
    oldest_at: float | None = None


class QueueCounter:
    """Counts all queues that RQ lists."""

    def __init__(self, connection: RespConnection, keys: Keys, clock: Clock) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock
        # Queue -> (first id, when it was enqueued): asked for only when another is first.
        self._first: dict[str, tuple[str, float | None]] = {}

    async def count(self) -> list[QueueCount]:
        """All queues, by name. Raises ConnectionError, TimeoutError, RespError."""
        members = await self._connection.execute("SMEMBERS", self._keys.queues)
        found = (self._keys.queue_name(member.decode("utf-8", "replace")) for member in members)
        names = sorted(name for name in found if name)
        commands = [command for name in names for command in self._commands(name)]
        replies = await self._connection.pipeline(commands)
        width = len(commands) // len(names) if names else 1
        counts = [self._queue(name, replies[index * width : (index + 1) * width]) for index, name in enumerate(names)]
        await self._ages(counts)
        return counts

    def _commands(self, name: str) -> list[Sequence[str | int]]:
        keys = self._keys
        return [
            ("LLEN", keys.queue(name)),
            ("LLEN", keys.intermediate(name)),
            *(("ZCARD", keys.registry(registry, name)) for registry in REGISTRIES),
            ("ZRANGE", keys.registry("wip", name), 0, WIP_READ - 1, "WITHSCORES"),
            ("LINDEX", keys.queue(name), 0),
        ]

    def _queue(self, name: str, replies: Sequence[object]) -> QueueCount:
        places = ("queue", "intermediate", *REGISTRIES)
        lengths = {place: reply if isinstance(reply, int) else 0 for place, reply in zip(places, replies, strict=False)}
        held, first = replies[-2], replies[-1]
        return QueueCount(
            name,
            lengths,
            _held(held) if isinstance(held, list) else [],
            first.decode("utf-8", "replace") if isinstance(first, bytes) else None,
        )

    async def _ages(self, counts: Sequence[QueueCount]) -> None:
        asked = [count for count in counts if count.first and self._first.get(count.name, ("",))[0] != count.first]
        replies = await self._connection.pipeline(
            [("HGET", self._keys.job(count.first or ""), "enqueued_at") for count in asked]
        )
        for count, reply in zip(asked, replies, strict=True):
            self._first[count.name] = (count.first or "", None if isinstance(reply, RespError) else moment(reply))
        for count in counts:
            count.oldest_at = self._first[count.name][1] if count.first else None
        self._first = {count.name: self._first[count.name] for count in counts if count.first}


def _held(flat: Sequence[object]) -> list[Held]:
    held: list[Held] = []
    for member, score in zip(flat[::2], flat[1::2], strict=False):
        if isinstance(member, bytes) and isinstance(score, bytes | float):
            job_id, execution = split_execution(member.decode("utf-8", "replace"))
            held.append(Held(job_id, execution, float(score)))
    return held


def as_queues(counts: Sequence[QueueCount], source: str, consumers: Mapping[str, int], at: float) -> list[Queue]:
    """The counts in the model's words; `consumers` is how many workers listen to each."""
    return [
        Queue(
            name=count.name,
            source=source,
            engine=Engine.RQ,
            depth=count.lengths["queue"] + count.lengths["intermediate"],
            scheduled=count.lengths["scheduled"],
            deferred=count.lengths["deferred"],
            running=count.lengths["wip"],
            failed=count.lengths["failed"],
            consumers=consumers.get(count.name, 0),
            oldest_at=count.oldest_at,
            at=at,
        )
        for count in counts
    ]

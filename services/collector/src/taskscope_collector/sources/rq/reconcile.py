"""Compares everything RQ lists with what was read, in small pieces, so that whatever is urgent comes between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import islice

import msgspec
from taskscope_shared.clock import Clock

from taskscope_collector.observations import Observation, TaskMissing
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.keys import Keys, split_execution
from taskscope_collector.sources.rq.ledger import Ledger

PAGE = 500
"""Ids in one reply: about a tenth of a millisecond of the server's time."""
BATCH = 50
"""Jobs read in one go: about 4 ms of this process, which is what a pushed change may have to wait."""
REST = 2.0
"""Rests this many times as long as a piece took, so that at most a third of the loop is its."""
REST_AT_MOST_SECONDS = 0.05


class Limits(msgspec.Struct, frozen=True):
    """Most ids that are read of those that ended well, ended badly, and wait; beyond them RQ's own counts are all there is."""

    finished: int = 100_000
    failed: int = 20_000
    queued: int = 50_000


_SHARE = {"finished": "finished", "canceled": "failed", "failed": "failed"}
_ORDER = ("wip", "queue", "scheduled", "ready", "deferred", "failed", "finished", "canceled")

ReadBatch = Callable[[Sequence[str], frozenset[str]], Awaitable[None]]


class Reconciler:
    """One pass is `run`. `read` reads and reports jobs."""

    def __init__(
        self,
        connection: RespConnection,
        keys: Keys,
        ledger: Ledger,
        limits: Limits,
        clock: Clock,
        read: ReadBatch,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._read = read
        self._absent: set[str] = set()

    async def run(self, confirm: Sequence[str] = ()) -> list[Observation]:
        """Read what is new, moved or gone, and `confirm`; report inferences about what is nowhere.

        Raises ConnectionError, TimeoutError, RespError.
        """
        left = {"finished": self._limits.finished, "failed": self._limits.failed, "queued": self._limits.queued}
        members = await self._connection.execute("SMEMBERS", self._keys.queues)
        queues = [name for member in members if (name := self._keys.queue_name(member.decode("utf-8", "replace")))]
        listed: set[str] = set()
        whole = True
        for place in _ORDER:
            lengths = await self._lengths(place, queues)
            share = _SHARE.get(place, "queued")
            allowed = fair_shares(lengths, left[share])
            left[share] -= sum(allowed)
            whole &= allowed == lengths
            for queue, limit in zip(queues, allowed, strict=True):
                await self._place(place, queue, limit, listed)
        await self._rate_limited(listed)
        await self._in_batches([job_id for job_id in confirm if job_id not in self._ledger], frozenset(confirm))
        return await self._nowhere(listed) if whole else []

    async def _lengths(self, place: str, queues: Sequence[str]) -> list[int]:
        length = "LLEN" if place == "queue" else "ZCARD"
        replies = await self._connection.pipeline([(length, self._key(place, queue)) for queue in queues])
        return [reply if isinstance(reply, int) else 0 for reply in replies]

    def _key(self, place: str, queue: str) -> str:
        return self._keys.queue(queue) if place == "queue" else self._keys.registry(place, queue)

    async def _place(self, place: str, queue: str, limit: int, listed: set[str]) -> None:
        """Go through the first `limit` of one list or sorted set."""
        began = self._clock.monotonic()
        async for ids in self._pages(place, queue, limit):
            if place not in ("finished", "failed", "canceled"):
                listed.update(ids)
            doubtful = self._ledger.doubtful(place, ids)
            await self._in_batches(doubtful, frozenset())
            self._ledger.accept(place, doubtful)
            await self._rest(began)
            began = self._clock.monotonic()

    async def _pages(self, place: str, queue: str, limit: int) -> AsyncIterator[list[str]]:
        # The highest scores are the newest (they expire last); a list's oldest come first, they are the next to be run.
        command = "LRANGE" if place == "queue" else "ZREVRANGE"
        for start in range(0, limit, PAGE):
            stop = min(start + PAGE, limit) - 1
            reply = await self._connection.execute(command, self._key(place, queue), start, stop)
            ids = [member.decode("utf-8", "replace") for member in reply]
            yield [split_execution(member)[0] for member in ids] if place == "wip" else ids

    async def _rate_limited(self, listed: set[str]) -> None:
        """Jobs that wait for a rate limit are in no queue (RQ 3.0)."""
        names = await self._connection.execute("SMEMBERS", f"{self._keys.prefix}:rl-keys")
        for name in islice(names, PAGE):
            key = f"{self._keys.prefix}:rl:{name.decode('utf-8', 'replace')}:rate_limited"
            members = await self._connection.execute("ZRANGE", key, 0, PAGE - 1)
            ids = [member.decode("utf-8", "replace") for member in members]
            listed.update(ids)
            await self._in_batches(self._ledger.doubtful("rate_limited", ids), frozenset())

    async def _nowhere(self, listed: set[str]) -> list[Observation]:
        """Open jobs that no list has: gone, moved meanwhile, or left behind by a worker that was killed on taking them."""
        absent = [job_id for job_id in self._ledger.open_ids() if job_id not in listed]
        await self._in_batches(absent, frozenset())
        still = {job_id for job_id in absent if self._ledger.status(job_id) == "queued"}
        at = self._clock.now()
        missing = sorted(still & self._absent)
        self._absent = still
        # Both leave the same: RQ (3.0) does not say that a job runs where its queue is not asynchronous (rq.Queue.run_sync).
        reason = "it is queued, but in no queue: a worker was killed on taking it, or it runs in the process that enqueued it"
        return [TaskMissing(job_id, at, reason) for job_id in missing if not await self._is_listed(job_id)]

    async def _is_listed(self, job_id: str) -> bool:
        queue = await self._connection.execute("HGET", self._keys.job(job_id), "origin")
        if not isinstance(queue, bytes):
            return False
        name = queue.decode("utf-8", "replace")
        found = await self._connection.pipeline(
            [("LPOS", self._keys.intermediate(name), job_id), ("LPOS", self._keys.queue(name), job_id, "MAXLEN", 10_000)]
        )
        # A server without LPOS (before 6.0.6) cannot say: nothing is concluded.
        return any(isinstance(reply, RespError) or reply is not None for reply in found)

    async def _in_batches(self, ids: Sequence[str], expected: frozenset[str]) -> None:
        for start in range(0, len(ids), BATCH):
            began = self._clock.monotonic()
            await self._read(ids[start : start + BATCH], expected)
            await self._rest(began)

    async def _rest(self, began: float) -> None:
        await asyncio.sleep(min(REST_AT_MOST_SECONDS, REST * (self._clock.monotonic() - began)))


def fair_shares(wanted: Sequence[int], budget: int) -> list[int]:
    """`budget` divided so that those who want little get it all and the others the same each."""
    shares = [0] * len(wanted)
    smallest_first = sorted(range(len(wanted)), key=wanted.__getitem__)
    for rank, index in enumerate(smallest_first):
        shares[index] = min(wanted[index], max(0, budget) // (len(wanted) - rank))
        budget -= shares[index]
    return shares

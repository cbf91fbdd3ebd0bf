"""The tick: counts of the queues and entries of running jobs, and which jobs are to be read because of them."""

from collections.abc import Sequence

from taskscope_collector.sources.resp import RespConnection
from taskscope_collector.sources.rq.counting import WIP_READ, QueueCount
from taskscope_collector.sources.rq.keys import REGISTRIES, Keys
from taskscope_collector.sources.rq.ledger import Ledger

NEWEST = 200
"""Ids looked at where a count changed and nothing is pushed; a reconciliation finds the rest."""
RUNNING_READ = 1_000
"""Running jobs read in each tick for their progress where nothing is pushed."""


class Poller:
    """Finds out from counts what changed."""

    def __init__(self, connection: RespConnection, keys: Keys, ledger: Ledger) -> None:
        self._connection = connection
        self._keys = keys
        self._ledger = ledger
        self._lengths: dict[str, dict[str, int]] = {}

    def started_or_stopped(self, counts: Sequence[QueueCount]) -> list[str]:
        """Jobs that `wip` and the ledger do not agree on; notes until when those that run are vouched for."""
        running = self._ledger.running
        held_ids: set[str] = set()
        doubtful: list[str] = []
        for count in counts:
            for held in count.held:
                held_ids.add(held.job_id)
                job = running.get(held.job_id)
                if job is None:
                    doubtful.append(held.job_id)
                else:
                    job.wip_expires_at, job.execution_id = held.expires_at, held.execution_id
        if all(len(count.held) < WIP_READ for count in counts):
            doubtful += [job_id for job_id in running if job_id not in held_ids]
        return self._ledger.doubtful("wip", doubtful) + [job_id for job_id in doubtful if job_id in running]

    async def changed(self, counts: Sequence[QueueCount]) -> list[str]:
        """Without pushes: the running jobs, and what is new at the ends of lists whose length changed."""
        commands = [
            (place, self._newest(place, count.name))
            for count in counts
            for place in ("queue", *REGISTRIES[1:])
            if self._lengths.get(count.name, {}).get(place) != count.lengths.get(place)
        ]
        self._lengths = {count.name: count.lengths for count in counts}
        replies = await self._connection.pipeline([command for _, command in commands])
        ids = dict.fromkeys(list(self._ledger.running)[:RUNNING_READ])
        for (place, _), reply in zip(commands, replies, strict=True):
            if isinstance(reply, list):
                found = [member.decode("utf-8", "replace") for member in reply]
                ids.update(dict.fromkeys(self._ledger.doubtful(place, found)))
        return list(ids)

    def _newest(self, place: str, queue: str) -> Sequence[str | int]:
        if place == "queue":
            return ("LRANGE", self._keys.queue(queue), -NEWEST, -1)
        return ("ZREVRANGE", self._keys.registry(place, queue), 0, NEWEST - 1)

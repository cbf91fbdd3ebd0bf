"""Changes as the server pushes them: `CLIENT TRACKING` in broadcasting mode over RESP3.

The server sends the names of changed keys, of all its databases, once in each turn of its event loop; that includes expiry,
deletion and scripts. Nothing is configured on the server and nothing but this connection's memory is used.
"""

import asyncio
from itertools import islice
from typing import Any

from taskscope_collector.observations import Counts
from taskscope_collector.sources.resp import RespConnection
from taskscope_collector.sources.rq.keys import Keys

WAITING = 200_000
"""Changed ids that may wait to be read; more than that, and everything is compared instead."""


class Changes:
    """Ids whose keys changed, each once, until they are taken."""

    def __init__(self, keys: Keys, counts: Counts) -> None:
        self._keys = keys
        self._counts = counts
        self.jobs: dict[str, None] = {}
        self.workers: dict[str, None] = {}
        self.lost_track = False
        self.arrived = asyncio.Event()

    def push(self, message: list[Any]) -> None:
        """Take `[invalidate, keys]`, or `[invalidate, None]` after FLUSHALL. Never waits."""
        if len(message) != 2 or message[0] != b"invalidate":
            return
        if message[1] is None:
            self.lost_track = True
        else:
            for key in message[1]:
                self._changed(key)
        self.arrived.set()

    def _changed(self, key: bytes) -> None:
        self._counts.received += 1
        job_id = self._keys.job_of(key)
        if job_id is not None:
            if len(self.jobs) < WAITING:
                self.jobs[job_id] = None
            else:
                self._counts.dropped += 1
                self.lost_track = True
            return
        worker = self._keys.worker_of(key)
        if worker is not None and len(self.workers) < WAITING:
            self.workers[worker] = None

    def take_jobs(self, limit: int) -> list[str]:
        """At most `limit` changed jobs, in the order in which they changed first."""
        ids = list(islice(self.jobs, limit))
        for job_id in ids:
            del self.jobs[job_id]
        return ids

    def take_workers(self) -> list[str]:
        """All changed workers."""
        names = list(self.workers)
        self.workers.clear()
        return names


async def open_tracking(url: str, keys: Keys, changes: Changes) -> RespConnection:
    """A connection that feeds `changes`.

    Raises RespError where the server does not know or not allow it, OSError where it does not answer.
    """
    connection = await RespConnection.open(url, protocol=3, on_push=changes.push)
    try:
        await connection.execute(
            *("CLIENT", "TRACKING", "ON", "BCAST"),
            *("PREFIX", keys.job_prefix, "PREFIX", keys.worker_prefix),
            "NOLOOP",
        )
    except BaseException:
        await connection.close()
        raise
    return connection

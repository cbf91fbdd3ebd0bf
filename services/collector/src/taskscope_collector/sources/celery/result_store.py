"""Reads results of named tasks from a Redis result backend, in bounded bites."""

import msgspec

from taskscope_collector.observations import TaskResult
from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.results import NotJsonError, ResultDecoder
from taskscope_collector.sources.resp import RespConnection, RespError

READ_BYTES = 64 * 1024
"""Bytes read of one result; of a larger one only the status is taken."""
BITE = 100
"""Results read in one round trip."""


class ResultStore:
    """Results by task id, over a connection to the backend; without one (or a readable backend) nothing is known."""

    def __init__(self, decoder: ResultDecoder, malformed: Malformed) -> None:
        self._decoder = decoder
        self._malformed = malformed
        self._connection: RespConnection | None = None
        self._prefix = ""
        self.opaque = 0
        """Results seen that are no JSON."""

    def use(self, connection: RespConnection | None, prefix: str = "") -> None:
        """Read over `connection` from now on."""
        self._connection = connection
        self._prefix = prefix

    @property
    def readable(self) -> bool:
        """Whether results can be read now."""
        return self._connection is not None

    async def fetch(self, task_ids: list[str]) -> dict[str, TaskResult]:
        """What is stored for these tasks. Raises OSError or RespError."""
        found: dict[str, TaskResult] = {}
        for start in range(0, len(task_ids), BITE):
            await self._fetch_bite(task_ids[start : start + BITE], found)
        return found

    async def stored(self, task_ids: list[str]) -> list[str]:
        """Those of the tasks that have a result in this very database (publications come from all databases)."""
        if self._connection is None or not task_ids:
            return []
        replies = await self._connection.pipeline([("EXISTS", self._prefix + task_id) for task_id in task_ids])
        return [task_id for task_id, reply in zip(task_ids, replies, strict=True) if reply == 1]

    async def _fetch_bite(self, task_ids: list[str], found: dict[str, TaskResult]) -> None:
        if self._connection is None:
            return
        # GETRANGE, not MGET: a result of many megabytes must not come whole.
        commands = [("GETRANGE", self._prefix + task_id, 0, READ_BYTES) for task_id in task_ids]
        for task_id, payload in zip(task_ids, await self._connection.pipeline(commands), strict=True):
            if isinstance(payload, RespError):
                raise payload
            result = self.decoded(task_id, payload, cut=len(payload) > READ_BYTES) if payload else None
            if result is not None:
                found[task_id] = result

    def decoded(self, task_id: str, payload: bytes, *, cut: bool = False) -> TaskResult | None:
        """The result, or None if it cannot be read (then it is counted)."""
        try:
            return self._decoder.decode(task_id, payload, cut=cut)
        except NotJsonError:
            self.opaque += 1
        except msgspec.MsgspecError as error:
            self._malformed.count("result", error)
        return None

"""Reads jobs: a round trip for the small fields, a second for what their state calls for, a third for small results."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Counts, JobGone, JobSeen
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.jobs import FIELDS, FINAL, add_call, add_exception, add_meta, add_result, read_job, text
from taskscope_collector.sources.rq.keys import Keys
from taskscope_collector.sources.rq.payload import Call, described_call, read_call

META_BYTES = 32_768
DATA_BYTES = 65_536
RESULTS_BYTES = 262_144
EXC_INFO_BYTES = 262_144
CALLS_REMEMBERED = 20_000
BATCH = 100
"""Jobs in one go: a few milliseconds, so that what is urgent never waits longer."""

WAITING_AGAIN = frozenset({"scheduled", "queued"})

Command = Sequence[str | int]
JobObservation = JobSeen | JobGone


class JobReader:
    """Turns ids into what is true of them now. One read at a time, so that the order of reading is the order of `at`."""

    def __init__(self, connection: RespConnection, keys: Keys, redactor: Redactor, clock: Clock, counts: Counts) -> None:
        self._connection = connection
        self._keys = keys
        self._redactor = redactor
        self._clock = clock
        self._counts = counts
        self._lock = asyncio.Lock()
        # id -> (created_at, what it runs): `data` does not change while the job is the same one.
        self._calls: OrderedDict[str, tuple[float | None, Call]] = OrderedDict()
        self._measures_results = True

    async def read(self, ids: Sequence[str]) -> list[JobObservation]:
        """The jobs `ids`, at most `BATCH`. Raises ConnectionError, TimeoutError."""
        async with self._lock:
            return await self._read(ids)

    async def _read(self, ids: Sequence[str]) -> list[JobObservation]:
        replies = await self._connection.pipeline(list(self._first(ids)))
        at = self._clock.now()
        observations: list[JobObservation] = []
        jobs: list[tuple[JobSeen, int, int]] = []
        for index, job_id in enumerate(ids):
            values, meta_bytes, data_bytes = replies[3 * index : 3 * index + 3]
            if isinstance(values, RespError):
                self._counts.malformed += 1
                continue
            job = read_job(job_id, values, at)
            observations.append(job or JobGone(job_id, at))
            if job is not None:
                jobs.append((job, _length(meta_bytes), _length(data_bytes)))
        await self._complete(jobs)
        return observations

    def _first(self, ids: Sequence[str]) -> Iterable[Command]:
        for job_id in ids:
            key = self._keys.job(job_id)
            yield ("HMGET", key, *FIELDS)
            yield ("HSTRLEN", key, "meta")
            yield ("HSTRLEN", key, "data")

    async def _complete(self, jobs: Sequence[tuple[JobSeen, int, int]]) -> None:
        wanted: list[tuple[JobSeen, str, Command]] = []
        for job, meta_bytes, data_bytes in jobs:
            wanted += self._second(job, meta_bytes, data_bytes)
        replies = await self._connection.pipeline([command for _, _, command in wanted])
        ended: list[JobSeen] = []
        for (job, what, _), reply in zip(wanted, replies, strict=True):
            if what == "results":
                if self._may_read(reply):
                    ended.append(job)
                else:
                    job.result = f"<{reply} bytes of results>"
            else:
                self._take(job, what, reply)
        await self._results(ended)

    def _second(self, job: JobSeen, meta_bytes: int, data_bytes: int) -> Iterable[tuple[JobSeen, str, Command]]:
        key = self._keys.job(job.id)
        if 0 < meta_bytes <= META_BYTES:
            yield job, "meta", ("HGET", key, "meta")
        known = self._calls.get(job.id)
        if known is not None and known[0] == job.created_at:
            self._calls.move_to_end(job.id)
            add_call(job, known[1])
        elif 0 < data_bytes <= DATA_BYTES:
            yield job, "call", ("HMGET", key, "data", "description")
        else:
            yield job, "description", ("HGET", key, "description")
        if job.status == "scheduled" and job.queue:
            yield job, "run_at", ("ZSCORE", self._keys.registry("scheduled", job.queue), job.id)
        if job.status == "started":
            yield job, "execution", ("ZREVRANGE", self._keys.executions_of(job.id), 0, 0)
        if _left_a_result(job):
            yield job, "results", self._measure(job)

    def _measure(self, job: JobSeen) -> Command:
        # A stream of results holds whole return values: its size is asked for first, where the server lets us.
        results = self._keys.results(job.id)
        return ("MEMORY", "USAGE", results) if self._measures_results else ("EXISTS", results)

    def _may_read(self, reply: object) -> bool:
        if isinstance(reply, RespError):
            self._measures_results = False
            return True
        return not isinstance(reply, int) or reply <= RESULTS_BYTES

    async def _results(self, ended: Sequence[JobSeen]) -> None:
        commands: list[Command] = []
        for job in ended:
            commands.append(("XREVRANGE", self._keys.results(job.id), "+", "-", "COUNT", 1))
            commands.append(("HSTRLEN", self._keys.job(job.id), "exc_info"))
        replies = await self._connection.pipeline(commands)
        bare: list[JobSeen] = []
        for index, job in enumerate(ended):
            entries, exc_info_bytes = replies[2 * index], _length(replies[2 * index + 1])
            if isinstance(entries, list) and entries and not (exc_info_bytes and _is_abandoned(job)):
                add_result(job, entries[0], self._redactor, self._clock)
            elif 0 < exc_info_bytes <= EXC_INFO_BYTES:
                bare.append(job)
        # RQ before 2.2 keeps an abandoned job's reason in its hash alone; the newest result is of a run before.
        packed = await self._connection.pipeline([("HGET", self._keys.job(job.id), "exc_info") for job in bare])
        for job, value in zip(bare, packed, strict=True):
            if isinstance(value, bytes):
                add_exception(job, value, self._redactor)

    def _take(self, job: JobSeen, what: str, reply: Any) -> None:  # noqa: ANN401 - RESP has no types
        if reply is None or isinstance(reply, RespError):
            return
        if what == "meta":
            add_meta(job, reply, self._redactor, self._clock)
        elif what == "run_at":
            job.run_at = float(reply)
        elif what == "execution":
            job.execution_id = text(reply[0]) if reply else None
        elif what == "description":
            self._remember(job, described_call(reply.decode("utf-8", "replace"), self._redactor))
        elif what == "call" and isinstance(reply[0], bytes):
            description = reply[1].decode("utf-8", "replace") if isinstance(reply[1], bytes) else None
            self._remember(job, read_call(reply[0], description, self._redactor, self._clock))

    def _remember(self, job: JobSeen, call: Call) -> None:
        add_call(job, call)
        self._calls[job.id] = (job.created_at, call)
        if len(self._calls) > CALLS_REMEMBERED:
            self._calls.popitem(last=False)


def _left_a_result(job: JobSeen) -> bool:
    """Whether a run of it ended: it waits for the next one (to repeat, to be tried again), or it is over."""
    if job.status in WAITING_AGAIN:
        return job.ended_at is not None
    return job.status in FINAL and job.status != "canceled"


def _is_abandoned(job: JobSeen) -> bool:
    return job.status == "failed" and job.ended_at is None


def _length(reply: object) -> int:
    return reply if isinstance(reply, int) else 0

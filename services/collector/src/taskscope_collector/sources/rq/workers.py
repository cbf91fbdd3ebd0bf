"""RQ's workers, from their hashes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, Worker, WorkerState

from taskscope_collector.observations import Observation, WorkerGone, WorkerSeen
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.jobs import moment, text, whole
from taskscope_collector.sources.rq.keys import Keys, split_execution

_FIELDS = (
    "birth",
    "death",
    "last_heartbeat",
    "queues",
    "pid",
    "hostname",
    "version",
    "state",
    "current_job",
    "successful_job_count",
    "failed_job_count",
    "shutdown_requested_date",
)
_CURRENT = 20
_QUEUES = 200
_HOSTS = 5_000
REFRESH_SECONDS = 10.0
"""An unchanged worker is reported again after this long, so that its heartbeat's age stays true."""


class _Known(msgspec.Struct):
    worker: Worker
    death_at: float | None
    reported_at: float
    silent_since: float | None = None


class WorkerTable:
    """The workers that are there, as last read."""

    def __init__(self, connection: RespConnection, keys: Keys, source: str, clock: Clock) -> None:
        self._connection = connection
        self._keys = keys
        self._source = source
        self._clock = clock
        self._known: dict[str, _Known] = {}
        # Hosts of workers, also of those that are gone: their schedulers may have outlived them.
        self._hosts: dict[str, str] = {}

    async def refresh(self, names: Iterable[str] = ()) -> list[Observation]:
        """Read all workers that RQ lists, and `names`. Raises ConnectionError, TimeoutError, RespError."""
        members = await self._connection.execute("SMEMBERS", self._keys.workers)
        listed = {self._keys.worker_name(member.decode("utf-8", "replace")) for member in members}
        return await self.read(sorted(listed | set(self._known) | set(names)))

    async def read(self, names: Sequence[str]) -> list[Observation]:
        """Read these, and say what changed. Raises ConnectionError, TimeoutError."""
        commands: list[Sequence[str]] = []
        for name in names:
            commands += [("HMGET", self._keys.worker(name), *_FIELDS), ("SMEMBERS", self._keys.executions(name))]
        replies = await self._connection.pipeline(commands)
        at = self._clock.now()
        changed = (self._take(name, replies[2 * n], replies[2 * n + 1], at) for n, name in enumerate(names))
        return [observation for observation in changed if observation is not None]

    def _take(self, name: str, values: object, executions: object, at: float) -> Observation | None:
        if isinstance(values, RespError) or not isinstance(values, list):
            return None
        fields = dict(zip(_FIELDS, values, strict=True))
        birth, death = moment(fields["birth"]), moment(fields["death"])
        # A hash without a birth is what a work-horse leaves that outlived its worker's registration.
        if birth is None:
            return self._gone(name, at)
        if death is not None:
            return self._ended(name, death, at)
        worker = self._worker(name, birth, fields, executions)
        known = self._known.get(name)
        if known and known.silent_since is not None and (worker.heartbeat_at or 0.0) <= known.silent_since:
            return None
        if known and known.worker == worker and at - known.reported_at < REFRESH_SECONDS:
            return None
        self._known[name] = _Known(worker, None, at)
        self._remember_host(worker)
        return WorkerSeen(worker, at)

    def _gone(self, name: str, at: float) -> Observation | None:
        known = self._known.pop(name, None)
        if known is None or known.death_at is not None or known.silent_since is not None:
            return None
        return WorkerGone(name, at, clean=False, detail="its registration expired")

    def _ended(self, name: str, death: float, at: float) -> Observation | None:
        known = self._known.get(name)
        if known is None or known.death_at == death:
            return None
        known.death_at = death
        return WorkerGone(name, at, clean=True)

    def _worker(self, name: str, birth: float, fields: Mapping[str, object], executions: object) -> Worker:
        succeeded, failed = whole(fields["successful_job_count"]), whole(fields["failed_job_count"])
        current = _current(executions, text(fields["current_job"]))
        queues = fields["queues"]
        state = text(fields["state"])
        return Worker(
            name=name,
            source=self._source,
            engine=Engine.RQ,
            state=WorkerState.ONLINE,
            hostname=text(fields["hostname"]),
            pid=whole(fields["pid"]),
            concurrency=1,
            active=len(current),
            processed=(succeeded or 0) + (failed or 0),
            failed=failed or 0,
            queues=tuple(queues.decode("utf-8", "replace").split(",")[:_QUEUES]) if isinstance(queues, bytes) else None,
            heartbeat_at=moment(fields["last_heartbeat"]),
            started_at=birth,
            version=text(fields["version"]),
            current=current,
            detail="shutting down" if fields["shutdown_requested_date"] else state,
        )

    def _remember_host(self, worker: Worker) -> None:
        if worker.hostname is not None:
            self._hosts.pop(worker.name, None)
            self._hosts[worker.name] = worker.hostname
            if len(self._hosts) > _HOSTS:
                del self._hosts[next(iter(self._hosts))]

    async def scheduling(self, queues: Mapping[str, str | None]) -> frozenset[str]:
        """Those of the workers (each with a queue of it) on whose host a scheduler of that queue lives.

        The lock of a queue names its scheduler's hash (RQ 2.10 and newer) or is a pid, which tells no host.
        Raises ConnectionError, TimeoutError.
        """
        names = [name for name, queue in queues.items() if queue]
        locks = await self._connection.pipeline([("GET", self._keys.scheduler_lock(queues[name] or "")) for name in names])
        holders = [lock.decode("utf-8", "replace") if isinstance(lock, bytes) else "" for lock in locks]
        hosts = await self._connection.pipeline([("HGET", self._keys.scheduler(holder), "hostname") for holder in holders])
        found = zip(names, holders, hosts, strict=True)
        return frozenset(
            name for name, holder, host in found if holder.isdecimal() or (host and text(host) == self._hosts.get(name))
        )

    def silent(self, name: str, since: float, at: float) -> Observation | None:
        """Nobody is connected to the worker's channel since `since`: it is gone, unless it says otherwise later."""
        known = self._known.get(name)
        if known is None or known.silent_since is not None or known.death_at is not None:
            return None
        if (known.worker.heartbeat_at or 0.0) > since:
            return None
        known.silent_since = since
        return WorkerGone(name, at, clean=False, detail="nobody is connected to its channel")

    def heard(self, name: str, at: float) -> Observation | None:
        """Somebody is connected again: what was said of it is taken back."""
        known = self._known.get(name)
        if known is None or known.silent_since is None:
            return None
        known.silent_since, known.reported_at = None, at
        return WorkerSeen(known.worker, at)

    # ------------------------------------------------------------------------------------------------ questions

    def names(self) -> list[str]:
        """Workers that have not said goodbye."""
        return [name for name, known in self._known.items() if known.death_at is None]

    def _present(self) -> list[_Known]:
        return [known for known in self._known.values() if known.death_at is None and known.silent_since is None]

    def heartbeat(self, name: str) -> float | None:
        """When the worker last said that it lives."""
        known = self._known.get(name)
        return known.worker.heartbeat_at if known else None

    def consumers(self) -> Counter[str]:
        """How many workers listen to each queue."""
        return Counter(queue for known in self._present() for queue in known.worker.queues or ())


def _current(executions: object, current_job: str | None) -> tuple[str, ...]:
    if isinstance(executions, list) and executions:
        members = [member.decode("utf-8", "replace") for member in executions if isinstance(member, bytes)]
        return tuple(sorted({split_execution(member)[0] for member in members})[:_CURRENT])
    return (current_job,) if current_job else ()

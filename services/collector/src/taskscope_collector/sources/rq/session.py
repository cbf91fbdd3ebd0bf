"""One connected spell of watching an RQ source: it ends, by an exception, when a connection does."""

import asyncio
from collections.abc import Sequence

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.model import Queue, SourceStatus
from taskscope_shared.settings import RqSource

from taskscope_collector.observations import Counts, Health, JobSeen, Observation, QueuesSeen, Sink, View
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.counting import QueueCounter, as_queues
from taskscope_collector.sources.rq.keys import Keys
from taskscope_collector.sources.rq.ledger import Ledger
from taskscope_collector.sources.rq.liveness import Liveness
from taskscope_collector.sources.rq.polling import Poller
from taskscope_collector.sources.rq.reading import BATCH, JobReader
from taskscope_collector.sources.rq.reconcile import Limits, Reconciler
from taskscope_collector.sources.rq.tracking import Changes
from taskscope_collector.sources.rq.workers import WorkerTable

COALESCE_SECONDS = 0.01
"""After a read of what was pushed, the next one waits this long, so that a job's quick steps are read once."""
CONFIRMED = 5_000
"""Waiting tasks that the state remembers and that are looked after at the beginning."""
ACTIVE_SECONDS = 0.2
LIVENESS_SECONDS = 2.0
WORKERS_COALESCE_SECONDS = 0.2
"""A busy worker's keys change several times in each job: they are read at most this often."""
WORKERS_SECONDS = 5.0
REPEAT_SECONDS = 10.0
"""Unchanged queues and health are reported again after this long."""
_NO_NUMSUB = (
    "the server does not tell who is connected (PUBSUB NUMSUB), so a killed worker is noticed only when its entry expires"
)


class Connections(msgspec.Struct):
    """What a session reads with, and the connection that is pushed to (None: polling, for `why`)."""

    reads: RespConnection
    pushes: RespConnection | None
    why_polling: str | None = None


class StoodDown(Exception):  # noqa: N818 - not an error
    """Another collector watches now."""


class Session:
    """Watches until a connection ends."""

    def __init__(
        self,
        settings: RqSource,
        connections: Connections,
        changes: Changes,
        ledger: Ledger,
        limits: Limits,
        redactor: Redactor,
        clock: Clock,
        counts: Counts,
        sink: Sink,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._changes = changes
        self._ledger = ledger
        self._clock = clock
        self._sink = sink
        keys = Keys(settings.key_prefix)
        reads = connections.reads
        self._keys = keys
        self._jobs = JobReader(reads, keys, redactor, clock, counts)
        self._counter = QueueCounter(reads, keys, clock)
        self._poller = Poller(reads, keys, ledger)
        self._workers = WorkerTable(reads, keys, settings.name, clock)
        self._liveness = Liveness(clock.now())
        self._reconciler = Reconciler(reads, keys, ledger, limits, clock, self._read)
        self._reconcile_now = asyncio.Event()
        self._counts = counts
        self._queues: list[Queue] = []
        self._queues_at = 0.0
        self._health: Health | None = None
        self._sees_subscribers = True

    async def run(self, view: View) -> None:
        """Watch. Raises ExceptionGroup of ConnectionError, RespError, ..., or of `StoodDown`."""
        # Tasks that the state remembers, but this source has not met: they may have gone while nobody looked.
        confirm = [*view.open_tasks(), *view.queued_tasks(CONFIRMED)]
        self._report_health()
        self._sink.put(await self._workers.refresh())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._connections.reads.closed())
            if self._connections.pushes is not None:
                group.create_task(self._connections.pushes.closed())
                group.create_task(self._follow_pushes())
            group.create_task(self._tick())
            group.create_task(self._watch_workers())
            group.create_task(self._watch_liveness())
            group.create_task(self._reconcile(confirm))
            group.create_task(self._while_active(view))

    async def _while_active(self, view: View) -> None:
        while True:
            if not view.active():
                raise StoodDown
            await asyncio.sleep(ACTIVE_SECONDS)

    # ------------------------------------------------------------------------------------------------ jobs

    async def _read(self, ids: Sequence[str], expected: frozenset[str] = frozenset()) -> None:
        for start in range(0, len(ids), BATCH):
            read = self._ledger.take(await self._jobs.read(ids[start : start + BATCH]), expected)
            observations: list[Observation] = []
            for job in read:
                observations.append(job)
                if isinstance(job, JobSeen) and job.status == "started":
                    observations += self._about_running(job)
            if observations:
                self._sink.put(observations)

    def _about_running(self, job: JobSeen) -> list[Observation]:
        running = self._ledger.running[job.id]
        job.wip_expires_at = running.wip_expires_at
        again = self._liveness.again(running, job.at)
        return [again] if again is not None else []

    async def _follow_pushes(self) -> None:
        changes = self._changes
        while True:
            await changes.arrived.wait()
            changes.arrived.clear()
            if changes.lost_track:
                changes.lost_track = False
                self._reconcile_now.set()
            while ids := changes.take_jobs(BATCH):
                await self._read(ids)
            await asyncio.sleep(COALESCE_SECONDS)

    async def _reconcile(self, confirm: Sequence[str]) -> None:
        while True:
            inferred = await self._reconciler.run(confirm)
            confirm = ()
            if inferred:
                self._sink.put(inferred)
            try:
                async with asyncio.timeout(self._settings.reconcile_seconds):
                    await self._reconcile_now.wait()
            except TimeoutError:
                pass
            self._reconcile_now.clear()

    # ------------------------------------------------------------------------------------------------ queues

    async def _tick(self) -> None:
        while True:
            began = self._clock.monotonic()
            counts = await self._counter.count()
            self._report_queues(as_queues(counts, self._settings.name, self._workers.consumers(), self._clock.now()))
            await self._read(self._poller.started_or_stopped(counts))
            if self._connections.pushes is None:
                await self._read(await self._poller.changed(counts))
            self._report_health()
            await asyncio.sleep(max(0.1, self._settings.poll_seconds - (self._clock.monotonic() - began)))

    def _report_queues(self, queues: list[Queue]) -> None:
        now = self._clock.now()
        same = [msgspec.structs.replace(queue, at=0.0) for queue in queues]
        if same == self._queues and now - self._queues_at < REPEAT_SECONDS:
            return
        self._queues, self._queues_at = same, now
        self._sink.put([QueuesSeen(queues, now)])

    # ------------------------------------------------------------------------------------------------ workers

    async def _watch_workers(self) -> None:
        due = self._clock.monotonic() + WORKERS_SECONDS
        while True:
            await asyncio.sleep(WORKERS_COALESCE_SECONDS)
            if self._clock.monotonic() >= due:
                due += WORKERS_SECONDS
                self._sink.put(await self._workers.refresh())
            elif names := self._changes.take_workers():
                self._sink.put(await self._workers.read(names))

    async def _watch_liveness(self) -> None:
        while True:
            if self._connections.pushes is not None:
                # Silence on it is no sign of anything; a connection that only seems open fails here.
                await self._connections.pushes.execute("PING")
            subscribers = await self._subscribers()
            now = self._clock.now()
            self._liveness.observe(subscribers, now)
            observations: list[Observation | None] = []
            for worker, count in subscribers.items():
                since = self._liveness.silent_since(worker, now)
                if since is not None:
                    observations.append(self._workers.silent(worker, since, now))
                elif count:
                    observations.append(self._workers.heard(worker, now))
            running = self._ledger.running.values()
            scheduling = await self._workers.scheduling(self._liveness.unexplained(running, now))
            observations += self._liveness.judge(running, self._workers.heartbeat, now, scheduling)
            self._sink.put([observation for observation in observations if observation is not None])
            await asyncio.sleep(LIVENESS_SECONDS)

    async def _subscribers(self) -> dict[str, int]:
        names = dict.fromkeys(self._workers.names())
        names.update(dict.fromkeys(job.worker for job in self._ledger.running.values() if job.worker))
        if not names or not self._sees_subscribers:
            return {}
        try:
            reply = await self._connections.reads.execute("PUBSUB", "NUMSUB", *[self._keys.channel(name) for name in names])
        except RespError:
            self._sees_subscribers = False
            return {}
        return dict(zip(names, reply[1::2], strict=True))

    # ------------------------------------------------------------------------------------------------ health

    def _report_health(self) -> None:
        polling = self._connections.pushes is None
        degraded = polling and self._settings.tracking
        health = Health(
            status=SourceStatus.DEGRADED if degraded else SourceStatus.UP,
            at=self._clock.now(),
            reason=f"changes are polled, not pushed: {self._connections.why_polling}" if degraded else None,
            notes=() if self._sees_subscribers else (_NO_NUMSUB,),
            transport="polling" if polling else "tracking",
        )
        before = self._health
        if before and health.at - before.at < REPEAT_SECONDS and (before.status, before.notes) == (health.status, health.notes):
            return
        self._health = health
        self._sink.put([health])

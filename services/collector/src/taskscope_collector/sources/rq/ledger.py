"""What this source last read of each job, so that it knows what is new, what is gone and who is running what."""

from collections.abc import Iterable

import msgspec

from taskscope_collector.observations import JobGone, JobSeen
from taskscope_collector.sources.rq.jobs import FINAL

REMEMBERED = 400_000
"""Ids kept; beyond that the ones not read for longest are forgotten, and read again when a reconciliation meets them."""

_PLACE_OF = {
    "queue": frozenset({"queued"}),
    "wip": frozenset({"started"}),
    "finished": frozenset({"finished"}),
    "failed": frozenset({"failed", "stopped"}),
    "deferred": frozenset({"deferred"}),
    "scheduled": frozenset({"scheduled"}),
    "canceled": frozenset({"canceled"}),
    "ready": frozenset({"ready_to_enqueue"}),
    "rate_limited": frozenset({"rate_limited"}),
}


class Running(msgspec.Struct):
    """A started job: who runs it, and until when its worker vouches for it (`wip_expires_at`)."""

    id: str
    queue: str | None
    worker: str | None
    started_at: float | None
    heartbeat_at: float | None
    timeout_seconds: float | None
    wip_expires_at: float | None = None
    execution_id: str | None = None


class Ledger:
    """Status by id, and what is running. Insertion order is the order of reading."""

    def __init__(self) -> None:
        self._status: dict[str, str] = {}
        # Jobs whose status and registry disagree although they were just read (cancelled while running, waiting to repeat).
        self._odd: dict[tuple[str, str], str] = {}
        self.running: dict[str, Running] = {}

    def __len__(self) -> int:
        return len(self._status)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._status

    def saw(self, job: JobSeen) -> None:
        """Remember what was read."""
        self._status.pop(job.id, None)
        self._status[job.id] = job.status
        if len(self._status) > REMEMBERED:
            oldest = next(iter(self._status))
            self.forget(oldest)
        if job.status != "started":
            self.running.pop(job.id, None)
            return
        before = self.running.get(job.id)
        same = before is not None and before.started_at == job.started_at
        self.running[job.id] = Running(
            job.id,
            job.queue,
            job.worker,
            job.started_at,
            job.heartbeat_at,
            job.timeout_seconds,
            before.wip_expires_at if same and before else None,
            before.execution_id if same and before else None,
        )

    def forget(self, job_id: str) -> None:
        """The job is gone."""
        self._status.pop(job_id, None)
        self.running.pop(job_id, None)

    def take(
        self, observations: Iterable[JobSeen | JobGone], expected: frozenset[str] = frozenset()
    ) -> list[JobSeen | JobGone]:
        """Remember what was read, and leave out that a job is gone which nobody knew (another database has its own ids)."""
        kept: list[JobSeen | JobGone] = []
        for observation in observations:
            if isinstance(observation, JobSeen):
                self.saw(observation)
                kept.append(observation)
            elif observation.id in self._status or observation.id in expected:
                self.forget(observation.id)
                kept.append(observation)
        return kept

    def doubtful(self, place: str, ids: Iterable[str]) -> list[str]:
        """Those of `ids`, found in `place`, that were not read yet or whose status does not go with it."""
        fitting = _PLACE_OF[place]
        status = self._status
        return [
            job_id
            for job_id in ids
            if status.get(job_id) not in fitting and self._odd.get((place, job_id), "") != status.get(job_id, "-")
        ]

    def accept(self, place: str, ids: Iterable[str]) -> None:
        """These were just read: if their status still does not go with `place`, that is how it is."""
        if len(self._odd) > REMEMBERED:
            self._odd.clear()
        for job_id in self.doubtful(place, ids):
            self._odd[place, job_id] = self._status.get(job_id, "-")

    def open_ids(self) -> list[str]:
        """Ids that have not ended, as far as it was read."""
        return [job_id for job_id, status in self._status.items() if status not in FINAL]

    def status(self, job_id: str) -> str | None:
        """The status last read."""
        return self._status.get(job_id)

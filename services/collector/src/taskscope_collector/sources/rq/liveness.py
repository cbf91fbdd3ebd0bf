"""Whether somebody is left who could be running a started job. Pure: what was seen goes in, inferences come out.

What a killed worker leaves (seen on RQ 1.16 to 3.0): its hash and its job's entry in `wip` live on until they expire, 60 to
90 s later. Its command channel tells sooner: `PUBSUB NUMSUB` is 0 as soon as its process and a forked work-horse (which
inherits the socket) are gone. 0 may also be a worker that just reconnects (it waits 2 s), so it has to stay 0 for a while. 1
proves nothing: a scheduler process that outlived its worker holds the socket, too, or the machine is gone and the server does
not know yet. So when the entry expired but the socket is open, it is open, too, whether the work-horse lives, until the job's
own time limit, which a work-horse keeps by itself; but where a scheduler explains the socket, the entry's expiry decides.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from taskscope_collector.observations import JobAbandoned
from taskscope_collector.sources.rq.ledger import Running

SILENT_SECONDS = 6.0
"""A channel without subscribers means death after this long: a reconnecting worker is back after 2 to 4 s."""
SETTLE_SECONDS = 10.0
"""After our own reconnection everybody else may be reconnecting, too."""
EXPIRY_GRACE_SECONDS = 2.0
"""An entry of `wip` carries its worker's clock."""
LIMIT_GRACE_SECONDS = 15.0
"""A work-horse that passed its time limit raises an exception, and stores its failure soon after."""


class Verdict(msgspec.Struct, frozen=True):
    """What was concluded of a job: `certain` when its processes are gone, else it cannot be confirmed."""

    certain: bool
    reason: str


class Liveness:
    """Judges running jobs by their workers' channels and by the expiry of their entries in `wip`."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._silent_since: dict[str, float] = {}
        self._subscribers: dict[str, int] = {}
        self._judged: dict[str, tuple[float | None, Verdict]] = {}

    def observe(self, subscribers: Mapping[str, int], now: float) -> None:
        """How many connections are subscribed to each worker's channel (empty: the server does not say)."""
        self._subscribers = dict(subscribers)
        for worker, count in subscribers.items():
            if count:
                self._silent_since.pop(worker, None)
            elif now - self._since >= SETTLE_SECONDS - SILENT_SECONDS:
                self._silent_since.setdefault(worker, now)
        for worker in self._silent_since.keys() - subscribers.keys():
            del self._silent_since[worker]

    def is_silent(self, worker: str, now: float) -> bool:
        """Whether nobody was subscribed for long enough."""
        since = self._silent_since.get(worker)
        return since is not None and now - since >= SILENT_SECONDS

    def silent_since(self, worker: str, now: float) -> float | None:
        """Since when nobody was subscribed, once that is long enough; None otherwise."""
        return self._silent_since[worker] if self.is_silent(worker, now) else None

    def unexplained(self, running: Iterable[Running], now: float) -> dict[str, str | None]:
        """Workers with connections whose jobs' entries expired, and a queue of each: somebody should look for schedulers."""
        return {
            job.worker: job.queue for job in running if job.worker and _expired(job, now) and self._subscribers.get(job.worker)
        }

    def judge(
        self,
        running: Iterable[Running],
        heartbeat: Callable[[str], float | None],
        now: float,
        scheduling: frozenset[str] = frozenset(),
    ) -> list[JobAbandoned]:
        """What is newly concluded at `now`. `scheduling` are workers whose scheduler process lives, perhaps alone."""
        found: list[JobAbandoned] = []
        alive: set[str] = set()
        for job in running:
            alive.add(job.id)
            verdict = self._verdict(job, heartbeat, now, scheduling)
            before = self._judged.get(job.id)
            if verdict is None:
                self._judged.pop(job.id, None)
            elif before is None or before[1] != verdict or before[0] != job.started_at:
                self._judged[job.id] = (job.started_at, verdict)
                found.append(JobAbandoned(job.id, now, verdict.reason, verdict.certain))
        for job_id in self._judged.keys() - alive:
            del self._judged[job_id]
        return found

    def again(self, job: Running, at: float) -> JobAbandoned | None:
        """The conclusion about a job that was read once more as started, in case its reading would undo it."""
        judged = self._judged.get(job.id)
        if judged is None or judged[0] != job.started_at:
            return None
        return JobAbandoned(job.id, at, judged[1].reason, judged[1].certain)

    def _verdict(
        self, job: Running, heartbeat: Callable[[str], float | None], now: float, scheduling: frozenset[str]
    ) -> Verdict | None:
        if job.worker and self.is_silent(job.worker, now):
            beats = max(job.heartbeat_at or 0.0, heartbeat(job.worker) or 0.0)
            if beats <= self._silent_since[job.worker]:
                return _GONE
        if not _expired(job, now):
            return None
        if not job.worker or not self._subscribers.get(job.worker):
            return _EXPIRED
        if job.worker in scheduling:
            return _SCHEDULER
        return _LIMIT if _limit_passed(job, now) else _DOUBTFUL


_GONE = Verdict(certain=True, reason="its worker and work-horse are gone: nobody is connected to the worker's channel")
_EXPIRED = Verdict(certain=True, reason="its entry among the running jobs expired: its worker stopped renewing it")
_SCHEDULER = Verdict(
    certain=True, reason="its entry among the running jobs expired, and only a scheduler of its worker is left"
)
_LIMIT = Verdict(certain=True, reason="its entry among the running jobs expired, and so did its time limit")
_DOUBTFUL = Verdict(
    certain=False,
    reason="its worker stopped renewing it, but a process of it is still connected: the work-horse may be running",
)


def _expired(job: Running, now: float) -> bool:
    return job.wip_expires_at is not None and now >= job.wip_expires_at + EXPIRY_GRACE_SECONDS


def _limit_passed(job: Running, now: float) -> bool:
    if job.started_at is None or job.timeout_seconds is None or job.timeout_seconds <= 0:
        return False
    return now > job.started_at + job.timeout_seconds + LIMIT_GRACE_SECONDS

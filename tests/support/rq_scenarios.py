"""The scenarios of RQ, driven against real workers, and the row that each has to end in.

A row says what RQ 3.0 does (seen on its keys) and what the job's own ledger says, not what the reducer makes of it.
"""

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from rq import Queue, Repeat, Retry
from rq.command import send_stop_job_command
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.rate_limit import RateLimit
from support.rq_site import RqSite, RqWorker
from support.waiting import wait_for
from support.watch import Moment
from taskscope_shared.model import State


@dataclass(frozen=True)
class Row:
    """How a job has to be shown once its scenario is over.

    `times`: start, end, runtime and wait agree with the ledger ("ledger"), it started and has no end that anybody saw
    ("no end": only the start is compared), or it never ran.
    """

    state: State
    detail: str | None = None
    attempts: int = 1
    retries: int = 0
    queue: str = "main"
    worker: str | None = "ledger"
    name: str = "support.rq_jobs.work"
    exception_type: str | None = None
    exception: str | None = None
    traceback: str | None = None
    result: str | None = None
    history: tuple[State, ...] = ()
    passed: tuple[State, ...] = ()
    progress: tuple[float, float, str] | None = None
    times: str = "ledger"
    runtime: bool = True


@dataclass
class Case:
    """A job that was sent, and its row. `ready_at`: when RQ put it into its queue for its last run, as RQ itself says."""

    label: str
    id: str
    row: Row
    ready_at: float | None = None
    killed_at: float | None = None


@dataclass
class Drive:
    """What a scenario may use; it returns the cases it made. Runs in a thread of its own."""

    site: RqSite
    moments: Mapping[str, list[Moment]] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)

    def queue(self, name: str = "main") -> Queue:
        return self.site.queue(name)

    def ended(self, job: Job, *statuses: str, seconds: float = 40.0) -> None:
        wait_for(lambda: job.get_status(refresh=True).value in statuses, seconds=seconds, what=f"{job.id} to be {statuses}")

    def told(self, job_id: str, what: str, count: int = 1, seconds: float = 40.0) -> None:
        def heard() -> bool:
            return sum(entry[0] == what for entry in self.ledger(job_id)) >= count

        wait_for(heard, seconds=seconds, what=f"{count} {what} of {job_id}")

    def shown(self, job_id: str, state: State) -> None:
        """Until Taskscope shows it so, where the scenario is about what is shown before something happens."""
        wait_for(
            lambda: any(moment.state is state for moment in self.moments.get(job_id, ())),
            seconds=20,
            what=f"{job_id} to be shown {state}",
        )

    def percent(self, job_id: str, percent: float) -> None:
        """Until Taskscope shows so much progress."""
        wait_for(
            lambda: any(moment.percent == percent for moment in self.moments.get(job_id, ())),
            seconds=20,
            what=f"{job_id} to be shown at {percent} %",
        )

    def ledger(self, job_id: str) -> list[tuple[str, float, str]]:
        lines = self.site.redis.lrange(f"ledger:{job_id}", 0, -1)
        return [tuple(json.loads(line)) for line in lines]

    def open(self, gate: str) -> None:
        self.site.redis.set(f"gate:{gate}", "open")

    def case(self, label: str, job: Job, row: Row, **more: float) -> None:
        with contextlib.suppress(NoSuchJobError):  # one that vanished is as it was when it was sent
            job.refresh()
        ready_at = job.enqueued_at.timestamp() if job.enqueued_at else None
        self.cases.append(Case(label, job.id, row, ready_at, **more))


DONE = Row(State.SUCCEEDED, result="{'lasted': 0.2, 'token': '***'}", passed=(State.RUNNING,))
HELD = replace(DONE, name="support.rq_jobs.hold", result="'released'")
FAILED = Row(State.FAILED)


def success(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.work", 0.2, password="hidden")
    drive.ended(job, "finished")
    drive.case("success", job, DONE)


def failure(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.fail", "no such reel")
    drive.ended(job, "failed")
    row = replace(
        FAILED,
        name="support.rq_jobs.fail",
        exception_type="LookupError",
        exception="no such reel",
        traceback="LookupError: no such reel",
    )
    drive.case("failure", job, row)


def retry_with_intervals(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.fail_twice", retry=Retry(max=3, interval=[1, 1, 1]))
    drive.ended(job, "finished")
    row = replace(
        DONE,
        name="support.rq_jobs.fail_twice",
        result="'at last'",
        attempts=3,
        retries=2,
        history=(State.RETRYING, State.RETRYING),
        passed=(State.RETRYING,),
    )
    drive.case("retry_with_intervals", job, row)


def retry_at_once(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.fail_twice", 0.3, retry=Retry(max=3))
    drive.ended(job, "finished")
    row = replace(
        DONE,
        name="support.rq_jobs.fail_twice",
        result="'at last'",
        attempts=3,
        retries=2,
        history=(State.RETRYING, State.RETRYING),
        passed=(),
    )
    drive.case("retry_at_once", job, row)


def retries_exhausted(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.fail", "never", retry=Retry(max=1, interval=1))
    drive.ended(job, "failed")
    row = replace(
        FAILED,
        name="support.rq_jobs.fail",
        attempts=2,
        retries=1,
        history=(State.RETRYING,),
        exception_type="LookupError",
        exception="never",
    )
    drive.case("retries_exhausted", job, row)


def returned_retry(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.return_retry_once")
    drive.ended(job, "finished")
    row = replace(
        DONE,
        name="support.rq_jobs.return_retry_once",
        result="'at last'",
        attempts=2,
        retries=1,
        history=(State.RETRYING,),
        passed=(State.RETRYING,),
    )
    drive.case("returned_retry", job, row)


def repeated(drive: Drive) -> None:
    """Each run of a job that repeats is an attempt that succeeded."""
    job = drive.queue().enqueue("support.rq_jobs.work", 0.2, password="x", repeat=Repeat(times=1, interval=1))
    drive.told(job.id, "end", 2)
    drive.ended(job, "finished")
    drive.case("repeated", job, replace(DONE, attempts=2, history=(State.SUCCEEDED,), passed=(State.SCHEDULED,)))


def requeued(drive: Drive) -> None:
    """A failed job that somebody puts back."""
    job = drive.queue().enqueue("support.rq_jobs.fail_once")
    drive.ended(job, "failed")
    drive.shown(job.id, State.FAILED)
    job.requeue()
    drive.ended(job, "finished")
    row = replace(DONE, name="support.rq_jobs.fail_once", result="'at last'", attempts=2, history=(State.FAILED,))
    drive.case("requeued", job, row)


def cancelled_while_running(drive: Drive) -> None:
    """RQ lets it run on, and it is finished in the end."""
    job = drive.queue().enqueue("support.rq_jobs.hold", "cancelled")
    drive.told(job.id, "start")
    drive.shown(job.id, State.RUNNING)
    job.cancel()
    drive.shown(job.id, State.REVOKED)
    drive.open("cancelled")
    drive.ended(job, "finished")
    drive.case("cancelled_while_running", job, replace(HELD, passed=(State.RUNNING, State.REVOKED)))


def rate_limited(drive: Drive) -> None:
    """One at a time: the second waits in no queue until the first is done."""
    limit = RateLimit("reels", 1)
    first, second = (drive.queue().enqueue("support.rq_jobs.work", 0.6, password="x", rate_limit=limit) for _ in range(2))
    drive.ended(first, "finished")
    drive.ended(second, "finished")
    drive.case("rate_limited", second, replace(DONE, result="{'lasted': 0.6, 'token': '***'}"))


def scheduled(drive: Drive) -> None:
    job = drive.queue().enqueue_in(timedelta(seconds=2), "support.rq_jobs.work", 0.2, password="x")
    drive.ended(job, "finished")
    drive.case("scheduled", job, replace(DONE, passed=(State.SCHEDULED, State.RUNNING)))


def deferred(drive: Drive) -> None:
    first = drive.queue().enqueue("support.rq_jobs.work", 0.6, password="x")
    second = drive.queue().enqueue("support.rq_jobs.work", 0.2, password="x", depends_on=first)
    drive.ended(second, "finished")
    drive.case("deferred", second, replace(DONE, passed=(State.DEFERRED, State.RUNNING)))


def cancelled(drive: Drive) -> None:
    """In a queue that nobody serves."""
    job = drive.queue("unserved").enqueue("support.rq_jobs.work")
    drive.shown(job.id, State.QUEUED)
    job.cancel()
    row = Row(State.REVOKED, "canceled", attempts=0, queue="unserved", worker=None, passed=(State.QUEUED,), times="never ran")
    drive.case("cancelled", job, row)


def stopped(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.hold", "never")
    drive.told(job.id, "start")
    drive.shown(job.id, State.RUNNING)
    send_stop_job_command(drive.site.redis, job.id)
    drive.ended(job, "stopped")
    row = Row(State.REVOKED, "stopped", name="support.rq_jobs.hold", passed=(State.RUNNING,), times="killed")
    drive.case("stopped", job, row)


def timed_out(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.hold", "never", job_timeout=1)
    drive.ended(job, "failed")
    row = replace(
        FAILED,
        name="support.rq_jobs.hold",
        exception_type="JobTimeoutException",
        exception="maximum timeout value (1 seconds)",
        traceback="JobTimeoutException",
    )
    drive.case("timed_out", job, row)


def horse_killed(drive: Drive) -> None:
    worker = drive.site.worker("horse_killed")
    job = drive.queue("horse_killed").enqueue("support.rq_jobs.hold", "never")
    drive.told(job.id, "start")
    drive.shown(job.id, State.RUNNING)
    worker.horse().kill()
    drive.ended(job, "failed")
    row = Row(
        State.FAILED,
        name="support.rq_jobs.hold",
        queue="horse_killed",
        exception="Work-horse terminated unexpectedly",
        passed=(State.RUNNING,),
        times="killed",
    )
    drive.case("horse_killed", job, row)


def vanishing(drive: Drive) -> None:
    """result_ttl=0: RQ deletes it as it succeeds."""
    job = drive.queue().enqueue("support.rq_jobs.work", 0.5, result_ttl=0)
    drive.told(job.id, "end")
    wait_for(lambda: not drive.site.redis.exists(job.key), what="the job to vanish")
    drive.case("result_ttl_0", job, replace(DONE, detail="result_ttl_0", result=None, runtime=False))


def json_serializer(drive: Drive) -> None:
    drive.site.worker("json", options=("--serializer", "json"))
    queue = drive.site.queue("json", serializer="json")
    job = queue.enqueue("support.rq_jobs.work", 0.2, password="hidden")
    drive.ended(job, "finished")
    drive.case("json_serializer", job, replace(DONE, queue="json"))


def progress(drive: Drive) -> None:
    job = drive.queue().enqueue("support.rq_jobs.report_progress", "progress")
    drive.told(job.id, "start")
    for step in range(1, 5):
        drive.percent(job.id, 25.0 * step)
        drive.open(f"progress-{step}")
    drive.ended(job, "finished")
    row = replace(DONE, name="support.rq_jobs.report_progress", result="'all reels'", progress=(4, 4, "reel 4"))
    drive.case("progress", job, row)


def several_queues(drive: Drive) -> None:
    jobs = {name: drive.queue(name).enqueue("support.rq_jobs.work", 0.2, password="x") for name in ("low", "high")}
    drive.site.worker("high", "low")
    for name, job in jobs.items():
        drive.ended(job, "finished")
        drive.case(f"several_queues/{name}", job, replace(DONE, queue=name))


def _kill(worker: RqWorker, *, horse: bool) -> None:
    child = worker.horse()
    worker.kill()
    if horse:
        child.kill()


def both_killed(drive: Drive) -> None:
    worker = drive.site.worker("both_killed")
    job = drive.queue("both_killed").enqueue("support.rq_jobs.hold", "never")
    drive.told(job.id, "start")
    drive.shown(job.id, State.RUNNING)
    _kill(worker, horse=True)
    row = Row(State.LOST, "abandoned", name="support.rq_jobs.hold", queue="both_killed", passed=(State.RUNNING,), times="lost")
    drive.case("both_killed", job, row, killed_at=time.time())


def horse_outlives_worker(drive: Drive) -> None:
    """The worker is killed alone; its horse goes on for longer than a lost task would take to be recognised, and finishes."""
    worker = drive.site.worker("orphan")
    job = drive.queue("orphan").enqueue("support.rq_jobs.hold", "orphan")
    drive.told(job.id, "start")
    drive.shown(job.id, State.RUNNING)
    _kill(worker, horse=False)
    time.sleep(14.0)
    drive.open("orphan")
    drive.ended(job, "finished")
    drive.case("horse_outlives_worker", job, replace(HELD, queue="orphan"))


Scenario = Callable[[Drive], None]
SCENARIOS: tuple[Scenario, ...] = (
    success, failure, retry_with_intervals, retry_at_once, retries_exhausted, scheduled, deferred, cancelled, stopped,
    timed_out, horse_killed, vanishing, json_serializer, progress, several_queues, both_killed, horse_outlives_worker,
    returned_retry, repeated, requeued, cancelled_while_running, rate_limited,
)  # fmt: skip

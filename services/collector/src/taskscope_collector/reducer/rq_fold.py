"""The fold of an RQ job: readings of its hash to deliveries.

The status decides, the registries overlap. Fields of the last run stay in the hash while the job waits for the next, so a
run that was missed is still found there. A retried exception leaves no result, an abandoned job no end.
"""

from taskscope_shared.model import FINISHED, State

from taskscope_collector.observations import JobAbandoned, JobGone, JobSeen, TaskMissing
from taskscope_collector.reducer.exceptions import parse
from taskscope_collector.reducer.order import by_time
from taskscope_collector.reducer.record import Draft, Fact
from taskscope_collector.reducer.runs import NO_OUTCOME, Folding, Run, Send

SAME_START_SECONDS = 0.5
"""started_at is written again when the job ends; the next run never starts so soon that this would be mistaken for it."""
SAME_END_SECONDS = 0.001
"""ended_at is written once; a run that was settled and is read again, say after a restart, is recognised by it."""
WAITING: dict[str, tuple[State, str | None]] = {
    "created": (State.DEFERRED, "created"),
    "deferred": (State.DEFERRED, None),
    "scheduled": (State.SCHEDULED, None),
    "queued": (State.QUEUED, None),
    "ready_to_enqueue": (State.QUEUED, None),
    "rate_limited": (State.QUEUED, "rate_limited"),
}
ENDED = frozenset({"finished", "failed", "stopped", "canceled"})
_RESULT_STATES = {1: State.SUCCEEDED, 2: State.FAILED, 3: State.REVOKED, 5: State.FAILED}


def fold(base: Draft | None, facts: list[Fact]) -> Folding:
    """Readings in the order in which they were read; then what is concluded from absence."""
    folding = Folding(base)
    seen = by_time([fact for fact in facts if type(fact) is JobSeen])
    most = max((job.retries_left for job in seen if job.retries_left is not None), default=0)
    for job in seen:
        _read(folding, job, _retries(folding, job, most))
    _count(folding, seen)
    _conclude(folding, facts, seen[-1] if seen else None)
    return folding


def _conclude(folding: Folding, facts: list[Fact], latest: JobSeen | None) -> None:
    """That nobody is left who could be running it comes first: that it is not there any more says more."""
    for fact in facts:
        if type(fact) is JobAbandoned:
            _abandoned(folding, fact, latest)
    for fact in facts:
        if type(fact) is JobGone and (latest is None or fact.at >= latest.at):
            _gone(folding, fact, latest)
    for fact in facts:
        if type(fact) is TaskMissing and (latest is None or fact.at >= latest.at):
            _missing(folding, fact)


def _retries(folding: Folding, job: JobSeen, most: int) -> int:
    """Retries used when it was read: counted (a returned Retry), or as many fewer left than at `most`."""
    used = most - job.retries_left if job.retries_left is not None else 0
    return max(job.number_of_retries or 0, (folding.base.retries if folding.base else 0) + used)


def signature(job: JobSeen) -> tuple[object, ...]:
    """What makes a reading differ from another one for the fold."""
    return (
        job.status,
        job.worker,
        job.enqueued_at,
        job.started_at,
        job.ended_at,
        job.run_at,
        job.execution_id,
        job.result_id,
        job.retries_left,
        job.number_of_retries,
    )


def last_moment(job: JobSeen) -> float:
    """When an ended job ended, else the last that is known to have happened to it, else when it was read."""
    ended = _stored_at(job) if job.ended_at is None else job.ended_at
    known = (ended, job.result_ended_at, job.started_at, job.enqueued_at, job.created_at, job.at)
    return next(moment for moment in known if moment is not None)


def thin_out(facts: list[Fact]) -> list[Fact]:
    """Of a stretch of readings that say the same, the first and the last (which has the newest progress and heartbeat)."""
    seen = by_time([fact for fact in facts if type(fact) is JobSeen])
    signatures = [signature(job) for job in seen]
    kept = [
        job
        for index, job in enumerate(seen)
        if not (0 < index < len(seen) - 1 and signatures[index - 1] == signatures[index] == signatures[index + 1])
    ]
    return [*kept, *(fact for fact in facts if type(fact) is not JobSeen)]


def _read(folding: Folding, job: JobSeen, retries: int) -> None:
    _describe(folding, job)
    if job.status in WAITING:
        _waits(folding, job, retries)
        return
    if job.status == "started":
        folding.again = None
        _runs(folding, job, retries)
    elif job.status in ENDED:
        folding.again = None
        _ends(folding, job, retries)
    elif not folding.runs:  # a status of an RQ to come: it is known that there is such a job, and what RQ calls its state
        folding.waiting_state = (State.QUEUED, job.status)


def _describe(folding: Folding, job: JobSeen) -> None:
    folding.name = job.name or folding.name
    folding.args = job.args if job.args is not None else folding.args
    folding.kwargs = job.kwargs if job.kwargs is not None else folding.kwargs
    folding.queue = job.queue or folding.queue
    folding.group_id = job.group_id or folding.group_id
    folding.created_at = job.created_at if job.created_at is not None else folding.created_at
    folding.progress = job.progress or folding.progress
    if job.dependencies and job.dependencies[0] != job.id:
        folding.parent_id = job.dependencies[0]


def _count(folding: Folding, seen: list[JobSeen]) -> None:
    """Retries, and runs that came and went between two readings."""
    left = [job.retries_left for job in seen if job.retries_left is not None]
    counted = max((job.number_of_retries or 0 for job in seen), default=0)
    if left:
        counted = max(counted, max(left) - left[-1])
    folding.retries = max(folding.retries, counted)
    waits = folding.again is not None or not folding.runs
    missed = folding.retries + (0 if waits else 1) - (folding.first_number - 1 + len(folding.runs))
    if missed > 0 and folding.runs:
        folding.first_number += missed


# -------------------------------------------------------------------------------------------------------------- runs


def _new_run(folding: Folding, job: JobSeen, retries: int) -> Run:
    run = Run(
        retries=retries,
        worker=job.worker,
        name=job.name,
        queued_at=job.enqueued_at,
        started_at=job.started_at,
        eta_at=folding.again[2].eta_at if folding.again else job.run_at,
        execution=job.execution_id,
        running=True,
    )
    last = folding.last
    if last is not None and last.state is None and last.ended_at is not None:
        last.state = State.RETRYING  # without an end, the retries of the two tell (`runs.attempt_of`)
    folding.runs.append(run)
    return run


def _same_run(run: Run, job: JobSeen) -> bool:
    if run.execution and job.execution_id:
        return run.execution == job.execution_id
    if run.ended_at is not None and job.ended_at is not None and abs(run.ended_at - job.ended_at) < SAME_END_SECONDS:
        return True
    if run.started_at is None or job.started_at is None:
        return True
    # The result has when the execution was made, so the start as it was first written lies between the two.
    earliest = min(job.started_at, job.result_started_at if job.result_started_at is not None else job.started_at)
    return earliest - SAME_START_SECONDS <= run.started_at <= job.started_at + SAME_START_SECONDS


def _run_of(folding: Folding, job: JobSeen) -> Run | None:
    """The run of a reading, as the last one: RQ may start a job again while a work-horse that it gave up still runs it."""
    last = folding.last
    if last is None or _same_run(last, job):
        return last
    earlier = [run for run in folding.runs if run.execution and run.execution == job.execution_id]
    if not earlier:
        return None
    folding.runs.remove(earlier[-1])
    folding.runs.append(earlier[-1])
    return earlier[-1]


def _failed_once(run: Run, job: JobSeen, retries: int) -> bool:
    """One retry was used since the open run began: it is the one that failed, however late it wrote its start anew."""
    later = run.started_at is not None and job.started_at is not None and job.started_at >= run.started_at
    return run.state is None and later and retries == run.retries + 1


def _runs(folding: Folding, job: JobSeen, retries: int) -> None:
    run = folding.last
    if (
        run is None
        or not _same_run(run, job)
        or (run.state is not None and not run.inferred and run.state is not State.REVOKED)
    ):
        run = _new_run(folding, job, retries)
    elif run.state is not None:
        _reopen(run)
    run.worker = job.worker or run.worker
    run.execution = job.execution_id or run.execution
    run.started_at = run.started_at if run.started_at is not None else job.started_at
    run.running = True
    run.seen_at = max(run.seen_at, job.heartbeat_at or 0.0, job.started_at or 0.0)


def _reopen(run: Run) -> None:
    run.state = run.detail = run.uncertain = run.ended_at = None
    run.inferred = False


def _ends(folding: Folding, job: JobSeen, retries: int) -> None:
    run = _run_of(folding, job)
    if run is None:
        run = _new_run(folding, job, retries)
        run.delivered = run.running = job.started_at is not None
    state, detail = _outcome(job)
    ended_at = _ended_at(job)
    if run.state is not state or run.inferred or ended_at is not None:
        run.ended_at = ended_at if ended_at is not None else job.at
    run.state, run.detail, run.uncertain, run.inferred = state, detail, None, False
    run.worker = job.worker or run.worker
    run.started_at = _rewritten_start(run, job)
    run.runtime = _runtime(job)
    run.result = job.result if state is State.SUCCEEDED else None
    _blame(run, job)


def _outcome(job: JobSeen) -> tuple[State, str | None]:
    if job.status == "finished":
        return State.SUCCEEDED, None
    if job.status == "stopped":
        return State.REVOKED, "stopped"
    if job.status == "canceled":
        return State.REVOKED, "canceled"
    said = f"{job.exception_type or ''} {job.exception or ''} {(job.traceback or '')[-500:]}"
    if "AbandonedJobError" in said:
        return State.LOST, "abandoned"
    if "stuck in intermediate queue" in said:
        return State.LOST, "stuck_in_intermediate"
    return State.FAILED, None


def _ended_at(job: JobSeen) -> float | None:
    """A stopped or abandoned job has no end; its result was stored then, and a stream's ids begin with milliseconds."""
    if job.status == "canceled":
        return None
    if job.ended_at is not None:
        return job.ended_at
    return job.result_ended_at if job.result_ended_at is not None else _stored_at(job)


def _stored_at(job: JobSeen) -> float | None:
    milliseconds = (job.result_id or "").partition("-")[0]
    stored = int(milliseconds) / 1000 if milliseconds.isdigit() else None
    return stored if stored is not None and stored >= (job.started_at or 0.0) - SAME_START_SECONDS else None


def _rewritten_start(run: Run, job: JobSeen) -> float | None:
    """The work-horse's own start, which it writes with the end, is when the function began; before, the fork."""
    if job.started_at is not None and (run.started_at is None or job.ended_at is not None):
        return job.started_at
    return run.started_at


def _runtime(job: JobSeen) -> float | None:
    """As RQ itself sums it up, from the start to the end; a stopped job and one of a killed work-horse may have none."""
    if job.status not in ("finished", "failed"):
        return None
    return _runtime_of_result(job)


def _blame(run: Run, job: JobSeen) -> None:
    if run.state in (State.SUCCEEDED, State.REVOKED):
        run.exception_type = run.exception = run.traceback = None
        return
    kind, message = parse(None, job.traceback)
    run.exception_type = job.exception_type or kind
    run.exception = job.exception if job.exception is not None else message
    run.traceback = job.traceback


# ----------------------------------------------------------------------------------------------------------- waiting


def _waits(folding: Folding, job: JobSeen, retries: int) -> None:
    state, detail = WAITING[job.status]
    folding.waiting_state, folding.waiting_eta = (state, detail), job.run_at
    run = folding.last
    if job.started_at is not None and (run is None or not (_same_run(run, job) or _failed_once(run, job, retries))):
        run = _new_run(folding, job, retries)
    if run is None:
        folding.sends = [Send(job.enqueued_at, 0, job.queue, job.run_at, taken=True)]
        return
    if run.state is None or run.inferred or (run.state is State.RETRYING and run.ended_at is None):
        _close(run, job)
    folding.again = (state, detail, Send(job.enqueued_at, 0, job.queue, job.run_at))


def _close(run: Run, job: JobSeen) -> None:
    """The run before this wait: as its stored result says; one that left none was retried."""
    stored = job.result_ended_at if job.result_ended_at is not None else _stored_at(job)
    own = stored is not None and stored >= (run.started_at or 0.0) - SAME_START_SECONDS
    run.state = _RESULT_STATES.get(job.result_type or 0, State.RETRYING) if own else State.RETRYING
    ended_at = _own_end(job)
    run.ended_at = ended_at if ended_at is not None else stored if own else run.ended_at
    run.worker = job.worker or run.worker
    run.started_at = _rewritten_start(run, job)
    run.inferred, run.detail, run.uncertain = False, None, None
    if own:
        run.runtime = _runtime_of_result(job)
    if run.state in (State.RETRYING, State.FAILED):
        run.exception_type, run.exception, run.traceback = job.exception_type, job.exception, job.traceback


def _own_end(job: JobSeen) -> float | None:
    """RQ sets the status before the end: until then the hash has the end of the run before this one."""
    stale = job.ended_at is not None and job.started_at is not None and job.ended_at < job.started_at
    return None if stale else job.ended_at


def _runtime_of_result(job: JobSeen) -> float | None:
    if job.started_at is not None and job.ended_at is not None:
        return max(job.ended_at - job.started_at, 0.0)
    if job.result_started_at is None or job.result_ended_at is None:
        return None
    return max(job.result_ended_at - job.result_started_at, 0.0)


# -------------------------------------------------------------------------------------------------------- inferences


def _gone(folding: Folding, fact: JobGone, job: JobSeen | None) -> None:
    """An end that is known stays: its record has only expired. A failed job is kept a year, whatever its result_ttl."""
    run = folding.last
    if folding.again is None and run is not None and run.state in FINISHED and not run.inferred:
        return
    if folding.again is not None or run is None:
        run = Run(name=folding.name, delivered=False)
        folding.runs.append(run)
        folding.again = None
    succeeded = run.is_started and job is not None and job.result_ttl_seconds == 0 and job.status == "started"
    if run.state is State.LOST and not succeeded:
        return
    run.state, run.detail = (State.SUCCEEDED, "result_ttl_0") if succeeded else (State.REVOKED, "deleted")
    run.ended_at, run.uncertain, run.inferred = fact.at, None, True


def _abandoned(folding: Folding, fact: JobAbandoned, job: JobSeen | None) -> None:
    run = folding.last
    if run is None or folding.again is not None or (run.state is not None and not run.inferred):
        return
    if run.seen_at > fact.at or (job is not None and (job.heartbeat_at or 0.0) > fact.at):
        return
    if not fact.certain:
        run.uncertain = fact.reason
        return
    run.state, run.detail, run.ended_at, run.inferred = State.LOST, "abandoned", fact.at, True
    run.uncertain = None


def _missing(folding: Folding, fact: TaskMissing) -> None:
    run = folding.last
    if run is not None and run.state in FINISHED and folding.again is None:
        return
    if run is None or folding.again is not None:
        run = Run(name=folding.name, delivered=False)
        folding.runs.append(run)
        folding.again = None
    run.state, run.detail, run.ended_at, run.inferred = State.LOST, NO_OUTCOME, fact.at, True
    run.uncertain = fact.reason

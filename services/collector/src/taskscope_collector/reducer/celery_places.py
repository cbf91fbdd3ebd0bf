"""Where a Celery task was seen (in a worker's inspect reply, in a queue), and what is concluded from where it was not."""

from taskscope_shared.model import State

from taskscope_collector.observations import TaskHeld, TaskMissing, TaskQueued, TaskRedelivered
from taskscope_collector.reducer.order import by_time
from taskscope_collector.reducer.record import Fact, WorkerDied
from taskscope_collector.reducer.runs import COMES_AGAIN, EXPIRED, NO_OUTCOME, REDELIVERY, SLACK_SECONDS, Folding, Run


def fold_places(folding: Folding, facts: list[Fact]) -> None:
    """Apply what was seen, in the order of time."""
    for fact in by_time([fact for fact in facts if isinstance(fact, TaskHeld | TaskQueued)]):
        if isinstance(fact, TaskHeld):
            _held(folding, fact)
        else:
            _queued(folding, fact)


def _fill(folding: Folding, fact: TaskHeld | TaskQueued) -> None:
    folding.name = folding.name or fact.name
    folding.args = folding.args if folding.args is not None else fact.args
    folding.kwargs = folding.kwargs if folding.kwargs is not None else fact.kwargs
    folding.queue = folding.queue or fact.queue
    folding.priority = folding.priority if folding.priority is not None else fact.priority
    folding.retries = max(folding.retries, fact.retries or 0)


# ------------------------------------------------------------------------------------------------------------- held


def _held(folding: Folding, fact: TaskHeld) -> None:
    _fill(folding, fact)
    if _tells_a_start(folding, fact):
        return
    run = _run_held(folding, fact)
    if run is None:
        return
    if run.inferred:
        _reopen(run)
    run.seen_at = max(run.seen_at, fact.at)
    run.pid = run.pid if run.pid is not None else fact.pid
    if fact.where == "active":
        run.running = True
        run.started_at = run.started_at if run.started_at is not None else fact.started_at
    elif run.eta_at is None:
        run.eta_at = fact.eta_at


def _tells_a_start(folding: Folding, fact: TaskHeld) -> bool:
    """Of a delivery that has ended since: its events were switched on too late to tell when it began."""
    at = fact.started_at
    if at is None:
        return False
    ended = [run for run in folding.runs if _began_unseen(run, fact.worker) and at < (run.ended_at or 0.0)]
    if not ended or _started_then(folding.runs, fact) is not None:
        return False
    run = min(ended, key=lambda run: run.ended_at or 0.0)
    if run.received_at is not None and at < run.received_at - SLACK_SECONDS:
        return False
    run.started_at, run.running = at, True
    return True


def _began_unseen(run: Run, worker: str) -> bool:
    return run.worker == worker and run.state is not None and not run.inferred and run.started_at is None


def _run_held(folding: Folding, fact: TaskHeld) -> Run | None:
    """The delivery the worker holds: its open one, or one that was not seen; None for what has ended meanwhile."""
    own = [run for run in folding.runs if run.worker in (fact.worker, None)]
    started = _started_then(own, fact)
    if started is not None:
        return started if _is_open(started, fact) else None
    open_ = [run for run in own if _is_open(run, fact)]
    # The next try may have been received since the worker was asked.
    open_ = [run for run in open_ if run.received_at is None or run.received_at <= fact.at] or open_
    if open_ and not _is_next(open_[-1], fact):
        open_[-1].worker = fact.worker
        return open_[-1]
    last = folding.last
    if last is None:
        return _implicit(folding, fact)
    if open_:
        return _implicit(folding, fact) if open_[-1] is last else None
    if last.state is None:
        # Two workers say that they have it: the one that was heard of last is right (the broker gave it to another).
        return _implicit(folding, fact) if fact.at > last.seen_at + SLACK_SECONDS else None
    since = fact.started_at if fact.started_at is not None else fact.at
    again = last.state in COMES_AGAIN or fact.started_at is not None
    return _implicit(folding, fact) if again and since > (last.ended_at or last.seen_at) + _margin(fact) else None


def _is_open(run: Run, fact: TaskHeld) -> bool:
    return run.state is None or (run.inferred and fact.at > run.seen_at)


def _started_then(runs: list[Run], fact: TaskHeld) -> Run | None:
    """The delivery that is known to have been started when the worker says, as far as clocks agree."""
    at = fact.started_at
    if at is None:
        return None
    near = [
        run
        for run in runs
        if run.started_at is not None
        and abs(run.started_at - at) <= SLACK_SECONDS
        and (run.ended_at is None or at < run.ended_at)
    ]
    return min(near, key=lambda run: abs((run.started_at or 0.0) - at), default=None)


def _is_next(run: Run, fact: TaskHeld) -> bool:
    """Whether it says of a later delivery to the same worker, the end of the open one not having been seen."""
    if fact.retries is not None and fact.retries != run.retries:
        return fact.retries > run.retries
    both = fact.started_at is not None and run.started_at is not None
    return both and (fact.started_at or 0.0) > (run.started_at or 0.0) + SLACK_SECONDS


def _margin(fact: TaskHeld) -> float:
    return 0.0 if fact.started_at is not None else SLACK_SECONDS


def _implicit(folding: Folding, fact: TaskHeld) -> Run:
    last = folding.last
    known = 0 if last is None else last.retries + last.retried
    run = Run(worker=fact.worker, pid=fact.pid, name=folding.name, seen_at=fact.at)
    run.retries = fact.retries if fact.retries is not None else known
    send = next((send for send in folding.sends if not send.taken and send.retries == run.retries), None)
    if send is not None:
        send.taken = True
        run.queued_at, run.eta_at, run.expires_at = send.at, send.eta_at, send.expires_at
    folding.runs.append(run)
    return run


def _reopen(run: Run) -> None:
    run.state = run.detail = run.uncertain = run.ended_at = None
    run.inferred = False


# ----------------------------------------------------------------------------------------------------------- queued


def _queued(folding: Folding, fact: TaskQueued) -> None:
    _fill(folding, fact)
    folding.group_id = folding.group_id or fact.group_id
    if fact.trace_id is not None:
        folding.trace_id, folding.span_id = fact.trace_id, fact.span_id
    folding.root_id = folding.root_id or fact.root_id
    if folding.parent_id is None and fact.parent_id != fact.id:
        folding.parent_id = fact.parent_id
    folding.seen_at = max(folding.seen_at, fact.at)
    run = folding.last
    if run is None:
        _waits(folding, fact)
    elif not fact.unacked and fact.at > run.seen_at + SLACK_SECONDS and (run.state is None or run.inferred):
        folding.requeued = fact.at


def _waits(folding: Folding, fact: TaskQueued) -> None:
    if folding.sends:
        return
    folding.waiting_eta = fact.eta_at
    if fact.unacked and fact.eta_at is None:
        folding.waiting_state = (State.RESERVED, None)
    elif fact.retries:
        folding.waiting_state = (State.RETRYING, None)
    else:
        folding.waiting_state = (State.QUEUED if fact.eta_at is None else State.SCHEDULED, None)


# ------------------------------------------------------------------------------------------------------- inferences


def fold_inferences(folding: Folding, facts: list[Fact]) -> None:
    """Apply what was concluded from absence, wherever no later fact says otherwise."""
    deaths = [fact for fact in facts if isinstance(fact, WorkerDied)]
    for death in sorted(deaths, key=lambda death: death.at):
        _died(folding, death)
    for fact in facts:
        if isinstance(fact, TaskRedelivered):
            _redelivered(folding, fact)
    for fact in facts:
        if isinstance(fact, TaskMissing):
            _missing(folding, fact)


def _died(folding: Folding, fact: WorkerDied) -> None:
    for run in folding.runs:
        if run.state is not None or run.worker != fact.worker or run.seen_at > fact.at:
            continue
        if fact.pid is not None and run.pid is not None and run.pid != fact.pid:
            continue
        _conclude(run, State.LOST, fact.at, "worker_lost")
        if fact.clean and not run.is_started and folding.last is run:
            _conclude(run, State.QUEUED, None, REDELIVERY)


def _conclude(run: Run, state: State, at: float | None, detail: str, uncertain: str | None = None) -> None:
    run.state, run.ended_at, run.detail, run.uncertain, run.inferred = state, at, detail, uncertain, True


def _redelivered(folding: Folding, fact: TaskRedelivered) -> None:
    run = folding.last
    if run is None or (run.state is not None and not run.inferred) or run.seen_at > fact.at:
        return
    _conclude(run, State.RETRYING if run.is_started else State.QUEUED, None, REDELIVERY)


def _missing(folding: Folding, fact: TaskMissing) -> None:
    """Neither waiting nor held, and no outcome: purged, ignored by its task, or ended unseen."""
    run = folding.last
    if (folding.requeued or 0.0) > fact.at:
        return
    if run is None:
        latest = max((send.at or 0.0 for send in folding.sends), default=0.0)
        if latest > fact.at:
            return
        run = Run(name=folding.name, retries=folding.retries, delivered=False)
        if folding.sends:
            run.queued_at, run.expires_at = folding.sends[-1].at, folding.sends[-1].expires_at
        folding.runs.append(run)
    elif run.seen_at > fact.at or (run.state is not None and run.state is not State.RETRYING and run.state is not State.QUEUED):
        return
    _conclude(run, State.REVOKED, fact.at, EXPIRED if _had_expired(run, fact.at) else NO_OUTCOME, fact.reason)
    folding.requeued = None


def _had_expired(run: Run, at: float) -> bool:
    """RabbitMQ drops an expired message itself (its TTL: kombu.Producer.publish, `expiration`), and no worker says so."""
    return not run.is_started and run.expires_at is not None and run.expires_at <= at

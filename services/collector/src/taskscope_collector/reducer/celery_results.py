"""What Celery's result backend says, laid over the deliveries that the events tell of.

A result names no delivery, and is stored (or published) before the worker's event says the same, so it is matched by its
time and status: it fills in what the events did not say, and ends a delivery whose end they have not told (yet).
"""

from taskscope_shared.model import Progress, State

from taskscope_collector.observations import TaskResult
from taskscope_collector.reducer.order import FINAL
from taskscope_collector.reducer.runs import COMES_AGAIN, SLACK_SECONDS, Folding, Run

STATE_OF = {
    "SUCCESS": State.SUCCEEDED,
    "FAILURE": State.FAILED,
    "RETRY": State.RETRYING,
    "REVOKED": State.REVOKED,
    "REJECTED": State.REJECTED,
}
_SAME_END_SECONDS = 2.0
"""How far the times of a delivery's end may be apart in an event and in the result."""


def fold_results(folding: Folding, results: list[TaskResult]) -> None:
    """Apply results: those that say that it runs, then those that end it, each by time."""
    results.sort(key=lambda result: (result.at, result.status))
    for result in results:
        if result.status not in FINAL:
            _running(folding, result)
    for result in results:
        _fill_task(folding, result)
        if result.status in FINAL:
            _ended(folding, result)


def _fill_task(folding: Folding, result: TaskResult) -> None:
    folding.group_id = folding.group_id or result.group_id
    folding.name = folding.name or result.name
    folding.args = folding.args if folding.args is not None else result.args
    folding.kwargs = folding.kwargs if folding.kwargs is not None else result.kwargs
    folding.queue = folding.queue or result.queue
    folding.children = result.children or folding.children
    folding.retries = max(folding.retries, result.retries or 0)
    if folding.parent_id is None and result.parent_id != result.id:
        folding.parent_id = result.parent_id


def _running(folding: Folding, result: TaskResult) -> None:
    run = folding.last
    if run is None or (run.state in COMES_AGAIN and result.at > (run.ended_at or 0.0) + SLACK_SECONDS):
        run = _implicit(folding, result)
    if run.inferred and result.at > run.seen_at:
        run.state = run.detail = run.uncertain = run.ended_at = None
        run.inferred = False
    run.worker = run.worker or result.worker
    if run.state is None:
        _start(run, result)
    folding.progress = _progress(run, result) or folding.progress


def _start(run: Run, result: TaskResult) -> None:
    # What an earlier delivery stored last may be seen after the next one was received.
    if not run.is_started and result.at >= (run.received_at or 0.0) - SLACK_SECONDS and _is_of(run, result):
        run.running = True
        run.started_at = result.at if result.status == "STARTED" else None
    run.seen_at = max(run.seen_at, result.at)


def _is_of(run: Run, result: TaskResult) -> bool:
    if result.worker and run.worker and result.worker != run.worker:
        return False
    return result.retries == run.retries if result.retries is not None else not run.retries or result.at >= run.seen_at


def _progress(run: Run, result: TaskResult) -> Progress | None:
    if result.progress is None or result.at < (run.began_at or 0.0) - SLACK_SECONDS:
        return None
    progress = result.progress
    return progress if progress.at is not None else Progress(*_values(progress), result.at)


def _values(progress: Progress) -> tuple[float | None, float | None, float | None, str | None]:
    return progress.current, progress.total, progress.percent, progress.message


def _implicit(folding: Folding, result: TaskResult) -> Run:
    """A delivery that only its result tells of. Without a worker it may have been ended before any had it (revoked)."""
    last = folding.last
    retries = 0 if last is None else last.retries + last.retried
    run = Run(worker=result.worker, retries=max(retries, result.retries or 0), name=folding.name, seen_at=result.at)
    run.delivered = result.status != "REVOKED" or result.worker is not None
    send = next((send for send in folding.sends if not send.taken and send.retries == run.retries), None)
    if send is not None:
        send.taken = True
        run.queued_at, run.eta_at, run.expires_at = send.at, send.eta_at, send.expires_at
    folding.runs.append(run)
    return run


def _ended(folding: Folding, result: TaskResult) -> None:
    state = STATE_OF[result.status]
    known = _with_same_end(folding, state, result)
    run = known or _to_end(folding, result) or _not_seen(folding, result)
    if run is None:
        return
    if known is None:
        run.state, run.ended_at = state, result.at
        run.detail = run.uncertain = None
        run.detail = "revoked" if state is State.REVOKED else "rejected" if state is State.REJECTED else None
        run.inferred, run.retried = False, state is State.RETRYING
        run.seen_at = max(run.seen_at, result.at)
    _fill_run(run, result)


def _fill_run(run: Run, result: TaskResult) -> None:
    run.worker = run.worker or result.worker
    if run.result is None and run.state is State.SUCCEEDED:
        run.result = result.result
    if run.state in (State.FAILED, State.RETRYING):
        run.exception_type = run.exception_type or result.exception_type
        run.exception = run.exception if run.exception is not None else result.exception
        run.traceback = run.traceback if run.traceback is not None else result.traceback


def _with_same_end(folding: Folding, state: State, result: TaskResult) -> Run | None:
    same = [
        run
        for run in folding.runs
        if run.state is state and not run.inferred and abs((run.ended_at or 0.0) - result.at) <= _SAME_END_SECONDS
    ]
    return min(same, key=lambda run: abs((run.ended_at or 0.0) - result.at), default=None)


def _to_end(folding: Folding, result: TaskResult) -> Run | None:
    """The open delivery that the result may end: the earliest for a retry, else the latest that began before it."""
    open_ = [run for run in folding.runs if (run.state is None or run.inferred) and _began_before(run, result)]
    if result.retries is not None:
        open_ = [run for run in open_ if run.retries == result.retries] or open_
    if not open_:
        return None
    return open_[0] if result.status == "RETRY" else open_[-1]


def _began_before(run: Run, result: TaskResult) -> bool:
    if result.status == "REVOKED" and not run.is_started:
        return True  # stored when it was asked for, before any worker has the task
    return (run.began_at if run.began_at is not None else run.seen_at) <= result.at + SLACK_SECONDS


def _not_seen(folding: Folding, result: TaskResult) -> Run | None:
    last = folding.last
    if last is None:
        return _implicit(folding, result)
    after = result.at > (last.ended_at or last.seen_at) + SLACK_SECONDS
    return _implicit(folding, result) if last.state in COMES_AGAIN and after else None

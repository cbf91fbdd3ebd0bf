"""Celery's events, in canonical order, to deliveries.

`started`, `retried`, `succeeded` and the like name neither the try nor the delivery, only the worker: whom they belong to
follows from what is open there. What Celery is known to do on the way is said where it is handled.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from taskscope_shared.model import State

from taskscope_collector.observations import TaskEvent
from taskscope_collector.reducer.exceptions import parse
from taskscope_collector.reducer.runs import COMES_AGAIN, EXPIRED, SLACK_SECONDS, Folding, Run, Send


def epoch_seconds(iso: str | None) -> float | None:
    """An ISO 8601 time (Celery's eta and expires; without an offset it is UTC) as epoch seconds, None if it is none."""
    if not iso:
        return None
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def fold_events(folding: Folding, events: Sequence[TaskEvent]) -> None:
    """Apply events that are in canonical order."""
    for event in events:
        handler = HANDLERS.get(event.type)
        if handler is not None:
            handler(folding, event)


def describe(folding: Folding, event: TaskEvent) -> None:
    """What sent and received say of the task itself; the latest try decides: `replace()` changes the name."""
    folding.name = event.name or folding.name
    folding.args = event.args if event.args is not None else folding.args
    folding.kwargs = event.kwargs if event.kwargs is not None else folding.kwargs
    folding.root_id = event.root_id or folding.root_id
    if event.parent_id and event.parent_id != event.uuid:  # a retry and replace() name the task as its own parent
        folding.parent_id = event.parent_id
    folding.retries = max(folding.retries, event.retries or 0)


def _sent(folding: Folding, event: TaskEvent) -> None:
    describe(folding, event)
    folding.queue = event.queue or folding.queue
    eta, expires = epoch_seconds(event.eta), epoch_seconds(event.expires)
    send = Send(event.at, event.retries or 0, event.queue, eta, expires)
    folding.sends.append(send)
    run = next((run for run in folding.runs if run.retries == send.retries and run.queued_at is None), None)
    if run is not None and not _came_back(folding, run):  # received before it was said to be sent
        _take(run, send)


def _came_back(folding: Folding, run: Run) -> bool:
    """Whether the delivery is not the first of its message: nobody says when a message came back into its queue."""
    index = folding.runs.index(run)
    return any(before.retries == run.retries and before.name == run.name for before in folding.runs[:index])


def _take(run: Run, send: Send) -> None:
    send.taken = True
    run.queued_at = send.at
    run.eta_at = run.eta_at if run.eta_at is not None else send.eta_at
    run.expires_at = run.expires_at if run.expires_at is not None else send.expires_at


def _received(folding: Folding, event: TaskEvent) -> None:
    describe(folding, event)
    run = Run(
        worker=event.hostname or None,
        pid=event.pid or None,
        clock=event.clock,
        retries=event.retries or 0,
        name=event.name,
        received_at=event.at,
        eta_at=epoch_seconds(event.eta),
        expires_at=epoch_seconds(event.expires),
        seen_at=event.at,
    )
    _place(folding, run, event.at)
    _find_send(folding, run)


def _place(folding: Folding, run: Run, at: float) -> None:
    """Behind the others, but before later tries that another worker's clock puts a little too early."""
    index = len(folding.runs)
    while index and _is_later_try(folding.runs[index - 1], run, at):
        index -= 1
    folding.runs.insert(index, run)


def _is_later_try(other: Run, run: Run, at: float) -> bool:
    return (
        other.retries > run.retries
        and other.name == run.name
        and other.worker != run.worker
        and at - (other.began_at or 0.0) < SLACK_SECONDS
    )


def _find_send(folding: Folding, run: Run) -> None:
    for send in folding.sends:
        if not send.taken and send.retries == run.retries:
            _take(run, send)
            return
    requeued = [before for before in folding.runs if before is not run and before.detail == "requeued"]
    if requeued and requeued[-1].retries == run.retries:
        run.queued_at = requeued[-1].ended_at


def _of_worker(folding: Folding, event: TaskEvent) -> Iterator[Run]:
    """The deliveries to the worker process of an event, latest first; one of a later clock was to an earlier life of it."""
    for run in reversed(folding.runs):
        if run.worker != (event.hostname or None) or (event.clock and event.clock < run.clock):
            continue
        if run.pid is None or not event.pid or run.pid == event.pid:
            yield run


def _implicit(folding: Folding, event: TaskEvent) -> Run:
    """A delivery whose beginning was not seen."""
    last = folding.last
    retries = 0 if last is None else last.retries + last.retried
    run = Run(
        worker=event.hostname or None,
        pid=event.pid or None,
        clock=event.clock,
        retries=max(retries, event.retries or 0),
        name=folding.name,
        seen_at=event.at,
    )
    folding.runs.append(run)
    _find_send(folding, run)
    return run


def _started(folding: Folding, event: TaskEvent) -> None:
    run = next((run for run in _of_worker(folding, event) if _may_start(run)), None) or _implicit(folding, event)
    if run.inferred:
        _reopen(run)
    run.started_at, run.running = event.at, True
    run.seen_at = max(run.seen_at, event.at)


def _may_start(run: Run) -> bool:
    return (run.state is None or run.inferred) and run.started_at is None


def _reopen(run: Run) -> None:
    run.state = run.detail = run.uncertain = run.ended_at = None
    run.inferred = False


def _open(folding: Folding, event: TaskEvent) -> list[Run]:
    """What an end may belong to, latest first: started ones if there are any."""
    candidates = [run for run in _of_worker(folding, event) if run.state is None or run.inferred]
    return [run for run in candidates if run.is_started] or candidates


def _end(folding: Folding, event: TaskEvent, state: State, *, oldest: bool = False) -> Run | None:
    """End the delivery that `event` is about; None when it repeats an end that is known.

    The oldest try for `retried`: the next one may have been received, and even have started, before. The latest try else
    (what `replace()` ended has no end of its own), and of several deliveries of the same message the one that came first.
    """
    open_ = _open(folding, event)
    if not open_ and not _unseen(folding, event):
        return None
    run = _choose(open_, oldest=oldest) if open_ else _implicit(folding, event)
    _reopen(run)
    run.state, run.ended_at = state, event.at
    run.seen_at = max(run.seen_at, event.at)
    return run


def _choose(open_: list[Run], *, oldest: bool) -> Run:
    if oldest:
        return open_[-1]
    latest = open_[0]
    return [run for run in open_ if (run.retries, run.name) == (latest.retries, latest.name)][-1]


def _unseen(folding: Folding, event: TaskEvent) -> bool:
    """Whether an end with nothing open at its worker is of a delivery that was not seen (else it is a repetition)."""
    run = next(_of_worker(folding, event), None)
    return run is None or (run.state in COMES_AGAIN and run is folding.last)


def _succeeded(folding: Folding, event: TaskEvent) -> None:
    run = _end(folding, event, State.SUCCEEDED)
    if run is not None:
        run.result, run.runtime = event.result, event.runtime


def _failed(folding: Folding, event: TaskEvent) -> None:
    run = _end(folding, event, State.FAILED)  # a hard time limit says it twice: the first stays
    if run is not None:
        _blame(run, event)


def _blame(run: Run, event: TaskEvent) -> None:
    run.exception_type, run.exception = parse(event.exception, event.traceback)
    run.traceback = event.traceback


def _retried(folding: Folding, event: TaskEvent) -> None:
    run = _end(folding, event, State.RETRYING, oldest=True)
    if run is not None:
        run.retried = True
        _blame(run, event)


def _rejected(folding: Folding, event: TaskEvent) -> None:
    run = _end(folding, event, State.RETRYING if event.requeue else State.REJECTED)
    if run is None and not event.requeue:
        run = _failed_by_rejection(folding, event)
    if run is not None:
        run.detail = "requeued" if event.requeue else "rejected"


def _failed_by_rejection(folding: Folding, event: TaskEvent) -> Run | None:
    """`Reject` without requeue is said to have failed first, and then to be rejected (seen on Celery 5.7, all pools)."""
    run = next(_of_worker(folding, event), None)
    if run is None or run.state is not State.FAILED or run.exception_type != "Reject":
        return None
    run.state = State.REJECTED
    return run


def _cancelled(folding: Folding, event: TaskEvent) -> None:
    run = _end(folding, event, State.RETRYING)
    if run is not None:
        run.detail = "worker_shutdown"


def _revoked(folding: Folding, event: TaskEvent) -> None:
    run = _end(folding, event, State.REVOKED)
    if run is not None:
        run.detail = EXPIRED if event.expired else "terminated" if event.terminated else "revoked"


HANDLERS: dict[str, Callable[[Folding, TaskEvent], None]] = {
    "task-sent": _sent,
    "task-received": _received,
    "task-started": _started,
    "task-succeeded": _succeeded,
    "task-failed": _failed,
    "task-retried": _retried,
    "task-rejected": _rejected,
    "task-cancelled": _cancelled,
    "task-revoked": _revoked,
}

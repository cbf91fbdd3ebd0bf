"""From what a fold gathered to the state that is shown."""

from taskscope_shared.model import FINISHED, State

from taskscope_collector.reducer.kinds import Kinds
from taskscope_collector.reducer.record import Draft
from taskscope_collector.reducer.runs import Folding, Run, Send, history_of, took, waited


def conclude(folding: Folding, draft: Draft, kinds: Kinds) -> None:
    """Write the folded state into `draft`, all of it but id, source, engine and version."""
    _write_task(folding, draft, kinds)
    run = folding.last
    if run is None:
        _write_waiting(folding, draft)
    else:
        _write_run(folding, run, draft)
    _requeue(folding, draft)
    draft.progress = folding.progress
    draft.updated_at = _updated(folding, draft)


def _write_task(folding: Folding, draft: Draft, kinds: Kinds) -> None:
    if folding.name is not None:
        draft.name, draft.kind = kinds.known(folding.name)
    draft.args, draft.kwargs, draft.queue = folding.args, folding.kwargs, folding.queue
    draft.root_id, draft.parent_id, draft.group_id = folding.root_id, folding.parent_id, folding.group_id
    draft.trace_id, draft.span_id = folding.trace_id, folding.span_id
    draft.children, draft.priority = folding.children, folding.priority
    draft.history = history_of(folding)
    draft.attempts = folding.first_number - 1 + len(folding.runs)
    if folding.runs and not folding.runs[-1].delivered:
        draft.attempts -= 1
    draft.retries = max(
        folding.retries,
        max((send.retries for send in folding.sends), default=0),
        max((run.retries + run.retried for run in folding.runs), default=0),
    )


def _write_waiting(folding: Folding, draft: Draft) -> None:
    send = folding.sends[-1] if folding.sends else None
    eta = send.eta_at if send else folding.waiting_eta
    draft.sent_at = send.at if send and send.at is not None else folding.created_at
    draft.eta_at, draft.expires_at = eta, send.expires_at if send else None
    draft.worker = draft.received_at = draft.started_at = draft.finished_at = None
    draft.wait_seconds = draft.runtime_seconds = None
    draft.result = draft.exception_type = draft.exception = draft.traceback = draft.uncertain = None
    draft.state, draft.detail = _waiting_state(folding, eta)


def _waiting_state(folding: Folding, eta: float | None) -> tuple[State, str | None]:
    if folding.waiting_state is not None:
        return folding.waiting_state
    if any(send.retries for send in folding.sends):
        return State.RETRYING, None
    return (State.QUEUED if eta is None else State.SCHEDULED), None


def _write_run(folding: Folding, run: Run, draft: Draft) -> None:
    send = _send_of(folding, run)
    draft.sent_at = run.queued_at if run.queued_at is not None else send.at if send else folding.created_at
    draft.eta_at = run.eta_at if run.eta_at is not None else send.eta_at if send else None
    draft.expires_at = run.expires_at if run.expires_at is not None else send.expires_at if send else None
    draft.worker, draft.received_at, draft.started_at, draft.finished_at = (
        run.worker,
        run.received_at,
        run.started_at,
        run.ended_at,
    )
    draft.wait_seconds = waited(run)
    draft.runtime_seconds = took(run) if run.state is not None else None
    draft.result, draft.exception_type, draft.exception = run.result, run.exception_type, run.exception
    draft.traceback, draft.uncertain, draft.detail = run.traceback, run.uncertain, run.detail
    draft.state = run.state if run.state is not None else _open_state(run, draft.eta_at)


def _send_of(folding: Folding, run: Run) -> Send | None:
    same = [send for send in folding.sends if send.retries == run.retries]
    return same[-1] if same else None


def _open_state(run: Run, eta: float | None) -> State:
    if run.is_started:
        return State.RUNNING
    if eta is not None and (run.received_at is None or eta > run.received_at):
        return State.RETRYING if run.retries else State.SCHEDULED
    return State.RESERVED


def _requeue(folding: Folding, draft: Draft) -> None:
    """A message that waits again: sent anew under the same id after the end, or seen in its queue after its delivery."""
    run = folding.last
    if run is None:
        return
    if folding.again is not None:
        _run_again(folding, draft, run)
        return
    anew = [send for send in folding.sends if not send.taken]
    if run.state in FINISHED and anew and not run.inferred and (anew[-1].at or 0.0) > (run.ended_at or 0.0):
        _wait_for(folding, draft, run, anew[-1])
        draft.state, draft.detail = (State.QUEUED if anew[-1].eta_at is None else State.SCHEDULED), None
    elif folding.requeued is not None and (run.state is None or run.inferred) and not run.is_started:
        draft.state, draft.detail, draft.uncertain = State.QUEUED, None, None
        draft.finished_at = None
    elif folding.requeued is not None and run.inferred:
        draft.state, draft.detail, draft.uncertain = State.RETRYING, None, None


def _run_again(folding: Folding, draft: Draft, run: Run) -> None:
    if folding.again is None:
        return
    state, detail, send = folding.again
    if run.state is State.RETRYING:  # what went wrong stays in sight until the next try
        draft.state, draft.detail, draft.eta_at = State.RETRYING, detail, send.eta_at
        return
    _wait_for(folding, draft, run, send)
    draft.state, draft.detail = state, detail


def _wait_for(folding: Folding, draft: Draft, run: Run, send: Send) -> None:
    draft.history = history_of(_with(folding, Run(retries=send.retries, name=run.name)))
    draft.sent_at, draft.eta_at, draft.expires_at = send.at, send.eta_at, send.expires_at
    draft.worker = draft.received_at = draft.started_at = draft.finished_at = None
    draft.wait_seconds = draft.runtime_seconds = None
    draft.result = draft.exception_type = draft.exception = draft.traceback = draft.uncertain = None


def _with(folding: Folding, run: Run) -> Folding:
    extended = Folding(None)
    extended.past, extended.first_number = folding.past, folding.first_number
    extended.runs = [*folding.runs, run]
    return extended


def _updated(folding: Folding, draft: Draft) -> float:
    """The latest of what happened: a function of the state, not of when it was learned."""
    times = (
        draft.sent_at,
        draft.received_at,
        draft.started_at,
        draft.finished_at,
        draft.progress.at if draft.progress else None,
        folding.requeued if draft.state in (State.QUEUED, State.RETRYING) else None,  # else it came to nothing
        folding.runs[-2].ended_at if len(folding.runs) > 1 else None,
        folding.last.ended_at if folding.last else None,
    )
    known = [moment for moment in times if moment is not None]
    if known:
        return max(known)
    return max(folding.seen_at, folding.last.seen_at if folding.last else 0.0)  # it was seen, that is all

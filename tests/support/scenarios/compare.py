"""Compares a task as Taskscope shows it with its row and its ledger; every difference is said at once."""

from collections.abc import Iterator

from support.scenarios.expected import ANY, Row
from support.scenarios.matrix import Outcome
from taskscope_collector.reducer.record import Draft

TIME_SECONDS = 0.6
"""Between a worker's event and the task's own first and last lines."""
WAIT_SECONDS = 1.0
"""The moment of sending is the producer's, before it connects and publishes."""
RETRY_COUNTDOWN = 0.5


def differences(outcome: Outcome, label: str, row: Row) -> list[str]:
    """What is not as it should be: `field: is ..., should be ...`."""
    draft = outcome.tasks.get(outcome.sent[label].id)
    if draft is None:
        return ["the task is not known at all"]
    pairs = [*_said(outcome, draft, row), *_related(outcome, draft, row)]
    found = [f"{field}: is {is_!r}, should be {should!r}" for field, is_, should in pairs if is_ != should and should != ANY]
    return found + list(_texts(draft, row)) + list(_times(outcome, label, draft, row)) + list(_passed(outcome, label, row))


def _said(outcome: Outcome, draft: Draft, row: Row) -> Iterator[tuple[str, object, object]]:
    yield "state", draft.state, row.state
    yield "detail", draft.detail, row.detail
    yield "attempts", draft.attempts, ANY if row.attempts is None else row.attempts
    yield "retries", draft.retries, row.retries
    yield "worker", draft.worker, ANY if row.worker == ANY else f"{row.worker}@{outcome.pool}"
    yield "queue", draft.queue, row.queue
    yield "uncertain", draft.uncertain is not None, row.uncertain
    yield "history", tuple(attempt.state for attempt in draft.history), ANY if row.attempts is None else row.history
    yield "name", draft.name, row.name or draft.name or "scenario.something"
    if row.exception_type or draft.state == row.state == "succeeded":
        yield "exception type", draft.exception_type, row.exception_type
    if row.progress:
        progress = draft.progress and (draft.progress.current, draft.progress.total, draft.progress.message)
        yield "progress", progress, row.progress
    if row.result is not None:
        yield "result", draft.result, row.result


def _related(outcome: Outcome, draft: Draft, row: Row) -> Iterator[tuple[str, object, object]]:
    if row.root:
        yield "root", draft.root_id, _id(outcome, row.root)
    if row.group:
        yield "group", draft.group_id, _id(outcome, row.group)
    yield "parent", draft.parent_id, _id(outcome, row.parent) if row.parent else None


def _id(outcome: Outcome, label: str) -> str:
    return outcome.sent[_label(outcome, label)].id


def _label(outcome: Outcome, label: str) -> str:
    """`last of chord`: the header task that ended last."""
    if label != "last of chord":
        return label
    return max(("chord/0", "chord/1"), key=lambda header: outcome.entries[header][-1].at)


def _texts(draft: Draft, row: Row) -> Iterator[str]:
    for field, is_, part in (("exception", draft.exception, row.exception), ("traceback", draft.traceback, row.traceback)):
        if part and part not in (is_ or ""):
            yield f"{field}: is {is_!r}, should have {part!r}"


def _passed(outcome: Outcome, label: str, row: Row) -> Iterator[str]:
    moments = outcome.moments[outcome.sent[label].id]
    for state in row.passed:
        if state not in [moment.state for moment in moments]:
            yield f"it was never {state}: {[moment.state.value for moment in moments]}"
    if row.progress and not any(moment.percent == 50 for moment in moments):
        yield f"half of its progress was never shown: {[moment.percent for moment in moments]}"


def _times(outcome: Outcome, label: str, draft: Draft, row: Row) -> Iterator[str]:
    starts = [entry.at for entry in outcome.entries[label] if entry.what == "start"]
    ends = [entry.at for entry in outcome.entries[label] if entry.what == "end"]
    sent = outcome.sent[label]
    if row.eta and sent.eta_at is not None:
        yield from _near("eta", draft.eta_at, sent.eta_at, TIME_SECONDS)
    if row.times == "ledger":
        yield from _near("started", draft.started_at, starts[-1], TIME_SECONDS)
        yield from _near("finished", draft.finished_at, ends[-1], TIME_SECONDS)
        yield from _near("runtime", draft.runtime_seconds, ends[-1] - starts[-1], TIME_SECONDS)
        yield from _wait(outcome, label, draft, row)
    elif row.times == "no end":
        yield from _near("started", draft.started_at, starts[-1], TIME_SECONDS)
        if row.state != "failed" and draft.runtime_seconds is not None:
            yield f"runtime: is {draft.runtime_seconds}, though nobody saw its end"
    elif row.times == "never ran" and (draft.started_at, draft.runtime_seconds, draft.wait_seconds) != (None, None, None):
        yield f"it never ran, but has {draft.started_at=} {draft.runtime_seconds=} {draft.wait_seconds=}"


def _wait(outcome: Outcome, label: str, draft: Draft, row: Row) -> Iterator[str]:
    if row.wait == "unknown" or ((row.attempts or 0) > row.retries + 1 and row.sent_after is None):
        return  # delivered again: nobody says when the message came back
    start = [entry.at for entry in outcome.entries[label] if entry.what == "start"][-1]
    yield from _near("wait", draft.wait_seconds, start - _ready_at(outcome, label, row), WAIT_SECONDS)


def _ready_at(outcome: Outcome, label: str, row: Row) -> float:
    """When the last delivery could have been started at the earliest."""
    ends = [entry.at for entry in outcome.entries[label] if entry.what == "end"]
    sent = outcome.sent[label]
    if row.retries:
        return ends[-2] + RETRY_COUNTDOWN
    if row.sent_after == "itself":
        return ends[-2]
    if row.sent_after:
        return outcome.entries[_label(outcome, row.sent_after)][-1].at
    return max(sent.sent_at, sent.eta_at or 0.0)


def _near(field: str, is_: float | None, should: float, tolerance: float) -> Iterator[str]:
    if is_ is None:
        yield f"{field}: is unknown, should be {should:.3f}"
    elif abs(is_ - should) > tolerance:
        yield f"{field}: is {is_:.3f}, should be {should:.3f} (within {tolerance} s)"

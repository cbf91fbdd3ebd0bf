"""Compares a task as Taskscope shows it with its row and its ledger; every difference is said at once."""

from collections.abc import Iterator

from support.scenarios.app import RETRY_SECONDS
from support.scenarios.expected import NOBODY, Row
from support.scenarios.matrix import Outcome
from taskscope_collector.reducer.record import Draft

TIME_SECONDS = 0.6
"""Between a worker's event and the task's own first and last lines, on a machine that is not crowded."""
CUT_SECONDS = 3.9
"""A task that was cut short ended before that, which it would have taken."""


def differences(outcome: Outcome, label: str, row: Row) -> list[str]:
    """What is not as it should be: `field: is ..., should be ...`."""
    draft = outcome.tasks.get(outcome.sent[label].id)
    if draft is None:
        return ["the task is not known at all"]
    pairs = [*_said(outcome, draft, row), *_related(outcome, draft, row)]
    found = [f"{field}: is {is_!r}, should be {should!r}" for field, is_, should in pairs if is_ != should]
    found += [*_texts(draft, row), *_times(outcome, label, draft, row), *_past(outcome, label, draft, row)]
    return found + list(_passed(outcome, label, row))


def fields(outcome: Outcome, label: str, row: Row) -> dict[str, object]:
    """What `support.permute` compares in every order: values, or functions of one."""
    said: dict[str, object] = {
        "state": row.state,
        "detail": row.detail,
        "attempts": row.attempts,
        "retries": row.retries,
        "worker": None if row.worker == NOBODY else f"{row.worker}@{outcome.pool}",
        "queue": row.queue,
        "history": lambda history: tuple(attempt.state for attempt in history) == row.history,
    }
    if row.exception_type:
        said["exception_type"] = row.exception_type
    said["uncertain"] = lambda uncertain: (uncertain is not None) == row.uncertain
    if row.times == "ledger":
        start, end = _at(outcome, label, "start")[-1], _at(outcome, label, "end")[-1]
        said["started_at"] = lambda value: not list(_near(outcome, "started", value, start))
        said["finished_at"] = lambda value: not list(_near(outcome, "finished", value, end))
        said["runtime_seconds"] = lambda value: not list(_near(outcome, "runtime", value, end - start))
        if row.wait == "ledger":
            said["wait_seconds"] = lambda value: not list(_waited(outcome, label, row, value))
    return said


def _said(outcome: Outcome, draft: Draft, row: Row) -> Iterator[tuple[str, object, object]]:
    yield "state", draft.state, row.state
    yield "detail", draft.detail, row.detail
    yield "attempts", draft.attempts, row.attempts
    yield "retries", draft.retries, row.retries
    yield "worker", draft.worker, None if row.worker == NOBODY else f"{row.worker}@{outcome.pool}"
    yield "queue", draft.queue, row.queue
    yield "uncertain", draft.uncertain is not None, row.uncertain
    yield "history", tuple(attempt.state for attempt in draft.history), row.history
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
    starts = _at(outcome, label, "start")
    ends = _at(outcome, label, "end")
    sent = outcome.sent[label]
    if row.eta and sent.eta_at is not None:
        yield from _near(outcome, "eta", draft.eta_at, sent.eta_at, sent.published_at - sent.sent_at)
    if row.times == "ledger":
        yield from _near(outcome, "started", draft.started_at, starts[-1])
        yield from _near(outcome, "finished", draft.finished_at, ends[-1])
        yield from _near(outcome, "runtime", draft.runtime_seconds, ends[-1] - starts[-1])
        if row.wait == "ledger":
            yield from _waited(outcome, label, row, draft.wait_seconds)
    elif row.times in ("no end", "cut short"):
        yield from _near(outcome, "started", draft.started_at, starts[-1])
        yield from _cut_short(outcome, draft) if row.times == "cut short" else _endless(draft, row)
    elif row.times == "never ran" and (draft.started_at, draft.runtime_seconds, draft.wait_seconds) != (None, None, None):
        yield f"it never ran, but has {draft.started_at=} {draft.runtime_seconds=} {draft.wait_seconds=}"


def _waited(outcome: Outcome, label: str, row: Row, is_: float | None) -> Iterator[str]:
    earliest, latest = _ready(outcome, label, row)
    yield from _near(outcome, "wait", is_, _at(outcome, label, "start")[-1] - latest, latest - earliest)


def _past(outcome: Outcome, label: str, draft: Draft, row: Row) -> Iterator[str]:
    """What is wrong with the earlier deliveries: each started, and those that did not die ended, as the ledger says."""
    starts = [entry for entry in outcome.entries[label] if entry.what == "start"]
    ends = _at(outcome, label, "end")
    for attempt, start in zip(draft.history, starts, strict=False):
        what = f"attempt {attempt.number}:"
        if attempt.worker != start.worker:
            yield f"{what} worker is {attempt.worker!r}, should be {start.worker!r}"
        yield from _near(outcome, f"{what} started", attempt.started_at, start.at)
        if len(ends) == len(starts) and row.past == "ledger":
            ended = ends[attempt.number - 1]
            yield from _near(outcome, f"{what} finished", attempt.finished_at, ended)
            yield from _near(outcome, f"{what} runtime", attempt.runtime_seconds, ended - start.at)


def _cut_short(outcome: Outcome, draft: Draft) -> Iterator[str]:
    yield from _near(outcome, "runtime", draft.runtime_seconds, CUT_SECONDS / 2, CUT_SECONDS / 2)


def _endless(draft: Draft, row: Row) -> Iterator[str]:
    if row.state != "failed" and draft.runtime_seconds is not None:
        yield f"runtime: is {draft.runtime_seconds}, though nobody saw its end"


def _at(outcome: Outcome, label: str, what: str) -> list[float]:
    return [entry.at for entry in outcome.entries[label] if entry.what == what]


def _ready(outcome: Outcome, label: str, row: Row) -> tuple[float, float]:
    """Between which moments the last delivery was there to be started."""
    ends = _at(outcome, label, "end")
    sent = outcome.sent[label]
    if row.retries:
        return ends[-2] + RETRY_SECONDS, ends[-2] + RETRY_SECONDS
    if row.sent_after == "itself":
        return ends[-2], ends[-2]
    if row.sent_after:
        ended = _at(outcome, _label(outcome, row.sent_after), "end")[-1]
        return ended, ended
    return max(sent.sent_at, sent.eta_at or 0.0), max(sent.published_at, sent.eta_at or 0.0)


def _near(outcome: Outcome, field: str, is_: float | None, should: float, more: float = 0.0) -> Iterator[str]:
    """`more`: how much more it may be than it should, or less, beyond what is always granted."""
    granted = TIME_SECONDS * outcome.crowding + more
    if is_ is None:
        yield f"{field}: is unknown, should be {should:.3f}"
    elif abs(is_ - should) > granted:
        yield f"{field}: is {is_:.3f}, should be {should:.3f} (within {granted:.1f} s)"

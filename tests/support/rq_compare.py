"""A job as it is shown, beside its row and its ledger."""

from collections.abc import Callable
from functools import partial

from support.rq_scenarios import Case, Drive
from taskscope_collector.reducer.record import Draft
from taskscope_shared.model import State

TIME_SECONDS = 0.8
"""Between a job's own first and last lines and RQ's times, on a busy machine."""
Check = Callable[[float | None], list[str]]
"""What is wrong with a time."""


def differences(drive: Drive, case: Case, draft: Draft | None, states: list[State]) -> list[str]:
    """What is not as it should be: `field: is ..., should be ...`."""
    if draft is None:
        return ["the job is not known at all"]
    row, entries = case.row, drive.ledger(case.id)
    worker = entries[-1][2] if entries and row.worker == "ledger" else row.worker
    shown = draft.progress and (draft.progress.current, draft.progress.total, draft.progress.message)
    pairs = [
        ("state", draft.state, row.state),
        ("detail", draft.detail, row.detail),
        ("attempts", draft.attempts, row.attempts),
        ("retries", draft.retries, row.retries),
        ("queue", draft.queue, row.queue),
        ("worker", draft.worker, worker),
        ("name", draft.name, row.name),
        ("uncertain", draft.uncertain, None),
        ("exception type", draft.exception_type, row.exception_type),
        ("result", draft.result, row.result),
        ("history", tuple(attempt.state for attempt in draft.history), row.history),
        ("progress", shown, row.progress),
    ]
    found = [f"{name}: is {is_!r}, should be {should!r}" for name, is_, should in pairs if is_ != should]
    texts = (("exception", draft.exception, row.exception), ("traceback", draft.traceback, row.traceback))
    found += [f"{name}: is {is_!r}, should have {part!r}" for name, is_, part in texts if part and part not in (is_ or "")]
    found += [f"never {state}: {states}" for state in row.passed if state not in states]
    found += _past(entries, draft)
    return found + [difference for name, check in _times(entries, case).items() for difference in check(getattr(draft, name))]


def expected_fields(drive: Drive, case: Case) -> dict[str, object]:
    """The row as fields of a task, for `permute.assert_same_state_in_any_order`."""
    row, entries = case.row, drive.ledger(case.id)
    worker = entries[-1][2] if entries and row.worker == "ledger" else row.worker
    return {
        "state": row.state,
        "detail": row.detail,
        "attempts": row.attempts,
        "retries": row.retries,
        "queue": row.queue,
        "worker": worker,
        "name": row.name,
        "exception_type": row.exception_type,
        "result": row.result,
        "uncertain": None,
        "history": lambda history: tuple(attempt.state for attempt in history) == row.history,
        **{name: partial(_holds, check) for name, check in _times(entries, case).items()},
    }


def _holds(check: Check, value: float | None) -> bool:
    return check(value) == []


def _times(entries: list[tuple[str, float, str]], case: Case) -> dict[str, Check]:
    """Field -> what is wrong with a value of it, by the job's ledger and by when RQ says that it put the job into its queue."""
    row = case.row
    if row.times == "never ran":
        return dict.fromkeys(("started_at", "runtime_seconds", "wait_seconds"), _is_null)
    starts = [at for what, at, _ in entries if what == "start"]
    ends = [at for what, at, _ in entries if what == "end"]
    assert case.ready_at is not None
    wanted = {"started_at": starts[-1], "sent_at": case.ready_at, "wait_seconds": starts[-1] - case.ready_at}
    if row.times == "ledger":
        wanted |= {"finished_at": ends[-1]} | ({"runtime_seconds": ends[-1] - starts[-1]} if row.runtime else {})
    checks: dict[str, Check] = {name: partial(_near, name, should) for name, should in wanted.items()}
    return checks | ({"runtime_seconds": _is_null} if row.times == "lost" else {})


def _past(entries: list[tuple[str, float, str]], draft: Draft) -> list[str]:
    """What is wrong with what is said of earlier runs. One that came and went between two readings leaves little."""
    found = []
    starts = [entry for entry in entries if entry[0] == "start"]
    for attempt, (_, started, worker) in zip(draft.history, starts, strict=False):
        found += [f"attempt {attempt.number}: worker {attempt.worker}"] if attempt.worker not in (None, worker) else []
        found += [] if attempt.started_at is None else _near(f"attempt {attempt.number}", started, attempt.started_at)
    return found


def _near(name: str, should: float, is_: float | None) -> list[str]:
    if is_ is None:
        return [f"{name}: is unknown, should be {should:.3f}"]
    return [f"{name}: is {is_:.3f}, should be {should:.3f}"] if abs(is_ - should) > TIME_SECONDS else []


def _is_null(is_: float | None) -> list[str]:
    return [] if is_ is None else [f"a time is {is_}, though nobody could see it"]

"""Which readings of an RQ job are the same run of it, when starts are written twice and retries come at once."""

from typing import Any

import msgspec
from support.permute import assert_same_state_in_any_order
from support.reducing import T0, draft, job, reducer
from taskscope_collector.observations import Observation
from taskscope_shared.model import Engine, State, Task

QUEUED: dict[str, Any] = {"created_at": 0.9, "enqueued_at": 1.0}
# The worker writes started_at, and the work-horse, which takes its time on a busy machine, writes it again.
STARTED: dict[str, Any] = QUEUED | {"started_at": 2.0, "worker": "w"}
FINISHED: dict[str, Any] = QUEUED | {
    "started_at": 6.0,
    "ended_at": 9.0,
    "worker": "w",
    "result_type": 1,
    "result_started_at": 1.99,
    "result_ended_at": 9.0,
    "execution_id": "e1",
}


def test_a_start_that_is_written_again_seconds_later_is_the_same_run() -> None:
    readings: list[Observation] = [job("started", 2.1, **STARTED), job("finished", 9.1, **FINISHED)]
    assert_same_state_in_any_order(readings, {"state": State.SUCCEEDED, "attempts": 1, "history": ()}, engine=Engine.RQ)


def test_a_settled_job_that_is_read_again_after_a_restart_is_the_same_run() -> None:
    before = reducer(Engine.RQ)
    before.apply(job("started", 2.1, **STARTED))
    before.apply(job("finished", 9.1, **FINISHED))
    stored = msgspec.convert(msgspec.to_builtins(draft(before, "j")), Task)
    after = reducer(Engine.RQ)
    after.load([stored], [], [])
    after.apply(job("finished", 500.0, **FINISHED))
    assert (draft(after, "j").state, draft(after, "j").attempts, draft(after, "j").history) == (State.SUCCEEDED, 1, ())


def test_retries_that_come_too_fast_to_be_seen_waiting_are_retries_and_no_losses() -> None:
    def run(number: int) -> dict[str, Any]:
        return STARTED | {"started_at": 2.0 + number, "execution_id": f"e{number}", "retries_left": 3 - number}

    last = run(2) | {"ended_at": 5.0, "result_type": 1}
    readings: list[Observation] = [*(job("started", 2.1 + n, **run(n)) for n in range(3)), job("finished", 5.1, **last)]
    expected = {
        "state": State.SUCCEEDED,
        "attempts": 3,
        "retries": 2,
        "history": lambda history: [attempt.state for attempt in history] == [State.RETRYING] * 2,
    }
    assert_same_state_in_any_order(readings, expected, engine=Engine.RQ)


def test_a_failed_run_whose_start_was_written_again_late_is_one_attempt() -> None:
    waiting = QUEUED | {"started_at": 6.0, "ended_at": 7.0, "worker": "w", "retries_left": 1, "run_at": 20.0}
    readings: list[Observation] = [
        job("started", 2.1, **STARTED, execution_id="e1", retries_left=2),
        job("scheduled", 7.1, **waiting),
    ]
    assert_same_state_in_any_order(readings, {"state": State.RETRYING, "attempts": 1, "retries": 1}, engine=Engine.RQ)


def test_a_retry_that_is_read_before_its_end_is_written_does_not_take_the_end_of_the_run_before() -> None:
    first = QUEUED | {"started_at": 2.0, "ended_at": 3.0, "worker": "w", "retries_left": 2}
    second = QUEUED | {"enqueued_at": 5.0, "started_at": 6.0, "ended_at": 3.0, "worker": "w2"}
    readings: list[Observation] = [
        job("started", 2.1, **STARTED, execution_id="e1", retries_left=3),
        job("scheduled", 3.1, **first, run_at=5.0),
        job("started", 6.1, **second, execution_id="e2", retries_left=2),
        job("scheduled", 7.1, **second, retries_left=2, run_at=9.0),  # as it was seen: the end comes a millisecond later
        job("scheduled", 7.2, **second | {"ended_at": 7.0}, retries_left=1, run_at=9.0),
        job("started", 10.1, **second | {"started_at": 10.0, "ended_at": 7.0}, execution_id="e3", retries_left=1),
    ]

    def right(history: Any) -> bool:
        return [(one.started_at, one.finished_at) for one in history] == [(T0 + 2, T0 + 3), (T0 + 6, T0 + 7)]

    expected = {"state": State.RUNNING, "attempts": 3, "retries": 2, "history": right}
    assert_same_state_in_any_order(readings, expected, engine=Engine.RQ)

"""How a Celery task ends, by what is known to come on the wire."""

import pytest
from support.permute import assert_same_state_in_any_order
from support.reducing import T0, W1, draft, event, held, iso, reducer, result, usual
from taskscope_collector.observations import Observation, TaskMissing
from taskscope_shared.model import State


def test_an_ignored_task_ends_without_outcome_and_says_that_it_is_not_certain() -> None:
    events = [*usual(), TaskMissing("t", T0 + 30, "held by no worker and in no queue")]
    expected = {"state": State.REVOKED, "detail": "no_outcome", "uncertain": "held by no worker and in no queue"}
    assert_same_state_in_any_order(events, expected)


@pytest.mark.parametrize("late", [event("succeeded", 29.0), event("succeeded", 31.0), result("SUCCESS", 29.0)])
def test_an_outcome_revises_that_a_task_was_missing_whatever_its_time(late: Observation) -> None:
    events = [*usual(), TaskMissing("t", T0 + 30, "nowhere"), late]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "detail": None, "uncertain": None})


def test_a_worker_that_holds_the_task_later_revises_that_it_was_missing() -> None:
    events = [*usual(), TaskMissing("t", T0 + 30, "nowhere"), held("active", 31.0, started_at=1.25)]
    assert_same_state_in_any_order(events, {"state": State.RUNNING, "finished_at": None})


def test_a_purged_task_ends_without_outcome() -> None:
    events = [usual()[0], TaskMissing("t", T0 + 30, "in no queue")]
    expected = {"state": State.REVOKED, "detail": "no_outcome", "attempts": 0, "queue": "q", "finished_at": T0 + 30}
    assert_same_state_in_any_order(events, expected)


@pytest.mark.parametrize(("expires", "detail"), [(20.0, "expired"), (40.0, "no_outcome")])
def test_a_task_that_its_broker_dropped_has_expired_only_if_its_time_was_over(expires: float, detail: str) -> None:
    sent = event("sent", 0.5, name="app.f", queue="q", expires=iso(expires))
    events: list[Observation] = [sent, TaskMissing("t", T0 + 30, "in no queue")]
    expected = {"state": State.REVOKED, "detail": detail, "uncertain": "in no queue", "attempts": 0}
    assert_same_state_in_any_order(events, expected)
    later = [*events, event("received", 31.0, retries=0), event("started", 31.5)]
    assert_same_state_in_any_order(later, {"state": State.RUNNING, "detail": None, "uncertain": None})


def test_what_is_missing_before_it_was_seen_is_not_forgotten() -> None:
    state = reducer()
    state.apply(TaskMissing("t", T0 + 30, "nowhere"))
    state.apply(event("started", 1.0))
    state.apply(event("received", 0.9, name="app.f", retries=0))
    assert draft(state).detail == "no_outcome"


def test_an_expired_task_goes_from_sent_to_revoked() -> None:
    events: list[Observation] = [usual()[0], event("revoked", 9.0, expired=True)]
    assert_same_state_in_any_order(events, {"state": State.REVOKED, "detail": "expired", "worker": W1, "queue": "q"})


def test_a_terminated_task_is_revoked_and_stays_so_when_it_is_said_twice() -> None:
    events = [
        *usual(),
        event("revoked", 2.0, 70_000, terminated=True, signum="SIGTERM"),
        event("revoked", 2.1, 70_001, terminated=True, signum="SIGTERM"),
    ]
    expected = {"state": State.REVOKED, "detail": "terminated", "finished_at": T0 + 2.0, "attempts": 1}
    assert_same_state_in_any_order(events, expected)


def test_a_task_revoked_before_start_is_so_at_once_by_its_result_and_later_by_its_worker() -> None:
    events: list[Observation] = [usual()[0], result("REVOKED", 1.0)]
    assert_same_state_in_any_order(events, {"state": State.REVOKED, "attempts": 0})
    assert_same_state_in_any_order(
        [*events, event("revoked", 60.0)], {"state": State.REVOKED, "detail": "revoked", "worker": W1}
    )


def test_an_unknown_task_fails_without_a_name() -> None:
    events = [event("failed", 1.0, exception="NotRegistered('app.nope')", traceback="Traceback")]
    expected = {"state": State.FAILED, "name": None, "exception_type": "NotRegistered", "exception": "app.nope"}
    assert_same_state_in_any_order(events, expected)
    assert_same_state_in_any_order([*events, usual()[0]], {"state": State.FAILED, "name": "app.f"})


def test_a_hard_time_limit_fails_once_though_it_is_said_twice() -> None:
    traceback = "Traceback (most recent call last):\nbilliard.exceptions.TimeLimitExceeded: TimeLimitExceeded(3,)\n"
    events = [
        *usual(),
        event("failed", 4.0, 60_000, exception="TimeLimitExceeded(3,)", traceback=traceback),
        event("failed", 4.1, 60_001, exception="ExceptionWithTraceback()", traceback=traceback),
    ]
    expected = {"state": State.FAILED, "exception_type": "TimeLimitExceeded", "exception": "3", "attempts": 1}
    assert_same_state_in_any_order(events, expected | {"finished_at": T0 + 4.0})


def test_a_task_rejected_for_good_is_finished() -> None:
    assert_same_state_in_any_order([*usual(), event("rejected", 2.0, requeue=False)], {"state": State.REJECTED})


def test_a_task_that_rejects_itself_for_good_is_rejected_though_it_is_said_to_have_failed() -> None:
    traceback = "Traceback (most recent call last):\ncelery.exceptions.Reject: ('never', False)\n"
    events = [
        *usual(),
        result("FAILURE", 3.0, exception_type="Reject", exception="never"),
        event("failed", 3.01, exception="reject requeue=False: never", traceback=traceback),
        event("rejected", 3.02, requeue=False),
    ]
    assert_same_state_in_any_order(events, {"state": State.REJECTED, "detail": "rejected", "attempts": 1, "history": ()})

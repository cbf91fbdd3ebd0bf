"""What Celery is known to do on the wire, each by its name."""

from datetime import UTC, datetime

import pytest
from support.permute import assert_same_state_in_any_order
from support.reducing import PIDS, T0, W1, W2, beat, draft, event, held, reducer, result
from taskscope_collector.observations import (
    InspectReply,
    Observation,
    TaskMissing,
    TaskQueued,
    TaskRedelivered,
)
from taskscope_collector.reducer.record import Draft
from taskscope_shared.model import Progress, State, Task


def iso(at: float) -> str:
    return datetime.fromtimestamp(T0 + at, UTC).isoformat()


def usual(*, retries: int = 0, begin: float = 1.0) -> list[Observation]:
    """Sent, received and started."""
    return [
        event("sent", begin - 0.5, worker="gen7@p", name="app.f", args="(1,)", kwargs="{}", queue="q", retries=retries),
        event("received", begin, name="app.f", args="(1,)", kwargs="{}", retries=retries),
        event("started", begin + 0.25),
    ]


def test_a_draft_has_the_fields_of_a_task_in_their_order() -> None:
    assert Draft.__struct_fields__ == Task.__struct_fields__


def test_a_usual_task_has_its_times_wait_runtime_and_worker() -> None:
    events = [*usual(), event("succeeded", 3.0, result="42", runtime=1.7)]
    expected = {
        "state": State.SUCCEEDED,
        "queue": "q",
        "worker": W1,
        "sent_at": T0 + 0.5,
        "wait_seconds": 0.75,
        "runtime_seconds": 1.7,
        "result": "42",
        "updated_at": T0 + 3.0,
        "attempts": 1,
    }
    assert_same_state_in_any_order(events, expected)


def test_a_runtime_that_the_worker_does_not_say_is_end_less_start() -> None:
    assert_same_state_in_any_order([*usual(), event("succeeded", 3.25, runtime=None)], {"runtime_seconds": 2.0})


def test_received_of_the_next_try_before_retried_of_this_one() -> None:
    events = [
        *usual(),
        event("received", 2.0, 50_000, name="app.f", retries=1),
        event("retried", 2.1, 50_001, exception="OSError('x')"),
        event("started", 2.2, 50_002),
        event("succeeded", 3.0, 50_003),
    ]
    expected = {
        "state": State.SUCCEEDED,
        "retries": 1,
        "attempts": 2,
        "started_at": T0 + 2.2,
        "history": lambda past: (
            [(one.state, one.finished_at, one.exception) for one in past] == [(State.RETRYING, T0 + 2.1, "x")]
        ),
    }
    assert_same_state_in_any_order(events, expected)


def test_the_next_try_started_before_retried_of_this_one() -> None:
    events = [
        *usual(),
        event("received", 2.0, 50_000, name="app.f", retries=1),
        event("started", 2.05, 50_001),
        event("retried", 2.1, 50_002),
        event("succeeded", 3.0, 50_003),
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "started_at": T0 + 2.05, "attempts": 2})


def test_sent_after_received_fills_in_queue_and_wait() -> None:
    state = reducer()
    for one in (*usual()[1:], event("succeeded", 3.0), usual()[0]):
        state.apply(one)
    assert (draft(state).queue, draft(state).wait_seconds, draft(state).state) == ("q", 0.75, State.SUCCEEDED)


def test_a_result_published_before_started() -> None:
    events: list[Observation] = [
        event("received", 1.0, name="app.f", retries=0),
        result("SUCCESS", 1.05, result="1"),
        event("started", 1.1),
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "started_at": T0 + 1.1, "attempts": 1})


def test_a_result_does_not_end_the_next_delivery() -> None:
    events = [
        *usual(),
        result("SUCCESS", 2.0),  # stored, then its worker died before it said so and before it acknowledged
        event("received", 60.0, worker=W2, name="app.f", retries=0),
        event("started", 60.1, worker=W2),
    ]
    expected = {"state": State.RUNNING, "worker": W2, "attempts": 2, "history": lambda past: past[0].state is State.SUCCEEDED}
    assert_same_state_in_any_order(events, expected)


def test_a_task_that_names_itself_as_parent_has_none() -> None:
    events = [event("received", 1.0, name="app.f", retries=1, parent_id="t", root_id="t")]
    assert_same_state_in_any_order(events, {"parent_id": None, "root_id": "t"})


def test_a_parent_that_was_told_stays_when_a_retry_names_itself() -> None:
    events = [
        event("received", 1.0, name="app.f", retries=0, parent_id="p", root_id="r"),
        event("started", 1.1),
        event("retried", 1.2),
        event("received", 2.0, name="app.f", retries=1, parent_id="t", root_id="r"),
    ]
    assert_same_state_in_any_order(events, {"parent_id": "p", "root_id": "r", "state": State.RESERVED, "retries": 1})


def test_a_replaced_task_has_its_latest_name_and_ends_as_that() -> None:
    events = [
        event("received", 1.0, name="app.first", retries=0),
        event("started", 1.1),
        event("received", 2.0, name="app.second", retries=0, parent_id="t"),
        event("started", 2.1),
        event("succeeded", 3.0),
    ]
    expected = {"name": "app.second", "state": State.SUCCEEDED, "parent_id": None, "attempts": 2}
    assert_same_state_in_any_order(events, expected)


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


def test_a_rejected_task_that_is_requeued_comes_again_as_another_attempt() -> None:
    events = [*usual(), event("rejected", 2.0, requeue=True)]
    assert_same_state_in_any_order(events, {"state": State.RETRYING, "detail": "requeued"})
    events += [event("received", 3.0, name="app.f", retries=0), event("started", 3.5)]
    expected = {"state": State.RUNNING, "attempts": 2, "retries": 0, "wait_seconds": 1.5}
    assert_same_state_in_any_order(events, expected)


def test_a_task_rejected_for_good_is_finished() -> None:
    assert_same_state_in_any_order([*usual(), event("rejected", 2.0, requeue=False)], {"state": State.REJECTED})


def test_a_task_cancelled_by_its_worker_s_shutdown_comes_again() -> None:
    events = [*usual(), event("cancelled", 2.0)]
    assert_same_state_in_any_order(events, {"state": State.RETRYING, "detail": "worker_shutdown"})


def test_a_redelivered_task_is_another_attempt_though_its_retries_are_the_same() -> None:
    events = [
        *usual(),
        event("received", 20.0, worker=W2, name="app.f", retries=0),
        event("started", 20.1, worker=W2),
        event("succeeded", 21.0, worker=W2, runtime=0.9),
    ]
    expected = {
        "state": State.SUCCEEDED,
        "worker": W2,
        "attempts": 2,
        "retries": 0,
        "wait_seconds": None,  # when it came back into its queue is nowhere said
        "history": lambda past: [(one.state, one.worker, one.number) for one in past] == [(State.LOST, W1, 1)],
    }
    assert_same_state_in_any_order(events, expected)


def test_the_slower_of_two_overlapping_deliveries_is_corrected_when_it_succeeds() -> None:
    events = [
        *usual(),
        event("received", 20.0, worker=W2, name="app.f", retries=0),
        event("started", 20.1, worker=W2),
        event("succeeded", 25.0),
    ]
    expected = {"state": State.RUNNING, "worker": W2, "history": lambda past: past[0].state is State.SUCCEEDED}
    assert_same_state_in_any_order(events, expected)


def test_a_task_with_an_eta_is_scheduled_until_it_starts() -> None:
    events: list[Observation] = [event("sent", 0.5, worker="g", name="app.f", queue="q", retries=0, eta=iso(60))]
    assert_same_state_in_any_order(events, {"state": State.SCHEDULED, "eta_at": T0 + 60, "worker": None})
    events.append(event("received", 1.0, name="app.f", retries=0, eta=iso(60)))
    assert_same_state_in_any_order(events, {"state": State.SCHEDULED, "worker": W1})
    events.append(event("started", 60.5))
    assert_same_state_in_any_order(events, {"state": State.RUNNING, "wait_seconds": 0.5})


def test_a_retry_with_a_countdown_is_retrying_until_it_starts() -> None:
    events = [*usual(), event("retried", 2.0), event("received", 2.1, name="app.f", retries=1, eta=iso(30))]
    assert_same_state_in_any_order(events, {"state": State.RETRYING, "retries": 1, "attempts": 2, "eta_at": T0 + 30})


def test_an_eta_without_an_offset_is_utc_and_nonsense_is_none() -> None:
    naive = datetime.fromtimestamp(T0 + 5, UTC).replace(tzinfo=None).isoformat()
    state = reducer()
    state.apply(event("received", 1.0, name="app.f", retries=0, eta=naive))
    state.apply(event("received", 1.0, id_="u", name="app.f", retries=0, eta="soon"))
    assert (draft(state).eta_at, draft(state, "u").state) == (T0 + 5, State.RESERVED)


def test_a_clock_that_steps_back_within_a_worker_does_not_reopen_a_task() -> None:
    events = [
        event("received", 5.0, 1, name="app.f", retries=0),
        event("started", 5.1, 2),
        event("succeeded", 4.0, 3),  # the machine's time was set back
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "attempts": 1})


def test_a_next_try_whose_worker_is_half_a_second_behind_stays_the_next_try() -> None:
    events = [
        event("received", 1.0, name="app.f", retries=0),
        event("started", 1.1),
        event("retried", 1.2),
        event("received", 0.8, worker=W2, name="app.f", retries=1),
        event("started", 0.9, worker=W2),
        event("succeeded", 1.5, worker=W2),
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "worker": W2, "retries": 1, "attempts": 2})


def test_a_producer_whose_clock_is_ahead_does_not_put_the_task_back_into_its_queue() -> None:
    events = [
        event("sent", 90.0, worker="gen7@p", name="app.f", queue="q", retries=0),
        event("received", 1.0, name="app.f", retries=0),
        event("started", 1.1),
        event("succeeded", 2.0),
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "queue": "q", "wait_seconds": None})


def test_the_same_id_sent_again_after_its_end_waits_again() -> None:
    events = [*usual(), event("succeeded", 3.0), event("sent", 10.0, worker="g", name="app.f", queue="q", retries=0)]
    expected = {"state": State.QUEUED, "sent_at": T0 + 10, "history": lambda past: past[0].state is State.SUCCEEDED}
    assert_same_state_in_any_order(events, expected)


def test_progress_is_shown_while_it_runs_and_belongs_to_its_attempt() -> None:
    half = Progress(1, 2, 50.0, "half")
    events = [*usual(), result("PROGRESS", 2.0, progress=half), result("PROGRESS", 1.5, progress=Progress(0, 2, 0.0))]
    expected = {"state": State.RUNNING, "progress": lambda one: (one.percent, one.at) == (50.0, T0 + 2)}
    assert_same_state_in_any_order(events, expected)
    again = [event("retried", 3.0), event("received", 9.0, name="app.f", retries=1), event("started", 9.1)]
    assert_same_state_in_any_order([*events, *again], {"progress": None, "attempts": 2})


def test_progress_alone_tells_that_a_task_runs() -> None:
    events = [result("PROGRESS", 2.0, progress=Progress(1, 2), name="app.f", worker=W1)]
    assert_same_state_in_any_order(events, {"state": State.RUNNING, "worker": W1, "name": "app.f", "started_at": None})


def test_group_and_children_come_from_the_result() -> None:
    events = [*usual(), event("succeeded", 3.0, result="1"), result("SUCCESS", 2.9, group_id="g", children=("c",), result="x")]
    assert_same_state_in_any_order(events, {"group_id": "g", "children": ("c",), "result": "1", "finished_at": T0 + 3.0})


def test_a_message_in_a_queue_tells_queue_group_and_trace() -> None:
    message = TaskQueued("t", "q", T0 + 1, T0 + 1, name="app.f", args="(1,)", group_id="g", trace_id="ab", retries=0)
    expected = {"state": State.QUEUED, "queue": "q", "group_id": "g", "trace_id": "ab", "name": "app.f"}
    assert_same_state_in_any_order([message], expected)
    assert_same_state_in_any_order([message, *usual()], expected | {"state": State.RUNNING})


def test_inspect_alone_tells_reserved_and_scheduled_tasks() -> None:
    assert_same_state_in_any_order([held("reserved", 1.0, name="app.f")], {"state": State.RESERVED, "worker": W1})
    eta = [held("scheduled", 1.0, name="app.f", eta_at=T0 + 60)]
    assert_same_state_in_any_order(eta, {"state": State.SCHEDULED, "eta_at": T0 + 60})


def test_an_inspect_reply_tells_the_priority_of_a_task_that_is_known_otherwise() -> None:
    events = [*usual(), held("active", 1.5, name="app.f", started_at=1.25, priority=3), event("succeeded", 3.0)]
    assert_same_state_in_any_order(events, {"priority": 3, "state": State.SUCCEEDED})


def test_a_task_that_rejects_itself_for_good_is_rejected_though_it_is_said_to_have_failed() -> None:
    traceback = "Traceback (most recent call last):\ncelery.exceptions.Reject: ('never', False)\n"
    events = [
        *usual(),
        result("FAILURE", 3.0, exception_type="Reject", exception="never"),
        event("failed", 3.01, exception="reject requeue=False: never", traceback=traceback),
        event("rejected", 3.02, requeue=False),
    ]
    assert_same_state_in_any_order(events, {"state": State.REJECTED, "detail": "rejected", "attempts": 1, "history": ()})


def test_a_worker_that_was_asked_during_one_try_says_nothing_of_the_next() -> None:
    first = [*usual(begin=1.0), held("active", 1.4, name="app.f", started_at=1.25)]
    again = [
        event("received", 1.6, clock=20_000, name="app.f", args="(1,)", kwargs="{}", retries=1, eta=iso(3.0)),
        event("retried", 1.7, clock=20_001, exception="OSError('x')"),
    ]
    assert_same_state_in_any_order([*first, *again], {"state": State.RETRYING, "attempts": 2, "started_at": None})


def test_an_inspect_reply_that_was_under_way_does_not_reopen_a_finished_task() -> None:
    events = [*usual(), event("succeeded", 3.0), held("active", 3.2, started_at=1.25)]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "attempts": 1})


def test_a_redelivery_that_is_expected_is_not_lost() -> None:
    events = [usual()[1], TaskRedelivered("t", T0 + 20, "unacknowledged")]
    assert_same_state_in_any_order(events, {"state": State.QUEUED, "detail": "redelivery_expected"})
    running = [*usual(), TaskRedelivered("t", T0 + 20, "unacknowledged")]
    assert_same_state_in_any_order(running, {"state": State.RETRYING, "detail": "redelivery_expected"})


def test_a_late_started_event_does_not_reopen_a_settled_task() -> None:
    state = reducer()
    for one in (*usual()[:2], event("succeeded", 3.0)):
        state.apply(one)
    for second in range(40):
        state.tick(T0 + 3 + second)
    state.apply(usual()[2])
    assert (draft(state).state, draft(state).started_at, draft(state).attempts) == (State.SUCCEEDED, T0 + 1.25, 1)


def test_a_settled_task_that_is_delivered_again_is_another_attempt() -> None:
    state = reducer()
    for one in (*usual(), event("succeeded", 3.0)):
        state.apply(one)
    for second in range(40):
        state.tick(T0 + 3 + second)
    for one in (event("received", 90.0, worker=W2, name="app.f", retries=0), event("started", 91.0, worker=W2)):
        state.apply(one)
    settled = draft(state)
    assert (settled.state, settled.worker, settled.attempts, settled.history[0].state) == (
        State.RUNNING,
        W2,
        2,
        State.SUCCEEDED,
    )


def test_arguments_and_results_are_kept_without_their_secrets() -> None:
    state = reducer()
    state.apply(event("received", 1.0, name="app.f", retries=0, args="()", kwargs="{'password': 'hunter2'}"))
    state.apply(event("started", 1.1))
    state.apply(event("succeeded", 1.2, result="{'token': 'abc'}"))
    assert (draft(state).kwargs, draft(state).result) == ("{'password': '***'}", "{'token': '***'}")
    assert "hunter2" not in repr(state._books.records["t"].facts)


def test_many_facts_of_a_task_that_does_not_end_are_folded_away() -> None:
    state = reducer()
    for number in range(300):
        state.apply(event("received", number, name="app.f", retries=0))
        state.apply(event("started", number + 0.1))
        state.apply(event("rejected", number + 0.2, requeue=True))
    record = state._books.records["t"]
    assert len(record.facts or ()) <= 64
    assert (draft(state).attempts, len(draft(state).history), draft(state).state) == (300, 20, State.RETRYING)


def test_an_inspect_reply_with_its_tasks_is_applied() -> None:
    state = reducer()
    state.apply(beat(1.0))
    state.apply(
        InspectReply(
            W1, T0 + 2, T0 + 2, active=[held("active", 2.0, started_at=1.5)], reserved=[], pid=PIDS[W1], pool="prefork"
        )
    )
    assert draft(state).state is State.RUNNING
    (worker,) = state.drain().workers
    assert (worker.pool, worker.active, worker.current) == ("prefork", 1, ("t",))


def test_a_worker_whose_clock_begins_anew_is_another_life_of_it() -> None:
    events = [
        event("received", 1.0, 1000, name="app.f", retries=0),
        event("started", 1.1, 1001),
        event("received", 30.0, 12, name="app.f", retries=0),  # the same name and pid, in a container
        event("started", 30.1, 13),
        event("succeeded", 31.0, 14),
    ]
    expected = {
        "state": State.SUCCEEDED,
        "attempts": 2,
        "started_at": T0 + 30.1,
        "history": lambda past: past[0].state is State.LOST,
    }
    assert_same_state_in_any_order(events, expected)


def test_results_that_come_after_the_event_are_filled_in_at_once_and_the_same_when_folded() -> None:
    told = [*usual(), event("succeeded", 3.0, runtime=1.0), result("SUCCESS", 2.95, result="'late'", group_id="g")]
    assert_same_state_in_any_order(told, {"result": "'late'", "group_id": "g", "finished_at": T0 + 3.0, "runtime_seconds": 1.0})
    state = reducer()
    for one in told:
        state.apply(one)
    state.drain()
    state.apply(result("SUCCESS", 2.95, result="'late'", group_id="g"))
    assert state.drain().tasks == []

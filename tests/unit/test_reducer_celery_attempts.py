"""Tries and deliveries of a Celery task: what begins another, and what does not reopen one that ended."""

from support.permute import assert_same_state_in_any_order
from support.reducing import T0, W1, W2, draft, event, held, iso, reducer, result, usual
from taskscope_collector.observations import TaskRedelivered
from taskscope_shared.model import State


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


def test_a_worker_that_was_asked_during_one_try_says_nothing_of_the_next() -> None:
    first = [*usual(begin=1.0), held("active", 1.4, name="app.f", started_at=1.25)]
    again = [
        event("received", 1.6, clock=20_000, name="app.f", args="(1,)", kwargs="{}", retries=1, eta=iso(3.0)),
        event("retried", 1.7, clock=20_001, exception="OSError('x')"),
    ]
    assert_same_state_in_any_order([*first, *again], {"state": State.RETRYING, "attempts": 2, "started_at": None})


def test_a_retry_with_a_countdown_is_retrying_until_it_starts() -> None:
    events = [*usual(), event("retried", 2.0), event("received", 2.1, name="app.f", retries=1, eta=iso(30))]
    assert_same_state_in_any_order(events, {"state": State.RETRYING, "retries": 1, "attempts": 2, "eta_at": T0 + 30})


def test_a_result_does_not_end_the_next_delivery() -> None:
    events = [
        *usual(),
        result("SUCCESS", 2.0),  # stored, then its worker died before it said so and before it acknowledged
        event("received", 60.0, worker=W2, name="app.f", retries=0),
        event("started", 60.1, worker=W2),
    ]
    expected = {"state": State.RUNNING, "worker": W2, "attempts": 2, "history": lambda past: past[0].state is State.SUCCEEDED}
    assert_same_state_in_any_order(events, expected)


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


def test_a_redelivery_that_is_expected_is_not_lost() -> None:
    events = [usual()[1], TaskRedelivered("t", T0 + 20, "unacknowledged")]
    assert_same_state_in_any_order(events, {"state": State.QUEUED, "detail": "redelivery_expected"})
    running = [*usual(), TaskRedelivered("t", T0 + 20, "unacknowledged")]
    assert_same_state_in_any_order(running, {"state": State.RETRYING, "detail": "redelivery_expected"})


def test_a_rejected_task_that_is_requeued_comes_again_as_another_attempt() -> None:
    events = [*usual(), event("rejected", 2.0, requeue=True)]
    assert_same_state_in_any_order(events, {"state": State.RETRYING, "detail": "requeued"})
    events += [event("received", 3.0, name="app.f", retries=0), event("started", 3.5)]
    expected = {"state": State.RUNNING, "attempts": 2, "retries": 0, "wait_seconds": 1.5}
    assert_same_state_in_any_order(events, expected)


def test_a_task_cancelled_by_its_worker_s_shutdown_comes_again() -> None:
    events = [*usual(), event("cancelled", 2.0)]
    assert_same_state_in_any_order(events, {"state": State.RETRYING, "detail": "worker_shutdown"})


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


def test_the_same_id_sent_again_after_its_end_waits_again() -> None:
    events = [*usual(), event("succeeded", 3.0), event("sent", 10.0, worker="g", name="app.f", queue="q", retries=0)]
    expected = {"state": State.QUEUED, "sent_at": T0 + 10, "history": lambda past: past[0].state is State.SUCCEEDED}
    assert_same_state_in_any_order(events, expected)


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


def test_a_clock_that_steps_back_within_a_worker_does_not_reopen_a_task() -> None:
    events = [
        event("received", 5.0, 1, name="app.f", retries=0),
        event("started", 5.1, 2),
        event("succeeded", 4.0, 3),  # the machine's time was set back
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "attempts": 1})


def test_an_inspect_reply_that_was_under_way_does_not_reopen_a_finished_task() -> None:
    events = [*usual(), event("succeeded", 3.0), held("active", 3.2, started_at=1.25)]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "attempts": 1})


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


def test_many_facts_of_a_task_that_does_not_end_are_folded_away() -> None:
    state = reducer()
    for number in range(300):
        state.apply(event("received", number, name="app.f", retries=0))
        state.apply(event("started", number + 0.1))
        state.apply(event("rejected", number + 0.2, requeue=True))
    record = state._books.records["t"]
    assert len(record.facts or ()) <= 64
    assert (draft(state).attempts, len(draft(state).history), draft(state).state) == (300, 20, State.RETRYING)

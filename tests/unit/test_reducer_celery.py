"""What is shown of a Celery task, by what is known to come on the wire."""

from datetime import UTC, datetime

from support.permute import assert_same_state_in_any_order
from support.reducing import PIDS, T0, W1, beat, draft, event, held, iso, reducer, result, usual
from taskscope_collector.observations import InspectReply, Observation, TaskQueued
from taskscope_collector.reducer.record import Draft
from taskscope_shared.model import Progress, State, Task


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


def test_a_task_with_an_eta_is_scheduled_until_it_starts() -> None:
    events: list[Observation] = [event("sent", 0.5, worker="g", name="app.f", queue="q", retries=0, eta=iso(60))]
    assert_same_state_in_any_order(events, {"state": State.SCHEDULED, "eta_at": T0 + 60, "worker": None})
    events.append(event("received", 1.0, name="app.f", retries=0, eta=iso(60)))
    assert_same_state_in_any_order(events, {"state": State.SCHEDULED, "worker": W1})
    events.append(event("started", 60.5))
    assert_same_state_in_any_order(events, {"state": State.RUNNING, "wait_seconds": 0.5})


def test_an_eta_without_an_offset_is_utc_and_nonsense_is_none() -> None:
    naive = datetime.fromtimestamp(T0 + 5, UTC).replace(tzinfo=None).isoformat()
    state = reducer()
    state.apply(event("received", 1.0, name="app.f", retries=0, eta=naive))
    state.apply(event("received", 1.0, id_="u", name="app.f", retries=0, eta="soon"))
    assert (draft(state).eta_at, draft(state, "u").state) == (T0 + 5, State.RESERVED)


def test_a_producer_whose_clock_is_ahead_does_not_put_the_task_back_into_its_queue() -> None:
    events = [
        event("sent", 90.0, worker="gen7@p", name="app.f", queue="q", retries=0),
        event("received", 1.0, name="app.f", retries=0),
        event("started", 1.1),
        event("succeeded", 2.0),
    ]
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "queue": "q", "wait_seconds": None})


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


def test_arguments_and_results_are_kept_without_their_secrets() -> None:
    state = reducer()
    state.apply(event("received", 1.0, name="app.f", retries=0, args="()", kwargs="{'password': 'hunter2'}"))
    state.apply(event("started", 1.1))
    state.apply(event("succeeded", 1.2, result="{'token': 'abc'}"))
    assert (draft(state).kwargs, draft(state).result) == ("{'password': '***'}", "{'token': '***'}")
    assert "hunter2" not in repr(state._books.records["t"].facts)


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


def test_results_that_come_after_the_event_are_filled_in_at_once_and_the_same_when_folded() -> None:
    told = [*usual(), event("succeeded", 3.0, runtime=1.0), result("SUCCESS", 2.95, result="'late'", group_id="g")]
    assert_same_state_in_any_order(told, {"result": "'late'", "group_id": "g", "finished_at": T0 + 3.0, "runtime_seconds": 1.0})
    state = reducer()
    for one in told:
        state.apply(one)
    state.drain()
    state.apply(result("SUCCESS", 2.95, result="'late'", group_id="g"))
    assert state.drain().tasks == []

"""Traps of Celery's wire that cost nothing to walk into, each by its name."""

import base64
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from support.permute import assert_same_state_in_any_order
from support.reducing import PIDS, T0, W1, W2, draft, event, held, reducer, result
from support.reducing import beat as reducer_beat
from taskscope_collector.observations import Counts, InspectReply, InspectRound, Observation, WorkerBeat
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer.state import SourceState
from taskscope_collector.sources.celery.decode import EventDecoder, Malformed
from taskscope_collector.sources.celery.results import ResultDecoder
from taskscope_collector.sources.celery.roster import KnownIds, Node, Roster
from taskscope_collector.sources.celery.skew import ClockSkew
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, State, Worker, WorkerState
from taskscope_shared.settings import Redaction


def test_the_clock_of_a_producer_means_nothing() -> None:
    """A producer's clock begins at 0 in each process and in each thread of it: these were sent in the order of their times."""
    events = [
        event("sent", 0.5, 900, worker="gen7@p", pid=7, name="app.f", queue="q", retries=0),
        event("received", 1.0, name="app.f", retries=0),
        event("started", 1.1),
        event("sent", 1.4, 3, worker="gen7@p", pid=7, name="app.f", queue="q", retries=1),
        event("retried", 1.5),
        event("received", 2.0, name="app.f", retries=1),
        event("started", 2.1),
        event("succeeded", 3.0),
    ]
    expected = {"state": State.SUCCEEDED, "attempts": 2, "retries": 1, "sent_at": T0 + 1.4, "wait_seconds": 0.7}
    assert_same_state_in_any_order(events, expected)


@pytest.mark.parametrize("held_by", [None, W1, W2])
def test_a_revoked_task_that_a_restarted_worker_runs_all_the_same_is_shown_as_it_ended(held_by: str | None) -> None:
    """Without --statedb a worker forgets at its restart what was revoked; the backend said REVOKED long before."""
    before: list[Observation] = [event("received", 0.6, worker=held_by, name="app.f", retries=0)] if held_by else []
    revoked: list[Observation] = [
        event("sent", 0.5, worker="gen7@p", name="app.f", queue="q", retries=0),
        *before,
        result("REVOKED", 1.0),
    ]
    assert_same_state_in_any_order(revoked, {"state": State.REVOKED})
    ran = [
        event("received", 60.0, name="app.f", retries=0),
        event("started", 60.1),
        event("succeeded", 61.0, runtime=0.9),
    ]
    expected = {"state": State.SUCCEEDED, "worker": W1, "detail": None, "started_at": T0 + 60.1, "runtime_seconds": 0.9}
    assert_same_state_in_any_order([*revoked, *ran], expected)


@pytest.mark.parametrize("args", ["([[[...]]], {...})", "('cut in the mid...", "(<Reel 7>, __import__('os'))", "[1, 2"])
def test_arguments_are_shown_as_they_came_and_never_evaluated(args: str) -> None:
    """They are reprs, cut at a depth of 3 and at 1024 characters: evaluating `[[[...]]]` would give an Ellipsis."""
    state = reducer()
    state.apply(event("received", 1.0, name="app.f", retries=0, args=args, kwargs="{'deep': {...}}"))
    assert (draft(state).args, draft(state).kwargs) == (args, "{'deep': {...}}")


def test_an_extended_result_tells_the_task_while_it_still_runs() -> None:
    meta = {
        "status": "PROGRESS",
        "result": {"current": 1, "total": 4},
        "name": "app.f",
        "args": [{"token": "x"}],
        "kwargs": {},
        "worker": W1,
        "retries": 1,
        "queue": "q",
        "group_id": "g",
    }
    decoder = ResultDecoder(Redactor(Redaction()), ManualClock(), ClockSkew())
    seen = decoder.decode("id", msgspec.json.encode(meta))
    assert (seen.name, seen.args, seen.worker, seen.retries, seen.queue) == ("app.f", "({'token': '***'},)", W1, 1, "q")
    assert seen.group_id == "g"
    assert seen.progress is not None
    assert seen.progress.percent == 25.0


def decoded(roster: Roster, counts: Counts, topic: str, body: dict[str, Any]) -> list[Observation]:
    decoder = EventDecoder(counts, Malformed(counts), ClockSkew(), roster, KnownIds(), ManualClock())
    out: list[Observation] = []
    encoded = base64.b64encode(msgspec.json.encode({"timestamp": 900.0, "hostname": "w@h", **body})).decode()
    decoder.message(topic.encode(), msgspec.json.encode({"body": encoded}), out, 1_000.0)
    return out


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("task.progress", {"type": "task-progress", "uuid": "t", "pid": 4711, "clock": 1, "current": 1}),
        ("worker.tasks", {"type": "worker-tasks", "pid": 7, "clock": 1, "tasks": [{"id": "t"}]}),
        ("worker.elect.ack", {"type": "worker-elect-ack", "id": "e", "pid": 7, "clock": 1}),
    ],
)
def test_events_of_others_change_nothing_of_what_is_known_of_a_worker_or_a_task(topic: str, body: dict[str, Any]) -> None:
    """A pool child's event has the worker's name with the child's own pid and clock."""
    roster, counts = Roster(), Counts()
    decoded(roster, counts, "worker.heartbeat", {"type": "worker-heartbeat", "pid": 7, "clock": 900, "freq": 2.0})
    known = replace(roster.nodes["w@h"])
    state = reducer()
    state.apply_batch(decoded(roster, counts, topic, body))
    assert (roster.nodes, counts.malformed) == ({"w@h": known}, 0)
    assert (state.retained, state.drain().tasks, state.drain().workers) == (0, [], [])


def beat(kind: str, **fields: Any) -> WorkerBeat:
    return WorkerBeat(f"worker-{kind}", "w@h", **{"pid": 7, "clock": 100, "freq": 2.0, **fields})


def switched_on() -> tuple[Roster, Node]:
    roster = Roster()
    roster.beat(beat("online"), 1.0)
    node = roster.nodes["w@h"]
    node.events = node.events_enabled_by_us = True
    roster.arrived.clear()
    return roster, node


def test_a_worker_that_lost_its_broker_still_has_the_events_that_we_switched_on() -> None:
    """It says goodbye and hello like a new one, but its dispatcher keeps its groups: it answers that they are on already."""
    roster, node = switched_on()
    roster.beat(beat("offline", clock=110), 2.0)
    roster.beat(beat("online", clock=120), 3.0)
    assert (node.events, node.events_enabled_by_us, roster.arrived.is_set()) == (None, True, True)


@pytest.mark.parametrize("fields", [{"pid": 8, "clock": 500}, {"clock": 3}], ids=["another pid", "a clock that begins anew"])
def test_a_worker_that_was_started_anew_has_none_of_the_events_that_we_switched_on(fields: dict[str, Any]) -> None:
    roster, node = switched_on()
    roster.beat(beat("online", **fields), 3.0)
    assert (node.events, node.events_enabled_by_us, roster.arrived.is_set()) == (None, False, True)


def test_the_answer_to_a_broadcast_heartbeat_does_not_make_a_worker_silent_later() -> None:
    """It says freq 5, whatever the worker's own is."""
    for first, second in ((2.0, 5.0), (5.0, 2.0)):
        roster = Roster()
        roster.beat(beat("heartbeat", freq=first), 1.0)
        roster.beat(beat("heartbeat", freq=second), 2.0)
        node = roster.nodes["w@h"]
        assert (node.freq, node.silent(7.9), node.silent(8.1)) == (2.0, False, True)


def worker_of(state: SourceState) -> Worker:
    (worker,) = [worker for worker in state.drain().workers if worker.name == W1]
    return worker


def test_events_that_a_restarted_worker_has_on_by_itself_are_not_ours() -> None:
    """What we switched on in the process before is gone with it; this one was started with -E."""
    state = reducer()
    state.apply(reducer_beat(1.0))
    state.apply(InspectReply(W1, T0 + 2, T0 + 2, events=True, events_enabled_by_us=True))
    assert worker_of(state).events_enabled_by_us
    state.apply(reducer_beat(10.0, kind="online", pid=4242))
    assert (worker := worker_of(state)).events is None
    assert not worker.events_enabled_by_us
    state.apply(InspectReply(W1, T0 + 12, T0 + 12, events=True))
    assert (worker := worker_of(state)).events
    assert not worker.events_enabled_by_us


def test_events_that_we_switched_on_are_ours_after_the_collector_was_started_anew() -> None:
    """The worker then says only that they are on already."""
    known = Worker(W1, "s", Engine.CELERY, WorkerState.ONLINE, pid=PIDS[W1], events=True, events_enabled_by_us=True)
    state = reducer()
    state.load([], [known], [])
    state.apply(reducer_beat(1.0))
    state.apply(InspectReply(W1, T0 + 2, T0 + 2, events=True))
    assert worker_of(state).events_enabled_by_us


@pytest.mark.parametrize("pid", [4711, 140_234_234_234_112, PIDS[W1]], ids=["prefork", "gevent", "threads"])
def test_the_process_that_an_inspect_reply_names_is_not_the_one_that_sends_the_events(pid: int) -> None:
    """worker_pid is a pool child's, a greenlet's id, or the worker's own. Events come from the worker's main process."""
    running = held("active", 1.5, started_at=1.25, name="app.f", pid=pid)
    ended = event("succeeded", 3.0, runtime=1.75)
    expected = {"state": State.SUCCEEDED, "attempts": 1, "started_at": T0 + 1.25, "runtime_seconds": 1.75}
    assert_same_state_in_any_order([running, ended], expected)
    assert_same_state_in_any_order([event("received", 1.0, name="app.f", retries=0), running, ended], expected)
    again: list[Observation] = [
        running,
        event("retried", 3.0),
        event("received", 3.1, name="app.f", retries=1),
        event("started", 3.2),
        event("succeeded", 4.0, runtime=0.8),
    ]
    first = {"history": lambda past: [(one.state, one.started_at) for one in past] == [(State.RETRYING, T0 + 1.25)]}
    assert_same_state_in_any_order(again, {"state": State.SUCCEEDED, "attempts": 2, "started_at": T0 + 3.2, **first})


@pytest.mark.parametrize("end", ["silence", "another process"])
def test_a_task_that_only_inspection_told_of_is_lost_with_its_worker(end: str) -> None:
    state = reducer()
    running = held("active", 1.5, started_at=1.25, name="app.f", pid=4711)
    state.apply(reducer_beat(0.0))
    state.apply(InspectReply(W1, T0 + 2, T0 + 2, active=[running], reserved=[], pid=PIDS[W1], pool="prefork"))
    for second in range(3, 17):
        if end == "another process":
            state.apply(reducer_beat(second, pid=4242))
        if second % 5 == 0:
            state.apply(InspectRound(T0 + second, frozenset()))
        state.tick(T0 + second)
    assert (draft(state).state, draft(state).detail) == (State.LOST, "worker_lost")

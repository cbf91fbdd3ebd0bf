"""What follows from the silence of Celery workers, and what does not."""

import pytest
from support.reducing import PIDS, T0, W1, W2, beat, draft, event, held, reducer
from taskscope_collector.observations import (
    Health,
    InspectReply,
    InspectRound,
    Reconnected,
    TaskRedelivered,
    WorkerGone,
)
from taskscope_collector.reducer.state import SourceState
from taskscope_shared.model import Engine, SourceStatus, State, Worker, WorkerState


def running(worker: str = W1, **inspected: object) -> SourceState:
    """A task that `worker` runs since T0 + 1, and another worker that lives on."""
    state = reducer()
    state.apply(beat(0.0, worker=worker))
    state.apply(beat(0.0, worker=W2))
    fields = {"pool": "prefork", "pid": PIDS[worker]} | inspected
    state.apply(InspectReply(worker, T0 + 0.5, T0 + 0.5, **fields))  # type: ignore[arg-type]
    state.apply(event("received", 0.9, worker=worker, name="app.f", retries=0))
    state.apply(event("started", 1.0, worker=worker))
    return state


def live(state: SourceState, since: float, until: float, *, subscribed: int | None = None, solo: bool = False) -> None:
    """Time goes by: the other worker beats and answers, W1 does not (`solo`: nobody does)."""
    second = since
    while second <= until:
        if not solo:
            state.apply(beat(second, worker=W2))
        if int(second) % 5 == 0:
            state.apply(InspectRound(T0 + second, frozenset() if solo else frozenset({W2}), subscribed))
        state.tick(T0 + second)
        second += 1.0


def worker_of(state: SourceState, name: str = W1) -> Worker:
    return state._workers.seen[name].worker


def test_the_task_of_a_worker_that_died_is_lost_within_fifteen_seconds() -> None:
    state = running()
    live(state, 2, 15)
    assert (draft(state).state, draft(state).detail) == (State.LOST, "worker_lost")
    assert worker_of(state).state is WorkerState.LOST
    assert worker_of(state, W2).state is WorkerState.ONLINE


def test_a_worker_that_answers_inspection_is_alive_though_its_heartbeats_are_off() -> None:
    state = running()
    for second in range(2, 40):
        if second % 5 == 0:
            state.apply(InspectReply(W1, T0 + second, T0 + second))
            state.apply(InspectRound(T0 + second + 0.1, frozenset({W1, W2})))
        state.tick(T0 + second + 0.5)
    assert (draft(state).state, worker_of(state).state) == (State.RUNNING, WorkerState.ONLINE)


def test_a_worker_that_beats_is_alive_though_it_does_not_answer() -> None:
    state = running()
    for second in range(2, 40):
        state.apply(beat(second))
        if second % 5 == 0:
            state.apply(InspectRound(T0 + second, frozenset({W2})))
        state.tick(T0 + second)
    assert (draft(state).state, worker_of(state).state) == (State.RUNNING, WorkerState.ONLINE)


@pytest.mark.parametrize("pool", ["celery.concurrency.solo:TaskPool", "solo"])
def test_the_task_of_a_busy_solo_worker_is_uncertain_but_not_lost(pool: str) -> None:
    state = running(pool=pool)
    live(state, 2, 60)
    assert (draft(state).state, draft(state).uncertain) == (
        State.RUNNING,
        "worker is silent; a busy solo worker cannot answer",
    )
    assert worker_of(state).state is WorkerState.SILENT
    state.apply(beat(61))
    assert (draft(state).uncertain, worker_of(state).state) == (None, WorkerState.ONLINE)


def test_a_solo_worker_that_is_not_subscribed_any_more_is_dead() -> None:
    state = running(pool="solo")
    live(state, 2, 15, subscribed=1)
    assert (draft(state).state, draft(state).uncertain) == (State.LOST, None)


def test_a_worker_of_an_unknown_pool_is_not_given_up() -> None:
    state = running(pool=None)
    live(state, 2, 30)
    assert (draft(state).state, worker_of(state).state) == (State.RUNNING, WorkerState.SILENT)


def test_a_lost_task_that_turns_up_finished_is_corrected() -> None:
    state = running()
    live(state, 2, 15)
    state.apply(event("succeeded", 30.0, runtime=29.0))
    assert (draft(state).state, draft(state).detail, draft(state).attempts) == (State.SUCCEEDED, None, 1)


def test_a_lost_task_that_is_redelivered_runs_as_another_attempt() -> None:
    state = running()
    live(state, 2, 15)
    state.apply(event("received", 20.0, worker=W2, name="app.f", retries=0))
    state.apply(event("started", 20.1, worker=W2))
    found = draft(state)
    assert (found.state, found.worker, found.attempts, found.history[0].state) == (State.RUNNING, W2, 2, State.LOST)


def test_a_worker_that_comes_back_with_the_same_process_still_has_its_tasks() -> None:
    state = running()
    live(state, 2, 15)
    state.apply(beat(20))
    assert (draft(state).state, draft(state).finished_at) == (State.RUNNING, None)
    assert worker_of(state).state is WorkerState.ONLINE


def test_a_worker_that_was_started_anew_does_not_have_the_tasks_of_the_process_before() -> None:
    state = running()
    state.apply(beat(3.0, kind="online", pid=4242))
    for second in range(3, 12):
        state.apply(beat(second, pid=4242))
        state.tick(T0 + second)
    assert (draft(state).state, worker_of(state).pid) == (State.LOST, 4242)


def test_a_reserved_task_whose_message_is_unacknowledged_is_expected_again() -> None:
    state = reducer()
    state.apply(beat(0.0))
    state.apply(InspectReply(W1, T0 + 0.5, T0 + 0.5, pool="prefork"))
    state.apply(event("received", 1.0, name="app.f", retries=0))
    live(state, 2, 15)
    assert draft(state).state is State.LOST
    state.apply(TaskRedelivered("t", T0 + 16, "unacknowledged"))
    assert (draft(state).state, draft(state).detail) == (State.QUEUED, "redelivery_expected")


def test_a_scheduled_task_that_a_dead_worker_held_is_lost_too() -> None:
    state = reducer()
    state.apply(beat(0.0))
    state.apply(InspectReply(W1, T0 + 0.5, T0 + 0.5, pool="prefork"))
    state.apply(event("received", 1.0, name="app.f", retries=0, eta="2033-01-01T00:00:00+00:00"))
    assert draft(state).state is State.SCHEDULED
    live(state, 2, 15)
    assert draft(state).state is State.LOST


def test_a_warm_shutdown_puts_what_was_not_started_back() -> None:
    state = reducer()
    state.apply(beat(0.0))
    state.apply(event("received", 1.0, name="app.f", retries=0))
    state.apply(beat(2.0, kind="offline"))
    for second in range(2, 12):
        state.tick(T0 + second)
    assert (draft(state).state, draft(state).detail) == (State.QUEUED, "redelivery_expected")
    assert worker_of(state).state is WorkerState.OFFLINE


def test_a_task_that_runs_when_its_worker_says_goodbye_is_lost_after_a_while() -> None:
    state = running()
    state.apply(beat(2.0, kind="offline"))
    state.tick(T0 + 3)
    assert draft(state).state is State.RUNNING
    state.tick(T0 + 9)
    assert draft(state).state is State.LOST


def test_a_reply_that_was_under_way_at_the_goodbye_does_not_revive_the_worker() -> None:
    state = running()
    state.apply(beat(2.0, kind="offline"))
    state.apply(InspectReply(W1, T0 + 2.5, T0 + 2.5))
    assert worker_of(state).state is WorkerState.OFFLINE


def test_our_own_gap_is_not_a_worker_s_silence() -> None:
    state = running()
    state.apply(Reconnected(T0 + 2, T0 + 30))
    state.apply(InspectRound(T0 + 29, frozenset()))
    state.apply(InspectRound(T0 + 29.5, frozenset()))
    state.tick(T0 + 31)
    assert worker_of(state).state is WorkerState.ONLINE


def test_an_answer_to_a_request_for_heartbeats_overwrites_nothing_it_does_not_know() -> None:
    state = reducer()
    state.apply(beat(1.0, active=3, processed=40, loadavg=[1.0, 2.0, 3.0], sw_ver="5.7.0"))
    state.apply(beat(2.0, freq=5.0, active=None, processed=None))
    found = worker_of(state)
    assert (found.active, found.processed, found.load) == (3, 40, (1.0, 2.0, 3.0))
    assert (found.heartbeat_at, state._workers.seen[W1].freq) == (T0 + 2, 2.0)


def test_an_older_heartbeat_that_comes_late_changes_nothing() -> None:
    state = reducer()
    state.apply(beat(5.0, active=3))
    state.apply(beat(1.0, active=9))
    assert (worker_of(state).active, worker_of(state).heartbeat_at) == (3, T0 + 5)


def test_a_worker_long_gone_is_forgotten() -> None:
    state = running()
    state.apply(WorkerGone(W1, T0 + 2, clean=True))
    state.drain()
    state.tick(T0 + 4000)
    assert state.drain().removed_workers == [W1]


def test_tasks_of_a_worker_that_a_source_reports_gone_are_lost() -> None:
    state = running()
    state.apply(WorkerGone(W1, T0 + 2, clean=False, detail="no heartbeat"))
    state.tick(T0 + 3)
    assert (draft(state).state, worker_of(state).detail) == (State.LOST, "no heartbeat")


def test_an_inspect_reply_that_confirms_a_task_does_not_mark_it_as_changed() -> None:
    state = running()
    state.apply(held("active", 2.0, started_at=1.0, queue="q"))
    state.drain()
    state.apply(held("active", 7.0, started_at=1.0, queue="q"))
    assert state.drain().tasks == []


def test_health_says_since_when_and_what_cannot_be_known() -> None:
    state = reducer()
    state.apply(Health(SourceStatus.UP, T0 + 1, notes=("no result backend",), transport="redis"))
    state.apply(Health(SourceStatus.DOWN, T0 + 5, reason="refused"))
    state.apply(Health(SourceStatus.UP, T0 + 3))
    found = state.source_health(T0 + 6)
    assert (found.status, found.reason, found.since) == (SourceStatus.DOWN, "refused", T0 + 5)
    assert state.drain().health_changed
    assert not state.drain().health_changed


def test_while_the_source_is_down_nobody_is_missed_and_open_tasks_are_uncertain() -> None:
    state = running()
    state.apply(Health(SourceStatus.UP, T0))
    state.apply(Health(SourceStatus.DOWN, T0 + 2, reason="refused"))
    for second in range(2, 60):
        state.tick(T0 + second)
    assert (draft(state).state, draft(state).uncertain) == (State.RUNNING, "the source is down")
    assert worker_of(state).state is WorkerState.ONLINE
    state.apply(Health(SourceStatus.UP, T0 + 60))
    assert draft(state).uncertain is None
    state.tick(T0 + 63)
    assert worker_of(state).state is WorkerState.ONLINE


def test_after_a_restart_workers_are_not_missed_before_the_source_listens() -> None:
    state = reducer()
    known = Worker(W1, "s", Engine.CELERY, WorkerState.ONLINE, pool="prefork", heartbeat_at=T0)
    state.load([], [known], [])
    state.tick(T0 + 100)
    assert worker_of(state).state is WorkerState.ONLINE
    state.apply(Health(SourceStatus.UP, T0 + 101))
    state.tick(T0 + 105)
    assert worker_of(state).state is WorkerState.ONLINE
    state.tick(T0 + 120)
    assert worker_of(state).state is WorkerState.LOST


def test_the_pool_process_of_an_inspect_reply_is_not_the_worker_s() -> None:
    state = reducer()
    state.apply(beat(0.0))
    state.apply(held("active", 1.0, started_at=0.5, name="app.f", pid=PIDS[W1] + 1))
    for second in range(1, 20):
        state.apply(beat(second))
        state.tick(T0 + second)
    assert draft(state).state is State.RUNNING


def test_a_container_that_was_started_anew_with_the_same_name_and_pid_does_not_have_the_tasks_of_before() -> None:
    state = running()
    for second in range(1, 5):
        state.apply(beat(second))
    state.apply(event("started", 4.5, 45_000, id_="u"))
    state.apply(beat(8.0, kind="online", clock=1))
    for second in range(9, 16):
        state.apply(beat(second, clock=second - 7))
        state.tick(T0 + second)
    assert draft(state).state is State.LOST
    state.apply(event("received", 16.0, 20, name="app.f", retries=0))
    state.apply(event("started", 16.1, 21))
    state.apply(event("succeeded", 17.0, 22))
    assert (draft(state).state, draft(state).attempts) == (State.SUCCEEDED, 2)


def test_a_worker_that_says_hello_again_after_it_lost_its_broker_keeps_its_tasks() -> None:
    state = running()
    state.apply(beat(3.0, kind="online"))
    for second in range(4, 20):
        state.apply(beat(second))
        state.tick(T0 + second)
    assert draft(state).state is State.RUNNING

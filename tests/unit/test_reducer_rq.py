"""RQ jobs, as their hashes are read."""

from typing import Any

from support.permute import assert_same_state_in_any_order
from support.reducing import T0, job, reducer
from taskscope_collector.observations import JobAbandoned, JobGone, Observation, WorkerGone, WorkerSeen
from taskscope_shared.model import Engine, Progress, State, Worker, WorkerState

QUEUED: dict[str, Any] = {"created_at": 0.9, "enqueued_at": 1.0}
STARTED: dict[str, Any] = QUEUED | {"started_at": 2.0, "worker": "w1", "execution_id": "e1", "heartbeat_at": 2.0}
FINISHED: dict[str, Any] = STARTED | {"ended_at": 5.0, "result": "42", "result_type": 1, "result_id": f"{int(T0 + 5)}000-0"}


def check(readings: list[Observation], expected: dict[str, object]) -> None:
    assert_same_state_in_any_order(readings, expected, engine=Engine.RQ)


def test_a_job_that_finished_has_its_times_wait_runtime_and_worker() -> None:
    readings: list[Observation] = [
        job("queued", 1.1, **QUEUED),
        job("started", 2.1, **STARTED),
        job("finished", 5.1, **FINISHED),
    ]
    expected = {
        "state": State.SUCCEEDED,
        "wait_seconds": 1.0,
        "runtime_seconds": 3.0,
        "worker": "w1",
        "sent_at": T0 + 1,
        "attempts": 1,
        "retries": 0,
        "result": "42",
        "queue": "default",
    }
    check(readings, expected)
    check(readings[2:], expected)


def test_waiting_states() -> None:
    for status, state, detail in (
        ("queued", State.QUEUED, None),
        ("ready_to_enqueue", State.QUEUED, None),
        ("rate_limited", State.QUEUED, "rate_limited"),
        ("deferred", State.DEFERRED, None),
        ("created", State.DEFERRED, "created"),
        ("scheduled", State.SCHEDULED, None),
    ):
        check([job(status, 1.1, **QUEUED)], {"state": state, "detail": detail, "attempts": 0})


def test_a_scheduled_job_waits_from_when_it_was_put_into_its_queue() -> None:
    readings: list[Observation] = [
        job("scheduled", 1.0, created_at=0.9, run_at=60.0),
        job("queued", 60.1, created_at=0.9, enqueued_at=60.0),
        job("started", 61.1, created_at=0.9, enqueued_at=60.0, started_at=61.0, worker="w1"),
    ]
    check(readings[:1], {"state": State.SCHEDULED, "eta_at": T0 + 60, "sent_at": T0 + 0.9})
    check(readings, {"state": State.RUNNING, "wait_seconds": 1.0})


def test_a_failure_has_its_type_and_message() -> None:
    failed = STARTED | {
        "ended_at": 3.0,
        "exception": "no",
        "exception_type": "ValueError",
        "traceback": "Traceback\nValueError: no",
    }
    check([job("failed", 3.1, **failed)], {"state": State.FAILED, "exception_type": "ValueError", "exception": "no"})


def test_a_job_waiting_for_its_retry_is_retrying_and_the_retry_another_attempt() -> None:
    first = STARTED | {"ended_at": 3.0, "exception_type": "OSError", "retries_left": 1}
    second = STARTED | {"enqueued_at": 13.0, "started_at": 13.5, "execution_id": "e2", "heartbeat_at": 13.5, "retries_left": 1}
    readings: list[Observation] = [
        job("queued", 1.1, **QUEUED, retries_left=2),
        job("started", 2.1, **STARTED, retries_left=2),
        job("scheduled", 3.1, **first, run_at=13.0),
    ]
    check(readings, {"state": State.RETRYING, "attempts": 1, "retries": 1, "worker": "w1", "eta_at": T0 + 13})
    readings += [job("started", 13.6, **second), job("finished", 15.1, **(second | {"ended_at": 15.0, "result_type": 1}))]
    expected = {
        "state": State.SUCCEEDED,
        "attempts": 2,
        "retries": 1,
        "runtime_seconds": 1.5,
        "wait_seconds": 0.5,
        "history": lambda past: [(one.number, one.state, one.finished_at) for one in past] == [(1, State.RETRYING, T0 + 3)],
    }
    check(readings, expected)


def test_a_run_that_came_and_went_unseen_is_found_in_what_it_left() -> None:
    left = STARTED | {"ended_at": 3.0, "retries_left": 1}
    readings: list[Observation] = [job("queued", 1.1, **QUEUED, retries_left=2), job("queued", 3.1, **left)]
    check(readings, {"state": State.RETRYING, "attempts": 1, "retries": 1})


def test_a_job_that_repeats_waits_again_after_its_success() -> None:
    ended = FINISHED | {"run_at": 60.0}
    readings: list[Observation] = [job("started", 2.1, **STARTED), job("scheduled", 5.1, **ended)]
    expected = {
        "state": State.SCHEDULED,
        "eta_at": T0 + 60,
        "attempts": 1,
        "history": lambda past: [(one.state, one.finished_at) for one in past] == [(State.SUCCEEDED, T0 + 5)],
    }
    check(readings, expected)


def test_a_canceled_job_that_runs_on_is_finished_in_the_end() -> None:
    readings: list[Observation] = [job("started", 2.1, **STARTED), job("canceled", 3.0, **STARTED)]
    check(readings, {"state": State.REVOKED, "detail": "canceled"})
    check([*readings, job("finished", 5.1, **FINISHED)], {"state": State.SUCCEEDED, "attempts": 1, "detail": None})


def test_a_canceled_job_that_was_never_started_is_revoked() -> None:
    check([job("canceled", 3.0, **QUEUED)], {"state": State.REVOKED, "detail": "canceled", "attempts": 0})


def test_a_stopped_job_ends_when_its_result_was_stored() -> None:
    stopped = STARTED | {"worker": None, "result_type": 2, "result_id": f"{int(T0 + 4)}500-0"}
    readings: list[Observation] = [job("started", 2.1, **STARTED), job("stopped", 4.6, **stopped)]
    expected = {"state": State.REVOKED, "detail": "stopped", "finished_at": T0 + 4.5, "worker": "w1", "attempts": 1}
    check(readings, expected)


def test_a_work_horse_that_was_killed_is_a_failure_of_the_worker_that_had_it() -> None:
    dead = STARTED | {"worker": None, "heartbeat_at": None, "ended_at": 4.0}
    text = "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); "
    readings: list[Observation] = [job("started", 2.1, **STARTED), job("failed", 4.1, **dead, exception=text)]
    check(readings, {"state": State.FAILED, "worker": "w1", "exception": text, "attempts": 1})


def test_an_abandoned_job_is_lost() -> None:
    dead = STARTED | {"ended_at": None, "exception_type": "AbandonedJobError", "result_id": f"{int(T0 + 90)}000-0"}
    readings: list[Observation] = [job("started", 2.1, **STARTED), job("failed", 90.1, **dead)]
    check(readings, {"state": State.LOST, "detail": "abandoned", "finished_at": T0 + 90})


def test_a_job_that_nobody_can_be_running_is_lost_and_corrected_when_it_finishes() -> None:
    readings: list[Observation] = [
        job("started", 2.1, **STARTED),
        JobAbandoned("j", T0 + 70, "its worker is gone", certain=True),
    ]
    check(readings, {"state": State.LOST, "detail": "abandoned"})
    check([*readings, job("started", 80.0, **STARTED)], {"state": State.LOST})
    check(
        [*readings, job("finished", 90.0, **(FINISHED | {"ended_at": 89.0}))],
        {"state": State.SUCCEEDED, "runtime_seconds": 87.0},
    )


def test_a_job_whose_work_horse_may_go_on_is_uncertain() -> None:
    readings: list[Observation] = [job("started", 2.1, **STARTED), JobAbandoned("j", T0 + 70, "its worker is gone")]
    check(readings, {"state": State.RUNNING, "uncertain": "its worker is gone"})
    alive = STARTED | {"heartbeat_at": 75.0}
    check([*readings, job("started", 75.1, **alive)], {"state": State.RUNNING, "uncertain": None})


def test_a_job_of_result_ttl_0_that_vanishes_while_it_runs_has_succeeded() -> None:
    readings: list[Observation] = [job("started", 2.1, **STARTED, result_ttl_seconds=0.0), JobGone("j", T0 + 5)]
    expected = {"state": State.SUCCEEDED, "detail": "result_ttl_0", "finished_at": T0 + 5, "runtime_seconds": None}
    check(readings, expected)


def test_a_job_that_was_deleted_is_revoked_and_comes_back_when_its_work_horse_saves_it() -> None:
    readings: list[Observation] = [job("started", 2.1, **STARTED), JobGone("j", T0 + 3)]
    check(readings, {"state": State.REVOKED, "detail": "deleted"})
    check([*readings, job("finished", 5.1, **FINISHED)], {"state": State.SUCCEEDED, "attempts": 1})
    check([job("queued", 1.1, **QUEUED), JobGone("j", T0 + 3)], {"state": State.REVOKED, "detail": "deleted", "attempts": 0})


def test_a_finished_job_that_expires_keeps_its_record() -> None:
    check([job("finished", 5.1, **FINISHED), JobGone("j", T0 + 505)], {"state": State.SUCCEEDED, "finished_at": T0 + 5})


def test_progress_is_the_latest_read() -> None:
    readings: list[Observation] = [
        job("started", second, **(STARTED | {"heartbeat_at": second}), progress=Progress(second, 10))
        for second in (2.5, 3.0, 4.0, 4.5)
    ]
    check(readings, {"state": State.RUNNING, "progress": lambda one: one.current == 4.5, "attempts": 1})


def test_readings_that_say_the_same_are_not_kept() -> None:
    state = reducer(Engine.RQ)
    for second in range(100):
        state.apply(job("started", 2.0 + second, **(STARTED | {"heartbeat_at": 2.0 + second})))
    assert len(state._books.records["j"].facts or ()) <= 3


def test_a_failed_job_that_is_put_back_waits_in_its_queue() -> None:
    failed = STARTED | {"ended_at": 3.0, "result_type": 2, "result_id": f"{int(T0 + 3)}000-0", "exception_type": "OSError"}
    readings: list[Observation] = [
        job("failed", 3.1, **failed),
        job("queued", 9.1, **(failed | {"ended_at": None, "enqueued_at": 9.0})),
    ]
    expected = {"state": State.QUEUED, "attempts": 1, "history": lambda past: past[0].state is State.FAILED, "sent_at": T0 + 9}
    check(readings, expected)


def test_an_rq_worker_is_as_its_source_reads_it() -> None:
    state = reducer(Engine.RQ)
    state.apply(WorkerSeen(Worker("w1", "s", Engine.RQ, WorkerState.ONLINE, pid=7, queues=("default",)), T0 + 1))
    state.apply(WorkerSeen(Worker("w1", "s", Engine.RQ, WorkerState.ONLINE, current=("j",)), T0 + 2))
    state.tick(T0 + 1000)
    (worker,) = state.drain().workers
    assert (worker.pid, worker.queues, worker.current, worker.state) == (7, ("default",), ("j",), WorkerState.ONLINE)
    state.apply(WorkerGone("w1", T0 + 2000, clean=False))
    assert state.drain().workers[0].state is WorkerState.LOST


def test_a_deleted_job_that_was_never_seen_is_no_task() -> None:
    state = reducer(Engine.RQ)
    state.apply(JobGone("j", T0))
    assert state.drain().tasks == []


def test_an_abandoned_job_that_vanishes_was_finished_by_its_work_horse_or_stays_lost() -> None:
    abandoned = JobAbandoned("j", T0 + 70, "its worker is gone", certain=True)
    check([job("started", 2.1, **STARTED), abandoned, JobGone("j", T0 + 80)], {"state": State.LOST})
    forgetful = job("started", 2.1, **STARTED, result_ttl_seconds=0.0)
    check([forgetful, abandoned, JobGone("j", T0 + 80)], {"state": State.SUCCEEDED, "detail": "result_ttl_0"})

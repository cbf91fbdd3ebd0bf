"""Traps of RQ's keys, each by its name; the versions are those in which they were seen."""

import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from support.permute import assert_same_state_in_any_order
from support.reducing import T0, job
from taskscope_collector.observations import JobSeen, Observation
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.rq.jobs import FIELDS, add_meta
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, State
from taskscope_shared.settings import Redaction

QUEUED: dict[str, Any] = {"created_at": 0.9, "enqueued_at": 1.0}
STARTED: dict[str, Any] = QUEUED | {"started_at": 2.0, "worker": "w1", "execution_id": "e1", "heartbeat_at": 2.0}
GIVEN_UP: dict[str, Any] = {"exception_type": "AbandonedJobError", "result_type": 2, "result_id": f"{int(T0) + 90}000-0"}

PROGRESS = {"progress": {"current": 2, "total": 4, "message": "reel 2"}}


def check(readings: list[Observation], expected: Mapping[str, object]) -> None:
    assert_same_state_in_any_order(readings, expected, engine=Engine.RQ)


def finished(at: float, run: dict[str, Any]) -> Observation:
    return job("finished", at + 0.1, **(run | {"ended_at": at, "result_type": 1, "result_id": f"{int(T0 + at)}000-0"}))


@pytest.mark.parametrize("execution", ["e1", None], ids=["RQ 2.8 and newer", "RQ before 2.8"])
def test_a_job_that_rq_gave_up_and_its_work_horse_finished_has_succeeded(execution: str | None) -> None:
    """The work-horse of a killed worker goes on; the id is in `failed` and in `finished` then."""
    started, abandoned = STARTED | {"execution_id": execution}, STARTED | GIVEN_UP | {"execution_id": None}
    readings: list[Observation] = [job("started", 2.1, **started), job("failed", 90.1, **abandoned)]
    check(readings, {"state": State.LOST, "detail": "abandoned", "finished_at": T0 + 90})
    expected = {"state": State.SUCCEEDED, "detail": None, "attempts": 1, "exception_type": None, "runtime_seconds": 118.0}
    check([*readings, finished(120.0, started)], expected)


def test_two_runs_at_once_are_two_attempts() -> None:
    """RQ gave the first up and started the job again; the first ends while the second still runs."""
    second = STARTED | {"worker": "w2", "execution_id": "e2", "started_at": 92.0, "heartbeat_at": 92.0, "retries_left": 0}
    readings: list[Observation] = [
        job("started", 2.1, **STARTED, retries_left=1),
        job("started", 92.1, **second),
        finished(100.0, STARTED | {"retries_left": 0}),
    ]
    check(readings, {"state": State.SUCCEEDED, "attempts": 2, "worker": "w1"})
    both = [*readings, finished(130.0, second)]
    expected = {
        "state": State.SUCCEEDED,
        "attempts": 2,
        "worker": "w2",
        "runtime_seconds": 38.0,
        "history": lambda past: (
            [(one.state, one.worker, one.runtime_seconds) for one in past] == [(State.SUCCEEDED, "w1", 98.0)]
        ),
    }
    check(both, expected)


def test_a_job_stuck_between_its_queue_and_its_worker_is_lost_with_rq_s_words() -> None:
    words = "Job was stuck in intermediate queue."
    readings: list[Observation] = [
        job("queued", 1.1, **QUEUED),
        job("failed", 90.1, **QUEUED, exception=words, result_type=2, result_id=f"{int(T0) + 90}000-0"),
    ]
    expected = {"state": State.LOST, "detail": "stuck_in_intermediate", "exception": words, "attempts": 0, "started_at": None}
    check(readings, expected | {"finished_at": T0 + 90})


def test_an_id_that_is_enqueued_again_is_another_attempt_with_times_of_its_own() -> None:
    """The hash is overwritten, created_at included, and one stream holds the results of both runs."""
    again: dict[str, Any] = {"created_at": 10.0, "enqueued_at": 10.5}
    run = again | {"started_at": 11.0, "worker": "w2", "execution_id": "e2"}
    readings: list[Observation] = [job("started", 2.1, **STARTED), finished(5.0, STARTED), job("queued", 10.6, **again)]
    history: dict[str, object] = {"history": lambda past: [one.worker for one in past] == ["w1"]}
    check(readings, {"state": State.QUEUED, "worker": None, "result": None} | history)
    expected = {"state": State.SUCCEEDED, "attempts": 2, "worker": "w2", "wait_seconds": 0.5, "runtime_seconds": 1.0}
    check([*readings, finished(12.0, run)], expected | history)


def test_a_status_that_no_rq_had_so_far_is_no_failure() -> None:
    """1.16 had eight, 3.0 has eleven."""
    check([job("pondering", 1.1, **QUEUED)], {"state": State.QUEUED, "detail": "pondering", "attempts": 0})
    running: list[Observation] = [job("started", 2.1, **STARTED), job("pondering", 3.1, **STARTED)]
    check(running, {"state": State.RUNNING, "attempts": 1})
    check([*running, finished(5.0, STARTED)], {"state": State.SUCCEEDED, "attempts": 1})


def test_a_returned_retry_that_is_used_up_has_failed() -> None:
    """Its last result is of type 5 (2.1 and newer)."""
    last = STARTED | {"ended_at": 5.0, "result_type": 5, "result_id": f"{int(T0) + 5}000-0", "number_of_retries": 2}
    check([job("failed", 5.1, **last)], {"state": State.FAILED, "attempts": 3, "retries": 2})


def test_what_may_hold_secrets_in_the_clear_is_not_read() -> None:
    """webhooks is JSON with the headers of its requests; `result` is a pickle, and the others are asked for by themselves."""
    assert not {"webhooks", "result", "exc_info", "data", "meta"} & set(FIELDS)


@pytest.mark.parametrize(
    "meta", [json.dumps(PROGRESS).encode(), *(pickle.dumps(PROGRESS, protocol) for protocol in range(6))], ids=repr
)
def test_progress_is_read_whatever_wrote_the_meta(meta: bytes) -> None:
    """`meta` is not compressed, as `data` is; a serializer of one's own may write JSON or an old protocol."""
    reading = JobSeen("j", "started", T0)
    add_meta(reading, meta, Redactor(Redaction()), SystemClock())
    assert reading.progress is not None
    assert (reading.progress.percent, reading.progress.message) == (50.0, "reel 2")

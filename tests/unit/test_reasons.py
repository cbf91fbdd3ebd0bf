"""What is null because it cannot be known says why; what has not happened yet does not."""

import pytest
from taskscope_shared.model import Engine, State, Task
from taskscope_shared.reasons import unknown_fields


def task(engine: Engine = Engine.CELERY, state: State = State.SUCCEEDED, **fields: object) -> Task:
    return Task("t", "s", engine, state, 1, 1, **fields)  # type: ignore[arg-type]


def test_a_celery_task_without_sent_events_has_neither_sending_nor_wait_nor_queue() -> None:
    reasons = unknown_fields(task(name="f", started_at=1.0, finished_at=2.0, runtime_seconds=1.0, result="1", attempts=1))
    assert {"sent_at", "wait_seconds", "queue", "group_id", "trace_id", "cpu_seconds", "peak_rss_bytes"} <= set(reasons)
    assert "task_send_sent_event" in reasons["wait_seconds"]


def test_what_is_known_has_no_reason() -> None:
    known = task(
        name="f", queue="q", sent_at=0.5, started_at=1.0, finished_at=2.0, runtime_seconds=1.0, wait_seconds=0.5, result="1",
        group_id="g", trace_id="a", cpu_seconds=1.0, peak_rss_bytes=1, worker="w", received_at=0.9, args="()", kwargs="{}",
        priority=0, root_id="t",
    )  # fmt: skip
    assert unknown_fields(known) == {}


def test_what_has_not_happened_yet_has_no_reason() -> None:
    waiting = unknown_fields(task(state=State.QUEUED, name="f", sent_at=1.0, queue="q"))
    assert not {"started_at", "finished_at", "wait_seconds", "runtime_seconds", "result"} & set(waiting)


def test_a_task_without_outcome_says_so() -> None:
    reasons = unknown_fields(task(state=State.REVOKED, detail="no_outcome", started_at=1.0))
    assert "nobody said how it ended" in reasons["result"]
    assert "nobody said how it ended" in reasons["runtime_seconds"]


def test_a_lost_task_has_no_runtime_because_its_worker_died() -> None:
    assert "died" in unknown_fields(task(state=State.LOST, started_at=1.0))["runtime_seconds"]


def test_an_rq_job_that_vanished_says_why_it_has_no_result() -> None:
    reasons = unknown_fields(task(Engine.RQ, detail="result_ttl_0", started_at=1.0, wait_seconds=0.1, name="f"))
    assert "result_ttl=0" in reasons["result"]
    assert "result_ttl=0" in reasons["runtime_seconds"]
    assert "queue" not in reasons


# Fields that are null where there is nothing to be known, rather than nobody to tell it.
NOTHING_TO_TELL = {"eta_at", "expires_at", "progress", "parent_id", "group_id", "detail", "uncertain", "result", "received_at"}
NOTHING_TO_TELL |= {"priority"}  # RQ has none
NOTHING_TO_TELL |= {"span_id"}  # what links of our own traces lead to: shown to nobody
CAUSES = {"exception_type", "exception", "traceback"}


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.REJECTED, State.LOST])
def test_a_task_of_which_little_was_seen_explains_whatever_is_null(engine: Engine, state: State) -> None:
    torso = task(engine, state)
    reasons = unknown_fields(torso)
    null = {name for name in Task.__struct_fields__ if getattr(torso, name) is None}
    here = {"name", "queue", "sent_at", "root_id"} if engine is Engine.RQ else set()  # RQ's hash has them, or there is no root
    explained = null - NOTHING_TO_TELL - here - (set() if state is State.FAILED else CAUSES)
    assert explained - set(reasons) == set()
    assert all(reasons.values())
    assert set(reasons) <= null


def test_a_runtime_that_the_worker_told_is_known_though_its_start_is_not() -> None:
    reasons = unknown_fields(task(name="f", finished_at=2.0, runtime_seconds=1.0))
    assert "runtime_seconds" not in reasons
    assert {"started_at", "wait_seconds", "received_at", "worker"} <= set(reasons)


def test_words_of_rq_itself_have_no_exception_type_to_be_known() -> None:
    reasons = unknown_fields(task(Engine.RQ, State.FAILED, exception="Work-horse terminated unexpectedly", started_at=1.0))
    assert not {"exception_type", "exception"} & set(reasons)


def test_a_task_that_was_revoked_before_its_start_never_had_a_worker() -> None:
    reasons = unknown_fields(task(state=State.REVOKED, name="f", detail="revoked", finished_at=1.0))
    assert not {"worker", "received_at", "started_at", "runtime_seconds"} & set(reasons)

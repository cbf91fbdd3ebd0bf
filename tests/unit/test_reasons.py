"""What is null because it cannot be known says why; what has not happened yet does not."""

from taskscope_shared.model import Engine, State, Task
from taskscope_shared.reasons import unknown_fields


def task(engine: Engine = Engine.CELERY, state: State = State.SUCCEEDED, **fields: object) -> Task:
    return Task("t", "s", engine, state, 1, 1, **fields)  # type: ignore[arg-type]


def test_a_celery_task_without_sent_events_has_neither_sending_nor_wait_nor_queue() -> None:
    reasons = unknown_fields(task(name="f", started_at=1.0, finished_at=2.0, runtime_seconds=1.0, result="1", attempts=1))
    assert {"sent_at", "wait_seconds", "queue", "group_id", "trace_id", "cpu_seconds", "peak_rss_bytes"} == set(reasons)
    assert "task_send_sent_event" in reasons["wait_seconds"]


def test_what_is_known_has_no_reason() -> None:
    known = task(
        name="f", queue="q", sent_at=0.5, started_at=1.0, finished_at=2.0, runtime_seconds=1.0, wait_seconds=0.5, result="1",
        group_id="g", trace_id="a", cpu_seconds=1.0, peak_rss_bytes=1,
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

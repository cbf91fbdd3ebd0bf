"""Whatever is null of a worker, a queue or an attempt says why."""

import pytest
from taskscope_shared.model import Attempt, Engine, Queue, State, Worker, WorkerState
from taskscope_shared.reasons import unknown_attempt_fields
from taskscope_shared.reasons_cluster import unknown_queue_fields, unknown_worker_fields


def null(struct: object, *but: str) -> set[str]:
    names: tuple[str, ...] = struct.__struct_fields__  # type: ignore[attr-defined]
    return {name for name in names if getattr(struct, name) is None} - set(but)


@pytest.mark.parametrize("engine", list(Engine))
def test_a_worker_of_which_only_the_name_is_known_explains_whatever_is_null(engine: Engine) -> None:
    worker = Worker("w", "s", engine, WorkerState.ONLINE)
    assert set(unknown_worker_fields(worker)) == null(worker, "detail")


@pytest.mark.parametrize("engine", list(Engine))
def test_a_queue_that_nobody_counted_explains_whatever_is_null(engine: Engine) -> None:
    queue = Queue("q", "s", engine)
    assert set(unknown_queue_fields(queue)) == null(queue, "detail")


def test_a_queue_says_what_its_broker_cannot_tell() -> None:
    unread, read = Queue("q", "s", Engine.CELERY, depth=0), Queue("q", "s", Engine.CELERY, depth=3, consumers=1)
    for queue in (unread, read):  # a Redis broker's queue has consumers, too, once workers told what they read
        assert {"Redis", "AMQP"} <= set(unknown_queue_fields(queue)["unacked"].split())
    assert "consumers" not in unknown_queue_fields(read)


def test_an_empty_queue_has_no_oldest_entry_and_a_missing_one_says_what_its_detail_says() -> None:
    assert "oldest_at" not in unknown_queue_fields(Queue("q", "s", Engine.RQ, depth=0))
    assert unknown_queue_fields(Queue("q", "s", Engine.CELERY, consumers=0, detail="is missing"))["depth"] == "is missing"


# Fields of an attempt that have nothing to tell where it succeeded or was revoked.
CAUSES = ("exception_type", "exception")


@pytest.mark.parametrize("state", [State.FAILED, State.RETRYING, State.LOST, State.SUCCEEDED])
def test_an_ended_attempt_of_which_little_was_seen_explains_whatever_is_null(state: State) -> None:
    attempt = Attempt(1, state)
    but = () if state in (State.FAILED, State.RETRYING) else CAUSES
    assert set(unknown_attempt_fields(attempt, Engine.CELERY)) == null(attempt, *but)
    assert set(unknown_attempt_fields(attempt, Engine.RQ)) == null(attempt, "received_at", *but)


def test_an_attempt_that_waits_or_runs_has_not_ended_yet() -> None:
    waiting = unknown_attempt_fields(Attempt(1, State.RESERVED, worker="w", queued_at=1.0, received_at=2.0), Engine.CELERY)
    assert waiting == {}
    running = unknown_attempt_fields(Attempt(2, State.RUNNING, worker="w", received_at=2.0, started_at=3.0), Engine.CELERY)
    assert set(running) == {"queued_at", "wait_seconds"}
    assert "retry" in running["wait_seconds"]


def test_clocks_that_disagree_leave_no_wait_and_say_so() -> None:
    attempt = Attempt(1, State.SUCCEEDED, "w", 9.0, 2.0, 3.0, 4.0, None, 1.0)
    assert "clocks" in unknown_attempt_fields(attempt, Engine.CELERY)["wait_seconds"]

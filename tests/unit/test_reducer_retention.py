"""Budgets, ages and tombstones: what is remembered, and what it costs to forget."""

from msgspec.structs import asdict
from support.reducing import T0, W1, draft, event, held, reducer
from taskscope_collector.observations import JobSeen, Observation, QueuesSeen, TaskQueued
from taskscope_collector.reducer.kinds import CACHED, Kinds
from taskscope_collector.reducer.state import SourceState
from taskscope_shared.codec import decode_task, encode
from taskscope_shared.model import Engine, Queue, State, Task, Worker, WorkerState
from taskscope_shared.settings import DEFAULT_KINDS


def run(state: SourceState, number: int, end: str = "succeeded") -> str:
    """A task that ends `number` seconds after T0."""
    id_ = f"{end}-{number}"
    state.apply(event("received", number - 0.5, id_=id_, name="app.f", retries=0, args="()", kwargs="{}"))
    state.apply(event("started", number - 0.4, id_=id_))
    state.apply(event(end, number, id_=id_))
    return id_


def ids(state: SourceState) -> set[str]:
    return set(state._books.records)


def test_finished_tasks_live_within_their_budget_oldest_out_first() -> None:
    state = reducer(finished=10)
    for number in range(1, 31):
        run(state, number)
    state.tick(T0 + 31)
    assert ids(state) == {f"succeeded-{number}" for number in range(21, 31)}
    assert sorted(state.drain().removed) == sorted(f"succeeded-{number}" for number in range(1, 21))
    assert (state.retained, state.evicted) == (10, 20)


def test_a_flood_of_successes_does_not_push_failures_out() -> None:
    state = reducer(finished=10, failed=5)
    failed = [run(state, number, "failed") for number in range(1, 4)]
    for number in range(4, 100):
        run(state, number)
    state.tick(T0 + 100)
    assert set(failed) <= ids(state)
    assert state.retained == 13


def test_finished_tasks_leave_for_their_age() -> None:
    state = reducer(seconds=60.0)
    run(state, 1)
    run(state, 50)
    state.tick(T0 + 70)
    assert ids(state) == {"succeeded-50"}


def test_running_and_reserved_tasks_never_leave() -> None:
    state = reducer(finished=2, failed=2, queued=2, seconds=60.0)
    for number in range(20):
        state.apply(event("received", number, id_=f"r{number}", name="app.f", retries=0))
        state.apply(held("active", number, id_=f"h{number}", started_at=number))
    state.tick(T0 + 1_000_000)
    assert state.retained == 40
    assert len(state.open_tasks()) == 40
    assert set(state.open_tasks_of(W1)) == ids(state)


def test_waiting_tasks_beyond_the_ceiling_are_only_counted() -> None:
    state = reducer(queued=5)
    for number in range(8):
        state.apply(event("sent", number, worker="g", id_=f"q{number}", name="app.f", queue="q", retries=0))
    state.apply(TaskQueued("peeked", "q", T0, T0))
    assert (state.retained, state.uncounted_queued) == (5, 4)
    assert state.queued_tasks(3) == ["q0", "q1", "q2"]
    state.apply(event("received", 20, id_="q7", name="app.f", retries=0))
    assert draft(state, "q7").state is State.RESERVED


def test_the_count_beyond_the_ceiling_ends_when_there_is_room_again() -> None:
    state = reducer(queued=2)
    for number in range(4):
        state.apply(event("sent", number, worker="g", id_=f"q{number}", name="app.f", queue="q", retries=0))
    for number in range(2):
        state.apply(event("received", 9 + number, id_=f"q{number}", name="app.f", retries=0))
    state.tick(T0 + 12)
    assert state.uncounted_queued == 0


def test_rq_jobs_beyond_the_ceiling_are_only_counted() -> None:
    state = reducer(Engine.RQ, queued=3)
    for number in range(5):
        state.apply(JobSeen(f"j{number}", "queued", T0 + number, name="f"))
    assert (state.retained, state.uncounted_queued) == (3, 2)


def test_a_late_event_does_not_bring_an_evicted_task_back() -> None:
    state = reducer(finished=1)
    run(state, 1)
    run(state, 2)
    state.tick(T0 + 3)
    state.apply(event("succeeded", 1.0, id_="succeeded-1"))
    state.apply(held("active", 1.0, id_="succeeded-1"))
    assert ids(state) == {"succeeded-2"}
    assert state.late == 2


def test_a_task_that_runs_again_counts_as_open_and_then_by_its_new_end() -> None:
    state = reducer(finished=2)
    run(state, 1)
    run(state, 2)
    state.apply(event("received", 3, id_="succeeded-1", name="app.f", retries=0))
    state.apply(event("started", 3.1, id_="succeeded-1"))
    run(state, 4)
    state.tick(T0 + 5)
    assert ids(state) == {"succeeded-1", "succeeded-2", "succeeded-4"}
    state.apply(event("succeeded", 6, id_="succeeded-1"))
    state.tick(T0 + 7)
    assert ids(state) == {"succeeded-1", "succeeded-4"}


def test_settled_tasks_forget_their_facts() -> None:
    state = reducer()
    id_ = run(state, 1)
    assert state._books.records[id_].facts
    for second in range(20):
        state.tick(T0 + second)
    assert state._books.records[id_].facts is None


def test_a_drain_takes_each_change_once_and_at_most_the_limit() -> None:
    state = reducer()
    for number in range(1, 8):
        run(state, number)
    first, second = state.drain(5), state.drain(5)
    assert (len(first.tasks), len(second.tasks), len(state.drain().tasks)) == (5, 2, 0)
    state.remark(first.tasks, ["gone"])
    again = state.drain()
    assert (again.tasks, again.removed) == (first.tasks, ["gone"])
    state.mark_all()
    assert len(state.drain().tasks) == 7


def test_a_record_is_encoded_as_the_task_that_it_is() -> None:
    state = reducer()
    run(state, 1, "failed")
    (record,) = state.drain().tasks
    task = decode_task(encode(record.draft))
    assert (task.id, task.state, task.attempts, task.worker) == ("failed-1", State.FAILED, 1, W1)


def test_after_a_restart_what_was_written_goes_on() -> None:
    before = reducer()
    run(before, 1)
    before.apply(event("received", 2, id_="open", name="app.f", retries=0, args="(1,)"))
    before.apply(event("started", 2.1, id_="open"))
    before.apply(event("sent", 3, worker="g", id_="waiting", name="app.f", queue="q", retries=0))
    stored = [Task(**asdict(record.draft)) for record in before.drain().tasks]
    after = reducer()
    after.load(stored, [Worker(W1, "s", Engine.CELERY, WorkerState.ONLINE)], [Queue("q", "s", Engine.CELERY)])
    changes = after.drain()
    assert (changes.tasks, changes.workers, changes.queues) == ([], [], [])
    later: list[Observation] = [
        event("received", 2, id_="open", name="app.f", retries=0),  # seen before the restart already
        event("succeeded", 5, id_="open", runtime=2.9),
        event("received", 4, id_="waiting", name="app.f", retries=0),
        event("started", 4.5, id_="waiting"),
    ]
    for one in later:
        after.apply(one)
    done, runs = draft(after, "open"), draft(after, "waiting")
    assert (done.state, done.started_at, done.attempts, done.args) == (State.SUCCEEDED, T0 + 2.1, 1, "(1,)")
    assert (runs.state, runs.wait_seconds, runs.attempts, runs.queue) == (State.RUNNING, 1.5, 1, "q")


def test_queues_that_are_not_counted_any_more_are_gone() -> None:
    state = reducer()
    state.apply(QueuesSeen([Queue("a", "s", Engine.CELERY, 1, at=T0), Queue("b", "s", Engine.CELERY, 1, at=T0)], T0))
    state.drain()
    state.apply(QueuesSeen([Queue("a", "s", Engine.CELERY, 1, at=T0 + 2)], T0 + 2))
    changes = state.drain()
    assert (changes.queues, changes.removed_queues) == ([], ["b"])
    state.apply(QueuesSeen([Queue("a", "s", Engine.CELERY, 7, at=T0 + 4)], T0 + 4))
    assert [queue.depth for queue in state.drain().queues] == [7]


def test_kinds_match_in_any_case_first_pattern_wins_and_the_cache_is_bounded() -> None:
    kinds = Kinds(DEFAULT_KINDS)
    assert [kinds.of(name) for name in ("app.VOD.encode", "tasks.transcribe_video", "x.Purge_old", "app.mail")] == [
        "vod",
        "vod",
        "cleanup",
        "other",
    ]
    for number in range(CACHED + 10):
        kinds.of(f"app.task{number}")
    assert len(kinds._known) <= CACHED

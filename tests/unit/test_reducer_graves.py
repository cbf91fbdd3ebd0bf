"""Evicted tasks: what they contributed to the rollups is corrected while they are in their graves, and never guessed after."""

from typing import Any

from msgspec.structs import asdict
from support.reducing import T0, event, held, job, reducer, result
from taskscope_collector.reducer import retention
from taskscope_collector.reducer.record import Lane
from taskscope_collector.reducer.state import SourceState
from taskscope_shared.model import Engine, State, Task


def run(state: SourceState, number: int, end: str = "succeeded") -> str:
    """A task that ends `number` seconds after T0."""
    id_ = f"{end}-{number}"
    state.apply(event("received", number - 0.5, id_=id_, name="app.f", retries=0, args="(1,)", kwargs="{}"))
    state.apply(event("started", number - 0.4, id_=id_))
    state.apply(event(end, number, id_=id_))
    return id_


def evicted(state: SourceState) -> str:
    """A task that was written, settled and evicted."""
    id_ = run(state, 1)
    for number in range(2, 4):
        run(state, number)
    state.drain()
    for second in range(4, 24):
        state.tick(T0 + second)
    assert id_ not in state._books.records
    state.drain()
    return id_


def restarted(before: SourceState, **budgets: Any) -> SourceState:
    """Another reducer that loaded what `before` retains."""
    after = reducer(**budgets)
    after.load([Task(**asdict(record.draft)) for record in before._books.records.values()], [], [])
    return after


def test_a_late_fact_corrects_an_evicted_task_in_its_grave_without_bringing_it_back() -> None:
    state = reducer(finished=2)
    id_ = evicted(state)
    state.apply(event("received", 30, id_=id_, name="app.f", retries=0))
    state.apply(event("started", 30.1, id_=id_))
    state.apply(event("failed", 31, id_=id_, exception="E('x')"))
    (record,) = state.drain().tasks
    assert (record.lane, record.draft.state, record.draft.attempts) == (Lane.GONE, State.FAILED, 2)
    assert [attempt.state for attempt in record.draft.history] == [State.SUCCEEDED]
    assert id_ not in state._books.records
    assert state.open_tasks() == []
    state.tick(T0 + 60)
    assert state.drain().tasks == []
    assert (state.late, state.retained) == (3, 2)


def test_what_ended_and_was_evicted_before_it_could_be_written_still_counts() -> None:
    state = reducer(finished=1)
    first, second = run(state, 1), run(state, 2)
    state.tick(T0 + 3)
    changes = state.drain()
    assert {record.draft.id: record.lane for record in changes.tasks} == {first: Lane.GONE, second: Lane.FINISHED}
    assert changes.removed == [first]


def test_a_grave_keeps_no_payload_and_no_facts() -> None:
    state = reducer(finished=2)
    id_ = evicted(state)
    state.apply(event("succeeded", 1.5, id_=id_, result="'x'"))
    for second in range(30, 50):
        state.tick(T0 + second)
    record = state._books.graves[id_]
    assert (record.facts, record.base) == (None, None)
    assert (record.draft.args, record.draft.kwargs, record.draft.result) == (None, None, None)


def test_graves_are_bounded_and_then_the_id_alone_is_remembered() -> None:
    state = reducer(finished=1)
    total = retention.LEAST_GRAVES + 50
    for number in range(1, total + 2):
        run(state, number)
    state.tick(T0 + total + 2)
    assert len(state._books.graves) == retention.LEAST_GRAVES
    state.drain()
    state.apply(event("failed", total, id_="succeeded-1"))
    assert (state.drain().tasks, state.late, state.retained) == ([], 1, 1)


def test_a_task_with_many_attempts_takes_the_room_of_several_graves() -> None:
    state = reducer(finished=1)
    for at in range(1, 20):
        state.apply(event("received", at, id_="many", name="app.f", retries=at - 1))
        state.apply(event("started", at + 0.1, id_="many"))
        state.apply(event("retried" if at < 19 else "failed", at + 0.5, id_="many"))
    books = state._books
    books._remove(books.records["many"])
    assert books._graves_size == 1 + 18 // retention.ATTEMPTS_OF_A_GRAVE
    books.close_graves()
    assert (books._graves_size, books.graves) == (0, {})


def test_while_nothing_can_be_written_evicted_tasks_do_not_pile_up() -> None:
    state = reducer(finished=1)
    total = 3 * retention.LEAST_GRAVES
    for number in range(1, total + 1):
        run(state, number)
        state.tick(T0 + number)
    assert len(state._books.dirty) <= 2 * retention.LEAST_GRAVES + 2
    written = len(state.drain().tasks)
    assert written + state._books.given_up == total
    assert any(str(state._books.given_up) in note for note in state.source_health(T0).notes)


class TestAfterARestart:
    def test_the_end_of_an_evicted_task_does_not_make_a_torso(self) -> None:
        before = reducer(finished=2)
        id_ = evicted(before)
        after = restarted(before, finished=2)
        after.apply(event("succeeded", 1, id_=id_))
        after.apply(result("SUCCESS", 1, id_=id_))
        assert (after.retained, after.late) == (2, 2)

    def test_a_failure_is_compared_with_failures_alone(self) -> None:
        before = reducer(finished=2)
        evicted(before)
        after = restarted(before, finished=2)
        after.apply(event("failed", 1, id_="other"))
        assert after.retained == 3

    def test_what_ended_later_or_is_not_over_is_taken(self) -> None:
        before = reducer(finished=2)
        evicted(before)
        after = restarted(before, finished=2)
        after.apply(event("succeeded", 30, id_="new"))
        after.apply(event("started", 0.5, id_="runs"))
        after.apply(held("active", 31, id_="held", started_at=0.5))
        after.apply_batch([event("started", 0.5, id_="whole"), event("succeeded", 1, id_="whole")])
        assert {"new", "runs", "held", "whole"} <= set(after._books.records)

    def test_where_the_budget_is_not_used_up_nothing_was_evicted_for_it(self) -> None:
        before = reducer(finished=2)
        id_ = evicted(before)
        after = restarted(before, finished=1000)
        after.apply(event("succeeded", 1, id_=id_))
        assert after.retained == 3

    def test_a_failed_job_that_rq_keeps_for_longer_than_we_do_is_not_counted_again(self) -> None:
        state = reducer(Engine.RQ, seconds=60.0)
        state.tick(T0 + 100)
        state.apply(job("failed", 100, id_="old", started_at=1, ended_at=2))
        state.apply(job("canceled", 100, id_="older", created_at=1, enqueued_at=1))
        state.apply(job("failed", 100, id_="new", started_at=90, ended_at=91))
        state.apply(job("queued", 100, id_="waits", enqueued_at=1))
        assert set(state._books.records) == {"new", "waits"}
        assert state.late == 2

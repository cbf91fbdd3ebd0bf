"""The indices against a plain search over all tasks."""

from fnmatch import fnmatchcase
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.api import task
from taskscope_api.filters import Filter, Matcher
from taskscope_api.held import Held
from taskscope_api.live_view import LiveView, Place
from taskscope_api.sorting import NUMBERS, SHARED, sort_named
from taskscope_shared.model import GROUP_OF, Engine, Group, Position, Queue, State, Task

NAMES = ["a.one", "a.two", "b.one", None]
WORKERS = ["w1", "w2", None]
STATES = [State.RUNNING, State.QUEUED, State.SUCCEEDED, State.FAILED, State.RETRYING]
TASKS = st.builds(
    task,
    st.text("0123456789ab-/", min_size=1, max_size=2),
    source=st.sampled_from(["s", "s-t", "z"]),
    state=st.sampled_from(STATES),
    seq=st.integers(1, 30),
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(["vod", "other"]),
    queue=st.sampled_from(["q1", "q2", None]),
    worker=st.sampled_from(WORKERS),
    engine=st.sampled_from(list(Engine)),
    updated_at=st.integers(0, 6).map(float),
    runtime_seconds=st.one_of(st.none(), st.integers(0, 3).map(float)),
)
STEPS = st.lists(
    st.one_of(TASKS, st.tuples(st.sampled_from(["s", "s-t", "z"]), st.text("0123", min_size=1, max_size=2))), max_size=120
)
FILTERS = st.builds(
    Filter,
    state=st.lists(st.sampled_from(STATES), max_size=2).map(tuple),
    group=st.lists(st.sampled_from(list(Group)), max_size=1).map(tuple),
    kind=st.lists(st.sampled_from(["vod", "other"]), max_size=1).map(tuple),
    name=st.lists(st.sampled_from(["a.*", "*one", "b.one", "*.*o*", "nothing*"]), max_size=2).map(tuple),
    queue=st.lists(st.sampled_from(["q1", "q3"]), max_size=1).map(tuple),
    worker=st.lists(st.sampled_from(["w1", "w2", "w9"]), max_size=2).map(tuple),
    source=st.lists(st.sampled_from(["s", "z"]), max_size=2).map(tuple),
    engine=st.lists(st.sampled_from(list(Engine)), max_size=1).map(tuple),
)
SORTS = st.sampled_from(["live", *(sign + field for sign in ("", "-") for field in (*NUMBERS, *SHARED))])


def matches(one: Task, wanted: Filter) -> bool:
    fields: list[tuple[tuple[str, ...], Any]] = [
        (wanted.state, one.state),
        (wanted.group, GROUP_OF[one.state]),
        (wanted.kind, one.kind),
        (wanted.queue, one.queue),
        (wanted.worker, one.worker),
        (wanted.source, one.source),
        (wanted.engine, one.engine),
    ]
    named = not wanted.name or (one.name is not None and any(fnmatchcase(one.name, name) for name in wanted.name))
    return named and all(not values or value in values for values, value in fields)


def in_order(tasks: list[Task], name: str) -> list[Task]:
    """By the rules of docs/architecture.md, the slow way."""
    by_key = sorted(tasks, key=lambda one: f"{one.source}/{one.id}")
    if name == "live":
        return sorted(by_key, key=lambda one: (one.state is not State.RUNNING, -one.updated_at))
    field, descending = name.removeprefix("-"), name.startswith("-")

    def value(one: Task) -> Any:
        return GROUP_OF[one.state] if field == "group" else getattr(one, field)

    known = sorted((one for one in by_key if value(one) is not None), key=value, reverse=descending)
    return known + [one for one in by_key if value(one) is None]


def made_of(steps: list[Any], live: LiveView) -> dict[tuple[str, str], Task]:
    held: dict[tuple[str, str], Task] = {}
    for step in steps:
        source = step.source if isinstance(step, Task) else step[0]
        replica = live.replicas.setdefault(source, live.new_replica(source))
        if isinstance(step, Task):
            old = held.get((source, step.id))
            if old is None or step.seq > old.seq:
                held[source, step.id] = step
            assert replica.put(step) == (old is None or step.seq > old.seq)
        else:
            assert replica.remove(step[1], Position(9, 9)) == ((source, step[1]) in held)
            held.pop((source, step[1]), None)
    return held


def copies(steps: list[Any]) -> list[Any]:
    """The replica makes equal strings one object inside the tasks it is given."""
    return [Task(**{n: getattr(step, n) for n in Task.__struct_fields__}) if isinstance(step, Task) else step for step in steps]


@given(STEPS, FILTERS, SORTS, st.integers(1, 7))
@settings(max_examples=300, deadline=None)
async def test_pages_by_cursor_give_every_match_once_in_order_with_the_right_total(
    steps: list[Any], wanted: Filter, name: str, limit: int
) -> None:
    live, sort = LiveView(), sort_named(name)
    half = copies(steps)
    held = made_of(half[: len(half) // 2], live)
    await live.prepare(sort)  # whatever comes later has to enter the order, too
    held.update(_later(half[len(half) // 2 :], live, held))
    expected = in_order([one for one in held.values() if matches(one, wanted)], name)
    matcher, shown, after = Matcher(wanted.checked(), None), list[Held](), None
    while True:
        page = live.page(matcher, sort, limit, after)
        assert page.total == len(expected)
        shown += page.tasks
        after = page.next
        if after is None:
            break
    assert [(one.source, one.id, one.seq) for one in shown] == [(one.source, one.id, one.seq) for one in expected]


def _later(steps: list[Any], live: LiveView, held: dict[tuple[str, str], Task]) -> dict[tuple[str, str], Task]:
    for step in steps:
        source = step.source if isinstance(step, Task) else step[0]
        replica = live.replicas.get(source)
        if replica is None:
            replica = live.replicas[source] = live.new_replica(source)
        if not isinstance(step, Task):
            replica.remove(step[1], Position(9, 9))
            held.pop((source, step[1]), None)
        elif replica.put(step):
            held[source, step.id] = step
    return held


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_counts_kept_as_changes_arrive_are_the_counts_of_what_is_held(steps: list[Any]) -> None:
    live = LiveView()
    held = made_of(copies(steps), live).values()
    summary = live.summary(Matcher(Filter(kind=("vod",), source=("s",)), None))
    ours = [one for one in held if one.source == "s"]
    assert summary.total == sum(one.kind == "vod" for one in ours)
    assert summary.failed == sum(one.kind == "vod" and one.state is State.FAILED for one in ours)
    assert summary.finished == sum(one.kind == "vod" and one.group is Group.FINISHED for one in ours)
    assert sum(kind.total for kind in summary.by_kind.values()) == len(ours)


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_an_emptied_replica_keeps_nothing_behind(steps: list[Any]) -> None:
    live = LiveView()
    for source, id_ in made_of(copies(steps), live):
        live.replicas[source].remove(id_, Position(9, 9))
    for replica in live.replicas.values():
        assert (replica.tasks, replica.cohorts, replica.by_worker) == ({}, {}, {})


def test_a_queue_that_was_emptied_but_for_one_is_not_searched_again_and_again() -> None:
    live = LiveView()
    replica = live.replicas["s"] = live.new_replica("s")
    for number in range(5000):
        replica.put(task(str(number), state=State.QUEUED, updated_at=float(number)))
    for number in range(1, 5000):
        replica.remove(str(number), Position(9, 9))
    assert [one.id for one in live.page(Matcher(Filter(), None), sort_named("-updated_at"), 10).tasks] == ["0"]
    (cohort,) = replica.cohorts.values()
    assert len(cohort.orders["updated_at", True]) == 1


def test_a_removal_does_not_take_a_task_that_was_written_after_it() -> None:
    replica = LiveView().new_replica("s")
    replica.put(task("a", epoch=1, seq=5))
    assert not replica.remove("a", Position(1, 4))
    assert replica.remove("a", Position(1, 5))


def test_many_tasks_of_a_worker_are_paged_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    live = LiveView()
    replica = live.replicas["s"] = live.new_replica("s")
    for number in range(200):
        replica.put(task(str(number), worker=f"w{number % 2}", updated_at=float(number)))
    matcher, sort = Matcher(Filter(worker=("w1",)), None), sort_named("-updated_at")
    few = live.page(matcher, sort, 10, Place((0, ""), -150.0, "s/150"))
    monkeypatch.setattr("taskscope_api.live_view.SCATTERED", 10)
    many = live.page(matcher, sort, 10, Place((0, ""), -150.0, "s/150"))
    assert [one.id for one in many.tasks] == [one.id for one in few.tasks] == [str(n) for n in range(149, 129, -2)]
    assert (many.total, many.next) == (few.total, few.next) == (100, Place((0, ""), -131.0, "s/131"))


def test_a_cursor_holds_when_all_tasks_of_its_rank_left_meanwhile() -> None:
    live = LiveView()
    replica = live.replicas["s"] = live.new_replica("s")
    for name in ("a", "b", "c"):
        replica.put(task(name, name=name, worker="w"))
    for _ in replica.keep((None, False)):
        pass
    place = live.page(Matcher(Filter(), None), sort_named("name"), 2).next
    assert place is not None
    assert place.rank == (0, "b")
    replica.remove("b", Position(9, 9))
    for wanted in (Filter(), Filter(worker=("w",))):
        rest = live.page(Matcher(wanted, None), sort_named("name"), 2, place)
        assert [one.id for one in rest.tasks] == ["c"]


def test_brokers_counts_are_null_where_no_broker_tells_and_where_a_kind_is_asked_for() -> None:
    live = LiveView()
    replica = live.replicas["s"] = live.new_replica("s")
    assert live.summary(Matcher(Filter(), None)).broker_queued is None
    replica.queues["q"] = Queue("q", "s", Engine.CELERY, depth=3)
    replica.queues["r"] = Queue("r", "s", Engine.CELERY)
    assert live.summary(Matcher(Filter(), None)).broker_queued == 3
    assert live.summary(Matcher(Filter(kind=("vod",)), None)).broker_queued is None


def test_a_scope_hides_other_sources() -> None:
    live = LiveView()
    for source in ("s", "z"):
        live.replicas[source] = live.new_replica(source)
        live.replicas[source].put(task("a", source=source))
    page = live.page(Matcher(Filter(), frozenset({"z"})), sort_named("-updated_at"), 10)
    assert ([one.source for one in page.tasks], page.total) == (["z"], 1)
    assert live.page(Matcher(Filter(source=("s",)), frozenset({"z"})), sort_named("-updated_at"), 10).total == 0


def test_what_is_not_a_number_sorts_like_what_is_not_known() -> None:
    live = LiveView()
    replica = live.replicas["s"] = live.new_replica("s")
    for id_, seconds in (("a", float("nan")), ("b", 1.0), ("c", None), ("d", inf)):
        replica.put(task(id_, runtime_seconds=seconds))
    for _ in replica.keep(("runtime_seconds", False)):
        pass
    assert next(iter(live.page(Matcher(Filter(), None), sort_named("runtime_seconds"), 1).tasks)).id == "b"

"""The view against a plain search over all tasks."""

from collections import Counter
from fnmatch import fnmatchcase
from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.api import task
from taskscope_api.columns import NUMBERS
from taskscope_api.facets import FIELDS
from taskscope_api.filters import BOUNDS, TIMES, Filter, Matcher, filter_of
from taskscope_api.held import Held
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import NAMED, sort_named
from taskscope_shared.model import GROUP_OF, Engine, Group, Position, Queue, State, Task

SOURCES = ["s", "s-t", "z"]
NAMES = ["a.one", "a.two", "b.one", None]
IDS = st.text("0123456789ab-/", min_size=1, max_size=2).map(lambda end: "shared-id" + end if end > "5" else end)
STATES = [State.RUNNING, State.QUEUED, State.SUCCEEDED, State.FAILED, State.RETRYING]
NUMBER = st.one_of(st.none(), st.integers(0, 5).map(float))
TASKS = st.builds(
    task,
    IDS,
    source=st.sampled_from(SOURCES),
    state=st.sampled_from(STATES),
    seq=st.integers(1, 30),
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(["vod", "other"]),
    queue=st.sampled_from(["q1", "q2", None]),
    worker=st.sampled_from(["w1", "w2", None]),
    engine=st.sampled_from(list(Engine)),
    updated_at=st.integers(0, 6).map(float),
    **{f"{name}_at": NUMBER for name in TIMES if name != "updated"},
    runtime_seconds=NUMBER,
    args=st.sampled_from([None, "('FILM-Ä.mp4',)", "('film.mp4', 'One')"]),
    exception_type=st.sampled_from([None, "ValueError", "KeyError"]),
    exception=st.sampled_from([None, "no such film"]),
    root_id=st.sampled_from([None, "r1", "r2"]),
    parent_id=st.sampled_from([None, "r1"]),
    group_id=st.sampled_from([None, "g1", "g2"]),
)
STEPS = st.lists(st.one_of(TASKS, st.tuples(st.sampled_from(SOURCES), IDS)), max_size=120)


def some(values: list[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(st.just(()), st.lists(st.sampled_from(values), max_size=most).map(tuple))


BOUND = st.one_of(st.none(), st.none(), st.integers(0, 6).map(float))
BASE = st.builds(
    Filter,
    state=some(STATES),
    group=some(list(Group), 1),
    kind=some(["vod", "other", "v*"], 1),
    name=some(["a.*", "*one", "b.one", "*.*o*", "nothing*"]),
    queue=some(["q1", "q3", "q*"], 1),
    worker=some(["w1", "w2", "w9", "*2"]),
    source=some(["s", "z"]),
    engine=some(list(Engine), 1),
    exception_type=some(["ValueError", "KeyError", "*Error", "Key*"]),
    root=some(["r1", "r2", "r3"]),
    parent=some(["r1", "r9"]),
    group_id=some(["g1", "g9"]),
    key=some(["s/a", "s-t/a", "s/shared-idb", "z/shared-id9", "s/a/b"], 3),
    q=st.sampled_from([None, None, "film", "FILM-ä", "one", "w1", "error such", "shared-id", "a", "nowhere"]),
    runtime_min=BOUND,
    runtime_max=BOUND,
    wait_min=BOUND,
    wait_max=BOUND,
)
RANGES = st.dictionaries(st.sampled_from(BOUNDS), st.integers(0, 6).map(float), max_size=3)
FILTERS = st.builds(lambda wanted, ranges: replace(wanted, **ranges).checked(), BASE, RANGES)
SORTS = st.sampled_from(["live", *(sign + field for sign in ("", "-") for field in (*NUMBERS, *NAMED))])


def matches(one: Task, wanted: Filter, without: str = "") -> bool:
    """Whether a task matches the filter (but for the field `without`), the slow way."""
    fields = {
        "state": one.state, "group": GROUP_OF[one.state], "kind": one.kind, "name": one.name, "queue": one.queue,
        "worker": one.worker, "source": one.source, "engine": one.engine, "exception_type": one.exception_type,
        "root": one.root_id, "parent": one.parent_id, "group_id": one.group_id,
        "key": f"{one.source}/{one.id}",
    }  # fmt: skip
    listed = all(field == without or is_among(value, getattr(wanted, field)) for field, value in fields.items())
    return listed and in_ranges(one, wanted) and has_words(one, wanted.q or "")


def is_among(value: str | None, asked: tuple[str, ...]) -> bool:
    return not asked or (value is not None and any(fnmatchcase(value, pattern) for pattern in asked))


def in_ranges(one: Task, wanted: Filter) -> bool:
    for name in TIMES:
        value, low, high = getattr(one, f"{name}_at"), getattr(wanted, f"{name}_from"), getattr(wanted, f"{name}_to")
        if (low is not None and (value is None or value < low)) or (high is not None and (value is None or value >= high)):
            return False
    return within(one.runtime_seconds, wanted.runtime_min, wanted.runtime_max) and within(
        one.wait_seconds, wanted.wait_min, wanted.wait_max
    )


def within(value: float | None, least: float | str | None, most: float | str | None) -> bool:
    low, high = (None if bound is None else float(bound) for bound in (least, most))
    return (low is None or (value is not None and value >= low)) and (high is None or (value is not None and value <= high))


def has_words(one: Task, text: str) -> bool:
    searched = [one.id, one.name, one.args, one.exception_type, one.exception, one.worker]
    return all(any(word in (field or "").lower() for field in searched) for word in text.lower().split())


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


class World:
    """A live view that changes, and what must be in it."""

    def __init__(self) -> None:
        self.live = LiveView()
        self.held: dict[tuple[str, str], Task] = {}

    def change(self, steps: list[Any]) -> None:
        for step in steps:
            source = step.source if isinstance(step, Task) else step[0]
            replica = self.live.replicas.setdefault(source, Replica(source))
            if isinstance(step, Task):
                self._put(replica, step)
            else:
                assert replica.remove(step[1], Position(9, 9)) == (self.held.pop((source, step[1]), None) is not None)

    def _put(self, replica: Replica, one: Task) -> None:
        old = self.held.get((one.source, one.id))
        newer = old is None or one.seq > old.seq
        assert replica.put(one) == newer
        if newer:
            self.held[one.source, one.id] = one

    def expected(self, wanted: Filter, name: str) -> list[Task]:
        return in_order([one for one in self.held.values() if matches(one, wanted)], name)


def versions(tasks: list[Any]) -> list[tuple[str, str, int]]:
    return [(one.source, one.id, one.seq if isinstance(one, Task) else one.position.seq) for one in tasks]


def walk(live: LiveView, matcher: Matcher, name: str, limit: int) -> tuple[list[Held], set[int]]:
    """All pages, and the totals that they told."""
    shown, totals, after = list[Held](), set[int](), None
    while True:
        page = live.page(matcher, sort_named(name), limit, after)
        shown += page.tasks
        totals.add(page.total)
        after = page.next
        if after is None:
            return shown, totals


@given(STEPS, FILTERS, SORTS, st.integers(1, 7))
@settings(max_examples=200, deadline=None)
async def test_pages_by_cursor_give_every_match_once_in_order_with_the_right_total(
    steps: list[Any], wanted: Filter, name: str, limit: int
) -> None:
    world, matcher = World(), Matcher(wanted, None)
    world.change(steps[: len(steps) // 2])
    await world.live.prepare(matcher)  # whatever changes later has to be searched, too
    world.change(steps[len(steps) // 2 :])
    expected = world.expected(wanted, name)
    shown, totals = walk(world.live, matcher, name, limit)
    assert versions(shown) == versions(expected)
    assert totals == {len(expected)}
    together = [held for step in world.live.each(matcher, sort_named(name), limit) for held in step]
    assert versions(together) == versions(expected)


@given(STEPS, FILTERS, SORTS, st.integers(1, 7), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
async def test_a_page_at_an_offset_is_that_part_of_the_whole_list(
    steps: list[Any], wanted: Filter, name: str, limit: int, offset: int
) -> None:
    world, matcher = World(), Matcher(wanted, None)
    world.change(steps)
    await world.live.prepare(matcher)
    expected = world.expected(wanted, name)
    page = world.live.page(matcher, sort_named(name), limit, offset=offset)
    assert (versions(page.tasks), page.total) == (versions(expected[offset : offset + limit]), len(expected))
    behind = [] if page.next is None else world.live.page(matcher, sort_named(name), limit, page.next).tasks
    assert versions(behind) == versions(expected[offset + limit : offset + 2 * limit])


@given(STEPS, STEPS, FILTERS, SORTS, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_what_does_not_change_is_met_once_by_a_walk_while_other_tasks_change(
    before: list[Any], between: list[Any], wanted: Filter, name: str, limit: int
) -> None:
    world, matcher, sort = World(), Matcher(wanted, None), sort_named(name)
    world.change(before)
    start = dict(world.held)
    expected = world.expected(wanted, name)
    each = world.live.each(matcher, sort, limit)
    shown, after = list[Held](), None
    for turn in range(1000):
        page = world.live.page(matcher, sort, limit, after)
        shown += page.tasks
        after = page.next
        if after is None:
            break
        world.change(between[turn : turn + 1])
    rest = [held for step in each for held in step]
    kept = [one for one in expected if world.held.get((one.source, one.id)) is one and start[one.source, one.id] is one]
    met = versions(shown)
    assert [one for one in met if one in set(versions(kept))] == versions(kept)
    assert all(matches(held.task(), wanted) for held in rest)
    assert [one for one in versions(rest) if one in set(versions(kept))] == versions(kept)
    assert len({held.key for held in rest}) == len(rest)


@given(STEPS, FILTERS, st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_facets_count_each_field_without_its_own_filter(steps: list[Any], wanted: Filter, limit: int) -> None:
    world = World()
    world.change(steps)
    found = world.live.facets(Matcher(wanted, None), limit)
    assert found.total == len(world.expected(wanted, "live"))
    for field in (*FIELDS, "source"):
        counted = Counter(getattr(one, field) for one in world.held.values() if matches(one, wanted, without=field))
        facet = getattr(found.facets, field)
        most = sorted(counted.items(), key=lambda item: (-item[1], item[0] or ""))[:limit]
        assert [(value.value, value.count) for value in facet.values] == most
        assert (facet.others, facet.distinct) == (counted.total() - sum(count for _, count in most), len(counted))


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_an_emptied_replica_shows_nothing_and_counts_nothing(steps: list[Any]) -> None:
    world = World()
    world.change(steps)
    for source, id_ in list(world.held):
        world.live.replicas[source].remove(id_, Position(9, 9))
    assert walk(world.live, Matcher(Filter(), None), "live", 3) == ([], {0})
    assert world.live.summary(Matcher(Filter(), None)).total == 0
    assert all(not replica.tasks for replica in world.live.replicas.values())


def filled(count: int, **fields: Any) -> LiveView:
    live = LiveView()
    replica = live.replicas["s"] = Replica("s")
    for number in range(count):
        replica.put(task(f"{number:06}", updated_at=float(number), **fields))
    return live


def test_the_first_of_many_are_found_though_most_are_alike() -> None:
    live = filled(20_000)
    assert [one.id for one in live.page(Matcher(Filter(), None), sort_named("-updated_at"), 2).tasks] == ["019999", "019998"]
    page = live.page(Matcher(Filter(), None), sort_named("retries"), 3)
    assert [one.id for one in page.tasks] == ["000000", "000001", "000002"]
    assert page.next is not None
    following = live.page(Matcher(Filter(), None), sort_named("retries"), 2, page.next)
    assert [one.id for one in following.tasks] == ["000003", "000004"]


def test_names_that_come_and_go_for_ever_take_no_room() -> None:
    live = filled(1)
    replica = live.replicas["s"]
    for number in range(5000):
        replica.put(task("000000", seq=number + 2, name=f"name-{number}"))
    assert len(replica.columns.codes["name"].values) <= 300
    assert live.page(Matcher(Filter(name=("name-4999",)), None), sort_named("name"), 2).total == 1
    assert live.page(Matcher(Filter(name=("name-4998",)), None), sort_named("name"), 2).total == 0


def test_rows_of_tasks_that_left_are_used_again() -> None:
    live = filled(300)
    replica = live.replicas["s"]
    for number in range(3000):
        replica.remove(f"{number:06}", Position(9, 9))
        replica.put(task(f"{number + 300:06}", args=f"film-{number}"))
    assert replica.columns.size == 300
    matcher = Matcher(filter_of({"q": ["film-2999"]}), None)
    assert [one.id for one in live.page(matcher, sort_named("live"), 5).tasks] == ["003299"]


def test_a_text_is_found_as_it_is_now() -> None:
    live = filled(3000, args="('nothing',)")
    matcher = Matcher(filter_of({"q": ["Needle"]}), None)
    assert live.page(matcher, sort_named("live"), 5).total == 0
    live.replicas["s"].put(task("001000", seq=2, args="('a needle',)"))
    assert [one.id for one in live.page(matcher, sort_named("live"), 5).tasks] == ["001000"]
    live.replicas["s"].put(task("001000", seq=3, args="('hay',)"))
    assert live.page(matcher, sort_named("live"), 5).total == 0


def test_a_task_that_left_and_came_again_is_found_though_others_were_signed_meanwhile() -> None:
    live = filled(1000, args="('nothing',)")
    replica, matcher = live.replicas["s"], Matcher(filter_of({"q": ["needle"]}), None)
    assert live.page(matcher, sort_named("live"), 5).total == 0
    replica.put(task("000007", seq=2, args="('a needle',)"))
    replica.remove("000007", Position(9, 9))
    for number in range(500, 900):
        replica.put(task(f"{number:06}", seq=2, args="('other',)"))
    replica.put(task("000007", seq=2, args="('a needle',)"))
    other = Matcher(filter_of({"q": ["a needle"]}), None)
    assert [one.id for one in live.page(other, sort_named("live"), 5).tasks] == ["000007"]


def test_a_removal_does_not_take_a_task_that_was_written_after_it() -> None:
    replica = Replica("s")
    replica.put(task("a", epoch=1, seq=5))
    assert not replica.remove("a", Position(1, 4))
    assert replica.remove("a", Position(1, 5))


def test_a_cursor_holds_when_all_tasks_of_its_rank_left_meanwhile() -> None:
    live = LiveView()
    replica = live.replicas["s"] = Replica("s")
    for name in ("a", "b", "c"):
        replica.put(task(name, name=name, worker="w"))
    place = live.page(Matcher(Filter(), None), sort_named("name"), 2).next
    assert place is not None
    assert place.rank == (0, "b")
    replica.remove("b", Position(9, 9))
    for wanted in (Filter(), Filter(worker=("w",))):
        rest = live.page(Matcher(wanted, None), sort_named("name"), 2, place)
        assert [one.id for one in rest.tasks] == ["c"]


def test_brokers_counts_are_null_where_no_broker_tells_and_where_a_kind_is_asked_for() -> None:
    live = LiveView()
    replica = live.replicas["s"] = Replica("s")
    assert live.summary(Matcher(Filter(), None)).broker_queued is None
    replica.queues["q"] = Queue("q", "s", Engine.CELERY, depth=3)
    replica.queues["r"] = Queue("r", "s", Engine.CELERY)
    assert live.summary(Matcher(Filter(), None)).broker_queued == 3
    assert live.summary(Matcher(Filter(kind=("vod",)), None)).broker_queued is None


def test_a_scope_hides_other_sources() -> None:
    live = LiveView()
    for source in ("s", "z"):
        live.replicas[source] = Replica(source)
        live.replicas[source].put(task("a", source=source))
    page = live.page(Matcher(Filter(), frozenset({"z"})), sort_named("-updated_at"), 10)
    assert ([one.source for one in page.tasks], page.total) == (["z"], 1)
    assert live.page(Matcher(Filter(source=("s",)), frozenset({"z"})), sort_named("-updated_at"), 10).total == 0


def test_what_is_not_a_number_sorts_like_what_is_not_known() -> None:
    live = LiveView()
    replica = live.replicas["s"] = Replica("s")
    for id_, seconds in (("a", float("nan")), ("b", 1.0), ("c", None), ("d", inf)):
        replica.put(task(id_, runtime_seconds=seconds))
    assert next(iter(live.page(Matcher(Filter(), None), sort_named("runtime_seconds"), 1).tasks)).id == "b"

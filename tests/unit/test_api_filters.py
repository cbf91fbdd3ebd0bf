from typing import Any

import pytest
from support.api import task
from taskscope_api.cursors import BadTokenError, cursor, place_of, read_token, token
from taskscope_api.errors import ApiError
from taskscope_api.filters import TIMES, WILD, Filter, Matcher, filter_of
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import Place, sort_named
from taskscope_api.subscriptions import read_join, read_message, subscription
from taskscope_api.wire import TaskRow, time_text
from taskscope_shared.model import Position, State


def lets_in(wanted: Filter, **fields: Any) -> bool:
    replica = Replica("s")
    replica.put(task("a", **fields))
    return len(Matcher(wanted, None).rows(replica)) == 1


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "axb", False),
        ("a.*", "a.b", True),
        ("*b", "a.b", True),
        ("*", "", True),
        ("a*a", "a", False),
        ("*.*.*", "a.b", False),
        ("a**c", "abc", True),
        ("[ab]*", "a.b", False),
        ("*x*y*", "1x2y3", True),
        ("*x*y*", "1y2x3", False),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else_is_special(pattern: str, name: str, *, matches: bool) -> None:
    assert lets_in(Filter(name=(pattern,)), name=name) is matches


@pytest.mark.parametrize("field", WILD)
def test_whatever_has_names_that_repeat_takes_a_star(field: str) -> None:
    def asked(*values: str) -> Filter:
        return filter_of({field: values})

    assert lets_in(asked("w-*"), **{field: "w-1"})
    assert not lets_in(asked("w-*", "x"), **{field: "v-1"})
    assert not lets_in(asked("w*1"), **{field: "w*"})


def test_a_kind_with_a_star_counts_in_the_summary() -> None:
    live = LiveView()
    live.replicas["s"] = Replica("s")
    for number, kind in enumerate(("vod", "vod-hd", "cleanup")):
        live.replicas["s"].put(task(str(number), kind=kind))
    assert live.summary(Matcher(Filter(kind=("vod*",)), None)).total == 2


def test_a_pattern_made_to_be_slow_is_not() -> None:
    assert not lets_in(Filter(name=("*a" * 200 + "b",)), name="a" * 5000)


def test_parameters_repeat_or_hold_several_values() -> None:
    found = filter_of({"state": ["failed,lost", "running"], "queue": [" q1 ", ""]})
    assert found == Filter(state=("failed", "lost", "running"), queue=("q1",))


def test_state_and_group_both_have_to_hold() -> None:
    wanted = Filter(state=("running", "failed"), group=("finished",))
    assert [lets_in(wanted, state=state) for state in (State.RUNNING, State.FAILED, State.LOST)] == [False, True, False]


@pytest.mark.parametrize("text", ["2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20", "1700000000"])
def test_a_time_is_rfc_3339_or_epoch_seconds(text: str) -> None:
    assert filter_of({"sent_from": [text]}).sent_from == 1_700_000_000.0


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("sent_from", "yesterday"),
        ("eta_to", "nan"),
        ("updated_from", "inf"),
        ("updated_from", "1e999"),
        ("runtime_min", "long"),
        ("runtime_max", "nan"),
        ("runtime_max", "-1"),
        ("wait_min", "-1"),
        ("wait_max", "soon"),
        ("expires_to", "later"),
        ("q", "x" * 201),
    ],
)
def test_what_is_no_time_number_or_text_is_refused_by_name(field: str, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        filter_of({field: [text]})
    assert caught.value.problem.field == field


@pytest.mark.parametrize("at", [1_700_000_000.1236, 1_700_000_000.1234, 1_700_000_000.123, 1_700_000_000.9999])
def test_a_time_in_a_filter_is_the_time_that_an_item_shows(at: float) -> None:
    shown = time_text(at) or ""
    assert lets_in(filter_of({"sent_from": [shown]}), sent_at=at)
    assert not lets_in(filter_of({"sent_to": [shown]}), sent_at=at)
    assert lets_in(filter_of({"sent_to": [time_text(at + 0.001) or ""]}), sent_at=at)


@pytest.mark.parametrize("name", TIMES)
def test_each_time_of_a_task_has_a_range(name: str) -> None:
    for bound, value, found in (("from", "5", True), ("from", "5.5", False), ("to", "5", False), ("to", "5.5", True)):
        assert lets_in(filter_of({f"{name}_{bound}": [value]}), **{f"{name}_at": 5.0}) is found
    if name != "updated":  # which is always known
        assert not lets_in(filter_of({f"{name}_from": ["0"]}), **{f"{name}_at": None})


def test_no_time_of_a_task_is_without_a_range() -> None:
    assert {f"{name}_at" for name in TIMES} == {name for name in TaskRow.__struct_fields__ if name.endswith("_at")}


def test_what_can_be_said_once_is_not_said_twice() -> None:
    with pytest.raises(ApiError) as caught:
        filter_of({"q": ["a", "b"]})
    assert caught.value.problem.field == "q"


def test_the_short_names_of_sorts_are_those_of_filters() -> None:
    assert sort_named("-runtime") == sort_named("-runtime_seconds")
    assert sort_named("started") == sort_named("started_at")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b'{"filter": {"stat": ["x"]}}', "filter.stat"),
        (b'{"filter": {"state": [3]}}', "filter.state"),
        (b'{"filter": {"state": "running"}}', "filter.state"),
        (b'{"limit": "x"}', "limit"),
        (b'{"limits": 3}', "limits"),
        (b"[]", None),
    ],
)
def test_a_wrong_subscription_names_its_member(text: bytes, field: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        read_join(read_message(b'{"event": "join_task_monitoring", "data": ' + text + b"}").data)
    assert caught.value.problem.field == field


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b'{"limit": 0}', "limit"),
        (b'{"limit": 501}', "limit"),
        (b'{"sort": "-nothing"}', "sort"),
        (b'{"fields": ["key", "nothing"]}', "fields"),
        (b'{"filter": {"engine": ["dramatiq"]}}', "engine"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(text: bytes, field: str) -> None:
    join = read_join(read_message(b'{"event": "join_task_monitoring", "data": ' + text + b"}").data)
    with pytest.raises(ApiError) as caught:
        subscription(join, None)
    assert caught.value.problem.field == field


def test_equal_subscriptions_are_equal_however_they_are_written() -> None:
    first = read_join(
        read_message(b'{"event": "j", "data": {"filter": {"state": ["failed", "lost", "lost"]}, "limit": 100}}').data
    )
    second = read_join(
        read_message(b'{"event": "j", "data": {"filter": {"state": ["lost", "failed"]}, "sort": "-updated_at"}}').data
    )
    assert subscription(first, None) == subscription(second, None)
    assert subscription(first, frozenset({"s"})) != subscription(second, None)


def test_no_data_is_the_default_subscription() -> None:
    assert subscription(read_join(read_message(b'{"event": "join_task_monitoring"}').data), None).limit == 100


def test_a_cursor_comes_back_as_it_was() -> None:
    place = Place((1, "x"), float("inf"), "s/a")
    assert place_of(cursor("-name", "l", place), "-name", "l") == place


@pytest.mark.parametrize("text", ["", "x", "!!!", "a" * 10_000, cursor("name", "l", Place((0, ""), 0.0, "k"))])
def test_a_foreign_cursor_is_refused_by_name(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        place_of(text, "-updated_at", "l")
    assert caught.value.problem.field == "cursor"


@pytest.mark.parametrize("text", ["", "x", "!!!", "ä", "a" * 10_000, cursor("name", "l", Place((0, ""), 0.0, "k"))])
def test_a_foreign_token_is_told_from_ours(text: str) -> None:
    with pytest.raises(BadTokenError):
        read_token(text)
    assert read_token(token({"s": ("inc", Position(1, 2))})).places

"""A stream of taskscope-client without a connection: what it says, and what it makes of what it is told."""

import json
from typing import Any

import pytest
from taskscope_client import TaskscopeError
from taskscope_client.errors import error_of
from taskscope_client.session import REFUSALS, PassingError, Session
from taskscope_client.updates import Delta, Snapshot


def session() -> Session:
    return Session({"state": ["failed"]}, "live", 10, None)


def message(event: str, data: Any) -> str:
    return json.dumps({"event": event, "data": data})


def snapshot(*keys: str, position: str = "p1") -> str:
    rows = [{"key": key, "state": "failed"} for key in keys]
    others = {"workers": [{"key": "s/w"}, {"key": "s/v"}], "queues": [{"key": "s/q"}], "sources": [{"key": "s"}]}
    data = {"kind": "snapshot", "position": position, "summary": {"total": 3}, "total": len(keys), "tasks": rows, **others}
    return message("task_updates", data)


def delta(position: str = "p2", **changes: Any) -> str:
    data = {"kind": "delta", "position": position, "summary": {}, "total": 9, "upsert": [], "remove": [], **changes}
    return message("task_updates", data)


def since(text: str) -> Any:
    return json.loads(text)["data"]["since"]


def test_it_begins_without_a_position_and_comes_back_with_the_last_one() -> None:
    it = session()
    assert since(it.join()) is None
    assert isinstance(it.take(snapshot("s/a")).update, Snapshot)
    assert since(it.join()) == "p1"
    assert isinstance(it.take(delta("p7")).update, Delta)
    assert since(it.join()) == "p7"


def test_deltas_change_what_is_held() -> None:
    it = session()
    it.take(snapshot("s/a", "s/b"))
    it.take(delta(upsert=[{"key": "s/c"}, {"key": "s/a", "state": "lost"}], remove=["s/b", "s/never"]))
    assert {key: task.state for key, task in it.replica.tasks.items()} == {"s/a": "lost", "s/c": ""}
    assert (it.replica.total, set(it.replica.workers), set(it.replica.sources)) == (9, {"s/w", "s/v"}, {"s"})
    it.take(delta(workers={"upsert": [{"key": "s/x"}], "remove": ["s/w"]}, sources=[{"key": "s"}, {"key": "t"}]))
    assert (set(it.replica.workers), set(it.replica.sources)) == ({"s/v", "s/x"}, {"s", "t"})


def test_what_is_not_among_the_keys_of_an_answer_to_a_position_is_forgotten() -> None:
    it = session()
    it.take(snapshot("s/a", "s/b", "s/c"))
    changes: Any = {
        "workers": {"upsert": [{"key": "s/v"}], "remove": [], "keys": ["s/v"]},
        "queues": {"upsert": [], "remove": []},
    }
    it.take(delta(upsert=[{"key": "s/d"}], keys=["s/b", "s/d"], **changes))
    assert set(it.replica.tasks) == {"s/b", "s/d"}
    assert (set(it.replica.workers), set(it.replica.queues)) == ({"s/v"}, {"s/q"})
    it.take(delta(keys=[]))
    assert it.replica.tasks == {}


def test_a_snapshot_replaces_everything() -> None:
    it = session()
    it.take(snapshot("s/a", "s/b"))
    it.take(snapshot("s/c"))
    assert set(it.replica.tasks) == {"s/c"}


def test_after_a_cut_it_joins_again_with_its_position() -> None:
    it = session()
    it.take(snapshot("s/a"))
    told = it.take(message("resync", {"reason": "too slow"}))
    assert (told.update, since(told.reply or ""), it.resyncs) == (None, "p1", 1)


@pytest.mark.parametrize("kind", ["invalid-token", "foreign-token"])
def test_a_position_that_is_not_known_is_no_error_since_a_snapshot_follows(kind: str) -> None:
    it = session()
    it.take(snapshot("s/a"))
    it.join()
    assert it.take(problem(kind)) == (None, None)
    it.take(snapshot("s/b"))
    assert set(it.replica.tasks) == {"s/b"}


def problem(kind: str) -> str:
    data = {"type": f"urn:taskscope:problem:{kind}", "title": "t", "detail": "d", "field": "sort"}
    return message("error", data)


def test_a_subscription_that_is_wrong_is_an_error() -> None:
    it = session()
    it.join()
    with pytest.raises(TaskscopeError, match="d") as caught:
        it.take(problem("invalid-parameter"))
    assert (caught.value.kind, caught.value.field) == ("invalid-parameter", "sort")


def test_one_that_there_is_no_room_for_now_is_tried_later() -> None:
    it = session()
    it.join()
    with pytest.raises(PassingError):
        it.take(problem("too-many-windows"))


@pytest.mark.parametrize("text", ["{", "[]", '{"event": 1}', '{"event": "task_updates", "data": {"kind": "other"}}', b"\xff"])
def test_what_is_not_understood_is_tried_anew(text: str | bytes) -> None:
    with pytest.raises(PassingError):
        session().take(text)


def test_events_that_are_not_known_are_passed_over() -> None:
    assert session().take(message("something_new", {"a": 1})) == (None, None)


def refused(status: int) -> TaskscopeError:
    return error_of(status, {}, b"")


def test_a_refusal_ends_a_stream_that_never_stood_and_one_that_did_only_when_it_stays_refused() -> None:
    it = session()
    for status in (429, 500, 503):
        it.refused(refused(status))
    with pytest.raises(TaskscopeError):
        it.refused(refused(401))
    it.take(snapshot("s/a"))
    for _ in range(REFUSALS):
        it.refused(refused(401))
    with pytest.raises(TaskscopeError):
        it.refused(refused(401))

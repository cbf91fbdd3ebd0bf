import msgspec
import numpy as np
import pytest
from msgspec import Raw
from support.api import task
from taskscope_api.filters import Filter, Matcher
from taskscope_api.held import BULKY_BYTES
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import sort_named
from taskscope_shared import codec
from taskscope_shared.model import Attempt, Position, State, Task


def replica() -> Replica:
    return Replica("s")


def failed(id_: str, traceback: str) -> Task:
    return task(id_, state=State.FAILED, args="(1,)", traceback=traceback, history=(Attempt(1, State.FAILED),))


def test_a_task_comes_back_whole() -> None:
    for one in (task("a", args="(1,)", result="2", runtime_seconds=1.5), failed("b", "x" * BULKY_BYTES)):
        held = replica()
        held.put_packed(Raw(codec.encode(one)))
        assert held.tasks[one.id].task() == one


def test_equal_tracebacks_are_held_once() -> None:
    held = replica()
    for id_ in ("a", "b"):
        held.put_packed(Raw(codec.encode(failed(id_, "x" * BULKY_BYTES))))
    assert held.tasks["a"].traceback is held.tasks["b"].traceback is not None
    assert len(held.tasks["a"].packed) < BULKY_BYTES


def test_a_task_does_not_hold_the_message_that_it_came_in() -> None:
    held = replica()
    message = msgspec.msgpack.encode([Raw(codec.encode(task("a")))] * 100)
    held.put_packed(msgspec.msgpack.decode(message, type=list[Raw])[0])
    assert type(held.tasks["a"].packed) is bytes


def test_what_cannot_be_decoded_behind_the_leading_fields_is_left_out_and_said() -> None:
    live = LiveView()
    held = live.replicas["s"] = Replica("s")
    fields = msgspec.to_builtins(task("a", queue="q"))
    fields[Task.__struct_fields__.index("runtime_seconds")] = "long"
    held.put_packed(Raw(msgspec.msgpack.encode(fields)))
    sort = sort_named("-runtime_seconds")
    (shown,) = live.page(Matcher(Filter(), None), sort, 10).tasks
    whole = shown.task()
    assert (whole.queue, whole.runtime_seconds) == ("q", None)
    assert whole.uncertain is not None


def test_the_same_version_in_a_new_replica_costs_no_memory_again() -> None:
    before, after = replica(), replica()
    before.put(task("a"))
    after.fill([codec.encode(task("a"))], before.tasks)
    assert after.tasks["a"].packed is before.tasks["a"].packed
    assert after.remove("a", Position(1, 1))


def various(count: int, names: int) -> list[Task]:
    return [
        task(
            f"ä{number}" if number % 3 else f"{number:040}",
            name=None if number % 7 == 0 else f"name-{number % names}",
            runtime_seconds=None if number % 2 else number / 3,
            root_id=None if number % 5 else f"root-{number}",
            args=f"film-{number}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("names", [10, 5000])
def test_tasks_that_come_together_are_held_as_those_that_come_one_by_one(names: int) -> None:
    tasks, one_by_one, together = various(3000, names), replica(), replica()
    packed = list(map(codec.encode, tasks))
    for each in packed:
        one_by_one.put_packed(Raw(each))
    for first in (0, 1000, 1001):
        assert together.fill(packed[first : {0: 1000, 1000: 1001, 1001: 3000}[first]], {}) == 0
    assert [one.task() for one in together.tasks.values()] == tasks
    assert [one.row for one in together.tasks.values()] == [one.row for one in one_by_one.tasks.values()]
    ours, theirs = together.columns, one_by_one.columns
    size = ours.size
    assert size == theirs.size
    for field in ("alive", "keys", "serials"):
        assert (getattr(ours, field)[:size] == getattr(theirs, field)[:size]).all(), field
    for field, numbers in ours.numbers.items():
        assert np.array_equal(numbers[:size], theirs.numbers[field][:size], equal_nan=True), field
    for field, hashes in ours.hashes.items():
        assert (hashes[:size] == theirs.hashes[field][:size]).all(), field
    for field, codes in ours.codes.items():
        values = [codes.values[code] for code in codes.array[:size].tolist()]
        assert values == [theirs.codes[field].values[code] for code in theirs.codes[field].array[:size].tolist()], field


def test_what_of_many_cannot_be_decoded_is_counted_and_left_out() -> None:
    held = replica()
    assert held.fill([codec.encode(task("a")), b"\xc1", codec.encode(task("b"))], {}) == 1
    assert list(held.tasks) == ["a", "b"]
    assert [one.row for one in held.tasks.values()] == [0, 1]

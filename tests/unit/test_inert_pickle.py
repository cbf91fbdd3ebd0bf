"""What the interpreter of inert pickles reads, what it leaves opaque, and that nothing ever runs."""

import collections
import datetime
import decimal
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

import pytest
from taskscope_collector.sources.rq.inert_pickle import Budget, InertPickleError, Opaque, first_text, load
from taskscope_shared.clock import ManualClock

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Runs:
    """Unpickling this runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Mine:
    def __init__(self) -> None:
        self.secret = [1, 2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        255,
        65_536,
        -(2**31),
        2**200,
        -(2**200),
        1.5,
        float("inf"),
        "",
        "plain",
        "ünïcode \U0001f600 \n 'quoted' \\",
        [],
        [1, [2, [3]]],
        (),
        (1,),
        (1, 2),
        (1, 2, 3),
        (1, 2, 3, 4),
        {},
        {"progress": 40, "stage": "encode", "nested": {"a": [1, None]}},
        {(1, "a"): True},
        list(range(3000)),
    ],
)
def test_plain_values_are_read_as_pickle_reads_them(value: object, protocol: int) -> None:
    unhurried = Budget(seconds=10)  # what is read is asked, on however busy a machine
    assert load(pickle.dumps(value, protocol), unhurried) == value


@pytest.mark.parametrize("protocol", [4, 5])
def test_sets_and_bytes_are_read(protocol: int) -> None:
    value = [{1, "a"}, frozenset({2}), b"bytes", b"x" * 300, "y" * 300]
    assert load(pickle.dumps(value, protocol)) == value


def test_shared_parts_are_read_in_both_places() -> None:
    shared = ["a"]
    assert load(pickle.dumps({"x": shared, "y": shared})) == {"x": ["a"], "y": ["a"]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_crafted_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    proof = tmp_path / "proof"
    crafted = pickle.dumps({"progress": 7, "bad": Runs(f"touch {proof}")}, protocol)
    value = load(crafted)
    assert isinstance(value, dict)
    assert value["progress"] == 7
    assert repr(value["bad"]) in {"<posix.system>", "<os.system>"}
    assert not proof.exists()
    pickle.loads(crafted)
    assert proof.exists(), "the crafted pickle was no real one"


@pytest.mark.parametrize(
    "crafted",
    [
        b"cos\nsystem\n(S'touch PROOF'\ntR.",
        b"(S'touch PROOF'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch PROOF'\no.",
        b"\x80\x02cos\nsystem\nX\x0b\x00\x00\x00touch PROOF\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0btouch PROOF\x85\x81.",
    ],
)
def test_crafted_by_hand_runs_nothing_either(tmp_path: Path, crafted: bytes) -> None:
    proof = tmp_path / "p"
    command = f"touch {proof}"
    length = len(command).to_bytes(1, "little")
    crafted = crafted.replace(b"\x0btouch PROOF", length + command.encode()).replace(b"\x0b\x00\x00\x00", length + b"\0\0\0")
    assert isinstance(load(crafted.replace(b"touch PROOF", command.encode())), Opaque)
    assert not proof.exists()


def test_what_is_not_inert_does_not_hide_what_is_beside_it() -> None:
    value = load(
        pickle.dumps(
            {
                "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
                "cost": decimal.Decimal("1.5"),
                "id": uuid.uuid4(),
                "ordered": collections.OrderedDict(a=1),
                "mine": Mine(),
                "progress": 41,
            }
        )
    )
    assert isinstance(value, dict)
    assert value["progress"] == 41
    assert repr(value["at"]) == "<datetime.datetime>"
    assert repr(value["cost"]) == "<decimal.Decimal>"
    assert repr(value["id"]) == "<uuid.UUID>"
    assert repr(value["ordered"]) == "<collections.OrderedDict>"
    assert isinstance(value["mine"], Opaque)


def test_a_value_that_contains_itself_is_cut_where_it_would_begin_again() -> None:
    recursive: list[Any] = [1]
    recursive.append(recursive)
    value = load(pickle.dumps(recursive))
    assert isinstance(value, list)
    assert value[0] == 1
    assert repr(value[1]) == "<recursion>"


def test_a_container_that_is_part_of_another_is_not_changed_any_more() -> None:
    # a = []; b = [a]; then b is appended to a, which would close a cycle: a copy of a takes it.
    assert load(b"]q\x00]q\x01h\x00a0h\x00h\x01a.") == [[[]]]
    # The same, while a is open: what follows in a is kept.
    outer: list[Any] = []
    outer += [[outer], 2]
    assert load(pickle.dumps(outer)) == [[[]], 2]


def test_shared_containers_do_not_grow_exponentially() -> None:
    # Each level refers twice to the one below: 2**5000 if it were copied, hashed or walked.
    levels = 3_000
    doubling = b"\x80\x04)\x94h\x00h\x00\x86\x94" + b"".join(
        b"j" + n.to_bytes(4, "little") + b"j" + n.to_bytes(4, "little") + b"\x86\x94" for n in range(1, levels)
    )
    value = load(doubling + b"}j" + (20).to_bytes(4, "little") + b"Ns.", Budget(depth=10_000, seconds=60.0))
    assert isinstance(value, dict)
    assert isinstance(next(iter(value)), Opaque), "a tuple of tuples is never hashed"


def test_depth_is_bounded_and_the_rest_is_kept() -> None:
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]
    value = load(pickle.dumps({"progress": 3, "deep": nested}), Budget(depth=8, seconds=10))
    assert isinstance(value, dict)
    assert value["progress"] == 3
    assert "too deep" in repr(value["deep"])


def test_objects_are_bounded() -> None:
    with pytest.raises(InertPickleError, match="objects"):
        load(pickle.dumps(list(range(5_000))), Budget(objects=1_000, seconds=10))


def test_bytes_are_bounded() -> None:
    with pytest.raises(InertPickleError):
        load(pickle.dumps("x" * 5_000), Budget(bytes=1_000, seconds=10))


def test_time_is_bounded() -> None:
    clock = ManualClock()

    class Slow(ManualClock):
        def monotonic(self) -> float:
            clock.advance(0.03)
            return clock.monotonic()

    with pytest.raises(InertPickleError, match=r" s$"):
        load(pickle.dumps(list(range(5_000))), Budget(seconds=0.05), Slow())


def test_integers_whose_hashes_collide_cost_no_more_than_the_time_allowed() -> None:
    colliding = {1 + n * (2**61 - 1) * 2**8: n for n in range(200)}
    assert len(colliding) == 200
    with pytest.raises(InertPickleError):
        load(pickle.dumps({(n << 61) - n: 0 for n in range(1, 4_000)}), Budget(bytes=10**6, objects=10**6, seconds=0.02))


def test_a_long_integer_is_opaque() -> None:
    assert isinstance(load(pickle.dumps(1 << 100_000)), Opaque)


@pytest.mark.parametrize(
    "broken",
    [b"", b".", b"\x80", b"\x80\x7f.", b"N", b"(", b"]a.", b"h\x05.", b"I1x\n.", b"Fnan?\n.", b"s.", b"\xff.", b"0.", b"}Kxs.",
     b"X\xff\xff\xff\x7fa.", b"T\xff\xff\xff\xff.", b"\x8b\xff\xff\xff\xff.", b"g-1\n.", b"V\\ud8\n."],
)  # fmt: skip
def test_a_broken_pickle_is_refused(broken: bytes) -> None:
    with pytest.raises(InertPickleError):
        load(broken)


def test_half_a_surrogate_pair_is_replaced() -> None:
    for protocol in PROTOCOLS:
        value = load(pickle.dumps("\ud800", protocol))
        assert isinstance(value, str)
        value.encode()


def test_the_first_text_is_the_function_of_a_job() -> None:
    data = pickle.dumps(("app.jobs.encode", None, (1, Mine()), {"x": 2}))
    assert first_text(data) == "app.jobs.encode"
    assert first_text(data[:40]) == "app.jobs.encode"
    assert first_text(b"\x80\x04K\x01.") is None
    assert first_text(b"") is None

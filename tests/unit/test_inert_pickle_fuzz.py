"""Whatever the bytes, the interpreter answers within its budgets or raises its own error; plain data is read."""

import contextlib
import pickle
import time
import tracemalloc

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from taskscope_collector.sources.rq.inert_opcodes import OPERATIONS
from taskscope_collector.sources.rq.inert_pickle import Budget, InertPickleError, Opaque, first_text, load

BUDGET = Budget(bytes=4_096, objects=1_000, depth=8, seconds=0.05)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.floats(allow_nan=False) | TEXT
KEYS = TEXT | st.integers() | st.tuples(TEXT, st.integers())
PLAIN = st.recursive(
    SCALARS | st.binary(max_size=20) | st.sets(TEXT, max_size=4) | st.frozensets(st.integers(), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=30,
)


def depth(value: object, limit: int = 64) -> int:
    if limit == 0:
        return 1_000
    if isinstance(value, dict):
        return 1 + max((depth(item, limit - 1) for item in value.values()), default=0)
    if isinstance(value, list | tuple):
        return 1 + max((depth(item, limit - 1) for item in value), default=0)
    return 0


def check(data: bytes) -> None:
    machine_limit = time.monotonic() + 2.0
    first_text(data, BUDGET)
    with contextlib.suppress(InertPickleError):
        value = load(data, BUDGET)
        assert isinstance(value, None | bool | int | float | str | bytes | list | dict | tuple | set | frozenset | Opaque)
    assert time.monotonic() < machine_limit


@given(PLAIN, st.integers(4, 5))
def test_plain_data_is_read_as_pickle_reads_it(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert load(data, Budget(bytes=10**6, seconds=5.0)) == pickle.loads(data)


@given(
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5)),
    st.integers(0, 3),
)
def test_plain_data_in_old_protocols_is_read_as_pickle_reads_it(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert load(data, Budget(bytes=10**6, seconds=5.0)) == pickle.loads(data)


@given(st.binary(max_size=6_000))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    check(data)


@given(st.lists(st.sampled_from(sorted(OPERATIONS)) | st.integers(0, 255), max_size=400))
@settings(max_examples=400)
def test_random_opcodes_raise_nothing_else(opcodes: list[int]) -> None:
    check(bytes(opcodes) + b".")


@given(PLAIN, st.integers(0, 5), st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_pickles_raise_nothing_else(value: object, protocol: int, data: st.DataObject) -> None:
    pickled = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(pickled) - 1))
        if data.draw(st.booleans()):
            pickled[at] = data.draw(st.sampled_from(sorted(OPERATIONS)))
        else:
            del pickled[at : at + data.draw(st.integers(1, 4))]
            pickled = pickled or bytearray(b".")
    check(bytes(pickled))


@given(st.binary(max_size=3_000))
def test_nothing_nests_deeper_than_the_budget(noise: bytes) -> None:
    nest = b"]" * 200 + b"a" * 199
    with contextlib.suppress(InertPickleError):
        assert depth(load(nest + noise + b".", BUDGET)) <= BUDGET.depth
    assert depth(load(nest + b".", BUDGET)) <= BUDGET.depth


def test_memory_stays_in_proportion_to_the_budget() -> None:
    bomb = b"\x80\x04]" + b"(" + b"]" * 60_000 + b"e."
    tracemalloc.start()
    try:
        with contextlib.suppress(InertPickleError):
            load(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


def test_every_opcode_of_the_standard_library_is_known() -> None:
    import pickletools

    assert {ord(opcode.code) for opcode in pickletools.opcodes} == set(OPERATIONS)

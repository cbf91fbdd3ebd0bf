"""Rollup cells and their sketches."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskscope_shared.cells import (
    CELL,
    Cell,
    Example,
    Sketch,
    UnknownCellError,
    bucket_of,
    decode_cell,
    encode_cell,
    merged,
    seconds_of,
)

durations = st.floats(min_value=1e-6, max_value=1e8, allow_nan=False, exclude_min=True)


def sketch(values: Sequence[float]) -> Sketch:
    made = Sketch()
    for value in values:
        made.add(value)
    return made


@given(durations)
def test_a_bucket_stands_for_its_durations_within_two_and_a_half_percent(seconds: float) -> None:
    assert abs(seconds_of(bucket_of(seconds)) - seconds) <= 0.025 * seconds


@given(st.lists(durations, min_size=1, max_size=200), st.floats(min_value=0, max_value=1))
def test_a_quantile_is_within_two_and_a_half_percent_of_the_sorted_value(values: list[float], q: float) -> None:
    exact = sorted(values)[int(q * (len(values) - 1))]
    found = sketch(values).quantile(q)
    assert found is not None
    assert abs(found - exact) <= 0.025 * exact


@given(st.lists(durations, max_size=50), st.lists(durations, max_size=50))
def test_merging_is_the_same_as_counting_all_in_one(left: list[float], right: list[float]) -> None:
    total = sketch(left)
    total.merge(sketch(right))
    assert total == sketch(left + right)


@given(st.lists(durations, max_size=50), st.randoms(use_true_random=False))
def test_taking_back_everything_in_any_order_leaves_an_empty_sketch(values: list[float], order: random.Random) -> None:
    made = sketch(values)
    order.shuffle(values)
    for value in values:
        made.add(value, -1)
    assert made == Sketch()


def test_zero_negative_and_endless_durations_have_a_bucket() -> None:
    for seconds in (0.0, -1.0, 1e300):
        assert Sketch({bucket_of(seconds): 1}).quantile(0.5) is not None


def test_an_empty_sketch_has_neither_mean_nor_quantile() -> None:
    assert (Sketch().mean, Sketch().quantile(0.5)) == (None, None)


def test_a_cell_comes_back_as_it_was_written() -> None:
    cell = Cell(counts=[1, 2, 3, 4, 5, 6], runtime=sketch([0.1, 2.0]), failed=[Example("1", 2.0, 0.1, "KeyError")], kind="vod")
    assert decode_cell(encode_cell(cell)) == cell


def test_a_cell_of_a_thousand_durations_stays_small() -> None:
    generator = random.Random(1)
    cell = Cell(runtime=sketch([generator.lognormvariate(0, 1) for _ in range(1000)]))
    assert len(encode_cell(cell)) < 700


def test_a_cell_of_a_newer_version_is_refused() -> None:
    with pytest.raises(UnknownCellError):
        decode_cell(encode_cell(Cell(version=CELL + 1)))


def test_what_is_no_cell_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_cell(b"\xc1")


def test_merged_cells_keep_the_slowest_and_the_latest_failed() -> None:
    cells = [
        Cell(counts=[1, 1, 0, 0, 0, 0], slowest=[Example(str(n), n, float(n))], failed=[Example(str(n), n)]) for n in range(5)
    ]
    total = merged(cells)
    assert [example.id for example in total.slowest] == ["4", "3", "2"]
    assert [example.id for example in total.failed] == ["4", "3", "2"]
    assert total.total == 10

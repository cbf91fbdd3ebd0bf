"""The rows of exports: what a spreadsheet and a program read back is what the JSON list says."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api import task
from support.exported import check_cell, read_back
from taskscope_api.export_rows import (
    BLANKS,
    FORMULA,
    QUOTES,
    CsvWriter,
    NdjsonWriter,
    columns_of,
    defused,
    flat,
    undefused,
)
from taskscope_api.wire import TaskRow, task_row
from taskscope_shared.model import Progress, State, Task

DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    " =1",
    "\n\n=1",
    '"=1"',
    "'=1",
    "' \"'@x",
    "\u00a0=1",
    "\ufeff=1",
    "\uff1d1",
    "-1,5",
]
HARMLESS = ["", "x=1", "a-b", "1-1", "''", "[-1]", "(=1,)", "no-reply@x", "'quoted'", " blank"]

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(DANGEROUS + HARMLESS)
texts |= st.builds("".join, st.lists(st.sampled_from(list(BLANKS + QUOTES + FORMULA + ",;a\r\n")), max_size=5))
maybe = st.none() | texts
numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)
times = st.none() | st.floats(0, 4e9)
tasks = st.builds(
    task,
    texts,
    state=st.sampled_from(State),
    **dict.fromkeys(("name", "queue", "worker", "args", "kwargs", "result", "exception_type", "exception", "detail"), maybe),
    **dict.fromkeys(("sent_at", "started_at", "finished_at"), times),
    **dict.fromkeys(("wait_seconds", "runtime_seconds", "cpu_seconds"), numbers),
    retries=st.integers(0, 2**40),
    progress=st.none() | st.builds(Progress, numbers, numbers, numbers, maybe, times),
    children=st.lists(texts, max_size=3).map(tuple),
)  # fmt: skip


@given(st.lists(tasks, max_size=5))
def test_a_csv_reads_back_as_what_the_json_list_has(some: list[Task]) -> None:
    rows = [task_row(one) for one in some]
    listed = json.loads(msgspec.json.encode(rows))
    writer = CsvWriter(TaskRow.__struct_fields__)
    found = read_back(writer.header() + writer.rows(rows))
    assert len(found) == len(listed)
    for line, item in zip(found, listed, strict=True):
        assert list(line) == list(item)
        for name, value in item.items():
            check_cell(line[name], value)


@given(st.lists(tasks, max_size=5), st.sampled_from([None, ("id",), ("runtime_seconds", "id", "progress")]))
def test_ndjson_reads_back_as_what_the_json_list_has(some: list[Task], columns: tuple[str, ...] | None) -> None:
    rows = [task_row(one) for one in some]
    listed = json.loads(msgspec.json.encode(rows))
    lines = NdjsonWriter(columns).rows(rows).decode().split("\n")
    assert lines.pop() == ""
    expected = [{name: item[name] for name in columns or item} for item in listed]
    assert [json.loads(line) for line in lines] == expected


@given(texts)
def test_no_text_is_left_that_a_spreadsheet_takes_for_a_formula_and_each_can_be_told(text: str) -> None:
    cell = defused(text)
    assert undefused(cell) == text
    if cell.lstrip(BLANKS + QUOTES)[:1] and cell.lstrip(BLANKS + QUOTES)[0] in FORMULA:
        assert cell == "'" + text
    assert cell[:1] not in set("=+-@\t\r\n")


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_dangerous_cell_is_defused_whatever_the_column(text: str) -> None:
    (found,) = read_back(CsvWriter(["a", text]).header() + CsvWriter(["a", text]).rows([{"a": 1, text: text}]))
    assert found == {"a": "1", "'" + text: "'" + text}


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_cell_is_left_as_it_is(text: str) -> None:
    assert defused(text) == text


def test_numbers_stay_numbers_and_what_is_no_number_is_empty() -> None:
    values = [-1, -1.5, 0, 2**60, 1e-7, float("nan"), float("-inf"), None, True]
    row = {f"c{index}": value for index, value in enumerate(values)}
    assert CsvWriter(tuple(row)).rows([row]) == b"-1,-1.5,0,1152921504606846976,1e-07,,,,true\r\n"


def test_a_line_of_one_empty_cell_is_not_a_blank_line() -> None:
    assert CsvWriter(["a"]).rows([{"a": None}, {"a": "x"}]) == b'""\r\nx\r\n'


def test_nested_rows_become_columns_and_lists_stay_json() -> None:
    assert flat({"name": "a", "runtime": {"p50": 1, "by": {"q": None}}, "none": {}, "list": [1, {"a": 2}]}) == {
        "name": "a",
        "runtime.p50": 1,
        "runtime.by.q": None,
        "none": {},
        "list": [1, {"a": 2}],
    }


def test_an_object_that_is_null_in_some_rows_has_its_members_columns_alone() -> None:
    rows: list[dict[str, object]] = [
        flat({"name": "a", "runtime": None}),
        flat({"name": "b", "runtime": {"p50": 1}}),
        {"x": None},
    ]
    assert columns_of(rows) == ("name", "runtime.p50", "x")
    assert columns_of([{"a": 1}, {"a.b": 2}]) == ("a", "a.b")
    assert (columns_of([]), CsvWriter([]).header()) == ((), b"")

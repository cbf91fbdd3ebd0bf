"""Reading exports back."""

import csv
import json
from io import StringIO
from typing import Any

from taskscope_api.export_rows import undefused


def read_back(data: bytes) -> list[dict[str, str]]:
    lines = list(csv.reader(StringIO(data.decode(), newline=""), strict=True))
    assert {len(line) for line in lines} == {len(lines[0])}, "every line has the header's columns"
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def check_cell(cell: str, value: Any) -> None:
    """The cell says what a member of the JSON says."""
    if value is None:
        assert cell == ""
    elif isinstance(value, str):
        assert undefused(cell) == value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        assert json.loads(cell) == value
    else:
        assert float(cell) == value
        assert not cell.startswith("'")

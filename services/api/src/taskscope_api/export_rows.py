"""Rows as text: CSV for spreadsheets, NDJSON for programs. Nothing here knows what a row is of. docs/export.md is for users.

A row is a msgspec Struct or a mapping; a column is the name of a member.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from math import isfinite
from operator import attrgetter
from typing import Any, Protocol

import msgspec
from msgspec.structs import astuple

BLANKS = " \t\n\r\v\f\0\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\xad\u2060" + "".join(
    map(chr, [*range(0x2000, 0x2010)])
)
"""What a spreadsheet may cut off before it looks whether a cell is a formula; some are not to be seen at all."""
QUOTES = "\"'`\u2018\u2019\u201c\u201d"
FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What a formula begins with; the last four are the same characters in full width."""
BREAKS = "\t\r\n"
"""What, in front of a cell, could make two of it."""

_SUSPECT = frozenset(BLANKS + QUOTES + FORMULA)
_dangerous = re.compile(
    f"[{re.escape(QUOTES)}]*[{re.escape(BREAKS)}]|[{re.escape(BLANKS + QUOTES)}]*[{re.escape(FORMULA)}]"
).match
"""Text that is dangerous is so behind a further quote, too: that is why `undefused` can tell."""
_encoder = msgspec.json.Encoder()

Row = msgspec.Struct | Mapping[str, Any]


class Format(StrEnum):
    """How an answer is written."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"


class Writer(Protocol):
    """Writes rows of some columns."""

    def header(self) -> bytes:
        """What comes before the first row."""
        ...

    def rows(self, rows: Iterable[Row]) -> bytes:
        """The rows, each ended."""
        ...


def defused(text: str) -> str:
    """The text, with `'` before it where a spreadsheet might take it for a formula.

    It can be undone: a cell is one of those exactly when it begins with `'` and what follows is dangerous by itself.
    """
    return "'" + text if _dangerous(text) else text


def undefused(cell: str) -> str:
    """What was written as this cell."""
    return cell[1:] if cell.startswith("'") and _dangerous(cell, 1) else cell


def line(values: Iterable[object]) -> str:
    """A row as one line of CSV: None is an empty cell, a number a number, text is defused, the rest is JSON.

    The csv module takes twice as long for the same.
    """
    texts = [
        "" if value is None else value if type(value) is str and value[:1] not in _SUSPECT else _text(value) for value in values
    ]
    plain = ",".join(texts)
    if plain.count(",") < len(texts) and '"' not in plain and "\n" not in plain and "\r" not in plain:
        return plain or '""'  # a blank line would be no row
    return ",".join([_quoted(text) if '"' in text or "," in text or "\n" in text or "\r" in text else text for text in texts])


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(value: object) -> str:
    if isinstance(value, str):
        return defused(str(value))
    if isinstance(value, float):
        return repr(value) if isfinite(value) else ""  # as in JSON
    return _encoder.encode(value).decode()


class CsvWriter:
    """RFC 4180: a header row, CRLF, quotes where they are needed and doubled within."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._values = _Values(self._columns)

    def header(self) -> bytes:
        """The names of the columns."""
        return _ended([line(self._columns)]) if self._columns else b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """A line for each row."""
        return _ended(map(line, map(self._values, rows)))


def _ended(lines: Iterable[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


class NdjsonWriter:
    """One JSON object a line. `columns` None: rows as they are."""

    def __init__(self, columns: Sequence[str] | None) -> None:
        self._columns = None if columns is None else tuple(columns)
        self._values = _Values(self._columns or ())

    def header(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """A line for each row."""
        columns, values = self._columns, self._values
        if columns is None:
            return _encoder.encode_lines(rows)
        return _encoder.encode_lines([dict(zip(columns, values(row), strict=True)) for row in rows])


class _Values:
    """Takes a row's values. A mapping without a column has None there."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._members = attrgetter(*columns) if columns else None
        self._kind: type[msgspec.Struct] | None = None
        self._leads = False

    def __call__(self, row: Row) -> Iterable[object]:
        """In the order of the columns."""
        columns, members = self._columns, self._members
        if not isinstance(row, msgspec.Struct):
            return [row.get(column) for column in columns]
        if self._kind is not type(row):
            self._kind = type(row)
            self._leads = row.__struct_fields__[: len(columns)] == columns
        if self._leads:  # as most do, and faster
            return astuple(row)[: len(columns)]
        if members is None:
            return ()
        return members(row) if len(columns) > 1 else (members(row),)


def flat(row: Row) -> dict[str, object]:
    """The row without nested objects: `{"runtime": {"p50": 1}}` becomes `{"runtime.p50": 1}`. Lists stay lists."""
    found: dict[str, object] = {}
    _flatten(msgspec.to_builtins(row, str_keys=True), "", found)
    return found


def _flatten(value: Mapping[str, object], prefix: str, found: dict[str, object]) -> None:
    for name, member in value.items():
        if isinstance(member, Mapping) and member:
            _flatten(member, f"{prefix}{name}.", found)
        else:
            found[prefix + name] = member


def columns_of(rows: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Every name that a flat row has, in the order in which they come; not that of an object that is null in some rows."""
    names = dict.fromkeys(name for row in rows for name in row)
    objects = {name[:at] for name in names for at, character in enumerate(name) if character == "."}
    return tuple(name for name in names if name not in objects or any(row.get(name) is not None for row in rows))

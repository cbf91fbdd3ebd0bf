"""Analytics as rows of an export: a line for each group, for each point of the series, or for each group of failures."""

from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from quart import Response
from taskscope_shared.clock import Clock

from taskscope_api.analytics.failures import Failures
from taskscope_api.analytics.rows import Analytics, Columns, SeriesRow
from taskscope_api.errors import ApiError
from taskscope_api.export_rows import Format, Row
from taskscope_api.exports import Exports, writer_of
from taskscope_api.queries import Parameters, single

POINT = ("start", "series", "group", *Columns.__struct_fields__)
"""Columns of a point. `series` is total, group or rest."""


class Table(StrEnum):
    """What the lines of an export are."""

    GROUPS = "groups"
    SERIES = "series"


def table_asked(given: Parameters) -> Table:
    """The table that `table` names. Raises `ApiError` for an unknown one."""
    name = single(given, "table") or Table.GROUPS
    if name not in list(Table):
        raise ApiError.of_field("table", f"{name[:40]!r} is no table; use one of {', '.join(Table)}")
    return Table(name)


async def export_analytics(exports: Exports, clock: Clock, found: Analytics, format_: Format, table: Table) -> Response:
    """The groups or the points of an answer as a file."""
    if table is Table.GROUPS:
        return await exports.rows("analytics", format_, _groups(found), clock)
    return exports.stream("analytics-series", format_, writer_of(format_, POINT), _points(found.series), clock)


async def export_failures(exports: Exports, clock: Clock, found: Failures, format_: Format) -> Response:
    """The groups of failures as a file."""
    window = {"start": found.start, "end": found.end}
    return await exports.rows("failures", format_, [{**window, **msgspec.structs.asdict(row)} for row in found.items], clock)


def _groups(found: Analytics) -> list[dict[str, Any]]:
    window = {"start": found.start, "end": found.end, "group_by": found.group_by}
    return [{**window, "group": row.group, "kind": row.kind, **msgspec.structs.asdict(row)} for row in found.groups]


async def _points(series: SeriesRow | None) -> AsyncGenerator[Sequence[Row]]:
    if series is None:
        return
    yield _points_of(series, series.total, "total", None)
    for group in series.groups:
        yield _points_of(series, group, "group", group.group)
    yield _points_of(series, series.rest, "rest", None)


def _points_of(series: SeriesRow, columns: Columns, name: str, group: str | None) -> list[dict[str, Any]]:
    """A dict for each start; a column that is null as a whole is so in each."""
    nothing = [None] * len(series.starts)
    values = [getattr(columns, field) or nothing for field in Columns.__struct_fields__]
    return [
        dict(zip(POINT, (start, name, group, *point), strict=True))
        for start, *point in zip(series.starts, *values, strict=True)
    ]

"""From sums to rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskscope_shared.cells import Example

from taskscope_api.analytics.rows import Change, Columns, DurationsRow, ExampleRow, GroupSeries, Totals
from taskscope_api.analytics.tally import (
    FAILED,
    LOST,
    REJECTED,
    RETRIED,
    REVOKED,
    SUCCEEDED,
    Durations,
    Point,
    Tally,
    durations,
    retry_rate,
    success_rate,
)
from taskscope_api.wire import moment_text

NO_POINT = (None,) * 14
"""The row of a point that is not known."""
COMPARABLE_SHARE = 0.9
"""So much of a stretch has to have been watched, and kept, at each source, that another one is compared with it."""
NO_CHANGE = Change(*(None,) * len(Change.__struct_fields__))
Origin = Mapping[tuple[str, float], str]
"""(task id, end) of an example -> its source."""


def durations_row(found: Durations) -> DurationsRow:
    """The row of a sketch."""
    return DurationsRow(found.known, found.mean, found.p50, found.p95, found.p99)


def totals(tally: Tally, per_second: float | None, *, measured: bool = True) -> Totals:
    """The totals of a sum, and its rate; `measured` false: there are no durations by its nature."""
    return Totals(*_totals(tally, per_second, measured=measured))


def _totals(tally: Tally, per_second: float | None, *, measured: bool) -> tuple[Any, ...]:
    """The members of `Totals`, in their order."""
    counts, attempts = tally.counts, tally.total
    finished = attempts - counts[RETRIED]
    return (
        attempts,
        finished,
        counts[SUCCEEDED],
        counts[FAILED],
        counts[RETRIED],
        counts[REVOKED],
        counts[REJECTED],
        counts[LOST],
        success_rate(counts),
        retry_rate(counts),
        per_second,
        durations_row(durations(tally.runtime, tally.runtime_us)) if measured else None,
        durations_row(durations(tally.wait, tally.wait_us)) if measured else None,
    )


def change(now: Totals, before: Totals, share: float) -> Change:
    """How `now` differs from `before`, of which so much was watched: nothing is compared with too little."""
    if share < COMPARABLE_SHARE:
        return NO_CHANGE
    return Change(
        per_second=_ratio(now.per_second, before.per_second),
        success_rate=_difference(now.success_rate, before.success_rate),
        retry_rate=_difference(now.retry_rate, before.retry_rate),
        runtime_mean=_ratio_of(now.runtime, before.runtime, lambda row: row.mean),
        runtime_p95=_ratio_of(now.runtime, before.runtime, lambda row: row.p95),
        wait_mean=_ratio_of(now.wait, before.wait, lambda row: row.mean),
        wait_p95=_ratio_of(now.wait, before.wait, lambda row: row.p95),
    )


def _ratio(now: float | None, before: float | None) -> float | None:
    return None if now is None or not before else round(now / before, 4)


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 6)


def _ratio_of(
    now: DurationsRow | None, before: DurationsRow | None, value: Callable[[DurationsRow], float | None]
) -> float | None:
    return None if now is None or before is None else _ratio(value(now), value(before))


def examples(found: Sequence[Example], origin: Origin, retained: Callable[[str, str], bool]) -> list[ExampleRow]:
    """The rows of examples; `retained(source, id)` says whether the task can still be shown."""
    rows = []
    for each in found:
        source = origin.get((each.id, each.at), "")
        rows.append(ExampleRow(each.id, source, moment_text(each.at), each.seconds, each.detail, retained(source, each.id)))
    return rows


def columns(points: Sequence[Point | None], *, measured: bool = True) -> Columns:
    """A series by columns."""
    return Columns(*_columns(points, measured=measured))


def group_series(group: str | None, points: Sequence[Point | None], *, measured: bool = True) -> GroupSeries:
    """A group's series by columns."""
    return GroupSeries(*_columns(points, measured=measured), group=group)


def _columns(points: Sequence[Point | None], *, measured: bool) -> tuple[Any, ...]:
    """The members of `Columns`, in their order."""
    rows = [NO_POINT if point is None else point.row for point in points]
    columns = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in NO_POINT]
    if measured:
        return tuple(columns)
    nothing = [None] * len(points)
    return (*columns[:6], nothing, None, None, None, nothing, None, None, None)

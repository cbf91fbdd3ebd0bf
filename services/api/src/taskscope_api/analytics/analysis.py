"""Answers a question: reads what it needs, and puts the rows together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import floor

import msgspec
from taskscope_shared.model import Queue
from taskscope_shared.watched import Span

from taskscope_api.analytics.cellar import Cellar
from taskscope_api.analytics.drains import DERIVED, drain_rows
from taskscope_api.analytics.periods import DAY, HOUR, MINUTE, Marks
from taskscope_api.analytics.question import Question
from taskscope_api.analytics.rates import Rates, rates
from taskscope_api.analytics.rests import Rests
from taskscope_api.analytics.rows import Analytics, Gap, GroupRow, KindShare, LastDay, SeriesRow, StretchRow
from taskscope_api.analytics.series import Line, Series, Steps
from taskscope_api.analytics.stretch import Chosen, Group, Stretch, chosen, stretch
from taskscope_api.analytics.tally import RETRIED, Point, Tally, durations, success_rate
from taskscope_api.analytics.totals import COMPARABLE_SHARE, change, columns, durations_row, examples, group_series, totals
from taskscope_api.wire import moment_text

TURN_ROWS = 16
"""Rows made before others may run: about 1 ms."""
NO_DURATIONS = "durations are summed up by name, queue and source; for workers, whose names have no end, counts alone are kept"
EXPIRED = "what is null in a series reaches back to before the cells that are kept, is not yet summed up, or nobody watched"
INCOMPARABLE = "nobody watched enough of the time before to compare with it"
NO_REST = "quantiles cannot be subtracted from each other: what is beside the largest groups has counts and means alone"
NO_KINDS = "kinds are summed up with names, apart from queues and workers"
NO_NAME = "attempts of tasks whose name, queue or worker is not known, or too many to be kept apart, are in no group"
UNREADABLE = "some cells cannot be read (a newer Taskscope wrote them) and are left out: {}"


class Surroundings(msgspec.Struct, frozen=True):
    """What the live view tells: queues by `source/name`, and whether a task is retained."""

    queues: Mapping[str, Queue]
    retained: Callable[[str, str], bool]


class Analyst:
    """Answers questions over the rollups."""

    def __init__(self, cellar: Cellar) -> None:
        self._cellar = cellar
        self._series = Series(cellar)
        self._rests = Rests()

    async def answer(self, asked: Question, sources: list[str], now: float, around: Surroundings) -> Analytics:
        """The answer, over `sources` alone. Raises `StoreError`, `BusyError`."""
        marks = dict(zip(sources, await asyncio.gather(*map(self._cellar.marks, sources)), strict=True))
        end = now if asked.until is None else float(floor(asked.until / asked.bucket) * asked.bucket)
        start = floor((end - asked.window) / asked.bucket) * asked.bucket
        whole = await stretch(self._cellar, asked.marginal, start, end, marks, now)
        found = chosen(whole, asked)
        before = await self._before(asked, whole, marks, now) if asked.compare else None
        measured = asked.marginal != "worker" or not asked.filters
        paced = rates(whole, asked, found)
        summed = totals(found.total, paced.total, measured=measured)
        steps = _steps(asked, start, end)
        ordered = sorted(found.groups, key=lambda group: (-found.groups[group].total, group or ""))
        series = await self._series_row(asked, whole, found, ordered[: asked.series], steps, marks, now)
        last_day = await self._last_day(asked, marks, now)
        return Analytics(
            at=moment_text(now),
            start=moment_text(start),
            end=moment_text(end),
            seconds=round(whole.seconds, 3),
            watched=round(whole.share, 6),
            watched_from=None if whole.watched_from is None else moment_text(whole.watched_from),
            unwatched=_gaps(whole.unwatched),
            group_by=asked.group_by,
            sources=sources,
            stale=False,
            stale_reasons=[],
            gaps=_gaps({source: each.gaps for source, each in whole.covers.items()}),
            totals=summed,
            slowest=examples(found.total.slowest, found.origin, around.retained),
            latest_failed=examples(found.total.failed, found.origin, around.retained),
            before=before,
            change=None if before is None else change(summed, before.totals, before.watched),
            groups=await _group_rows(found, ordered[: asked.groups], paced, asked, around),
            group_count=len(ordered),
            unattributed=found.unattributed,
            series=series,
            kinds=await self._kinds(asked, whole, marks, now),
            last_day=last_day,
            queues=await drain_rows(self._cellar, asked, marks, now, around.queues),
            unknown=_unknown(asked, found, whole, series) | _incomparable(before, last_day),
        )

    async def _before(self, asked: Question, whole: Stretch, marks: dict[str, Marks], now: float) -> StretchRow:
        length = -(-asked.window // asked.bucket) * asked.bucket
        earlier = await stretch(self._cellar, asked.marginal, whole.start - length, whole.start, marks, now)
        return _stretch_row(earlier, asked)

    async def _series_row(
        self,
        asked: Question,
        stretched: Stretch,
        found: Chosen,
        top: list[Group],
        steps: Steps,
        marks: dict[str, Marks],
        now: float,
    ) -> SeriesRow | None:
        if not asked.series:
            return None
        total = Line(found.all_fields)
        if asked.group_by == "source":
            whole = (await self._series.points([total], steps, marks, now))[0]
            lines = [(await self._series.points([total], steps, {str(each): marks[str(each)]}, now))[0] for each in top]
        else:
            whole, *lines = await self._series.points([total, *map(found.line, top)], steps, marks, now)
        blind = _blind(stretched, steps, whole)
        whole, *lines = (_blanked(points, blind) for points in (whole, *lines))
        await asyncio.sleep(0)
        measured = asked.marginal != "worker"
        key = (tuple(marks), found.all_fields, asked.group_by, tuple(top), steps.seconds)
        left = self._rests.rest(key, steps.starts, whole, lines, measured=measured)
        await asyncio.sleep(0)
        return SeriesRow(
            bucket_seconds=steps.seconds,
            starts=list(map(moment_text, steps.starts)),
            total=columns(whole, measured=measured or not asked.filters),
            groups=[group_series(group, points, measured=measured) for group, points in zip(top, lines, strict=True)],
            rest=left,
        )

    async def _kinds(self, asked: Question, whole: Stretch, marks: dict[str, Marks], now: float) -> list[KindShare] | None:
        if asked.filters and asked.marginal != "name":
            return None
        if asked.marginal != "name":
            whole = await stretch(self._cellar, "name", whole.start, whole.end, marks, now)
        by_kind = chosen(whole, msgspec.structs.replace(asked, group_by="kind", marginal="name")).groups
        attempts = sum(tally.total for tally in by_kind.values())
        ordered = sorted(by_kind.items(), key=lambda each: (-each[1].total, each[0] or ""))
        return [_kind_share(kind, tally, attempts) for kind, tally in ordered]

    async def _last_day(self, asked: Question, marks: dict[str, Marks], now: float) -> LastDay:
        start = int(now) // HOUR * HOUR - 23 * HOUR
        marginal = asked.marginal if asked.filters else "source"
        plain = msgspec.structs.replace(asked, marginal=marginal, group_by="source")
        last = await stretch(self._cellar, marginal, start, now, marks, now)
        earlier = await stretch(self._cellar, marginal, start - DAY, start, marks, now)
        row, before = _stretch_row(last, plain), _stretch_row(earlier, plain)
        hours = Steps(tuple(range(start, start + DAY, HOUR)), HOUR, _end(now))
        line = Line(chosen(last, plain).all_fields)
        points = (await self._series.points([line], hours, marks, now))[0]
        points = _blanked(points, _blind(last, hours, points))
        return LastDay(
            now=row,
            before=before,
            trend=change(row.totals, before.totals, before.watched),
            hours=list(map(moment_text, hours.starts)),
            finished=[None if each is None else sum(each.counts) - each.counts[RETRIED] for each in points],
            success_rate=[None if each is None else success_rate(each.counts) for each in points],
            runtime_mean=[None if each is None else each.runtime.mean for each in points],
        )


def _blind(found: Stretch, steps: Steps, whole: Sequence[Point | None]) -> frozenset[int]:
    """Indices of the steps in which nobody watched and of which nothing was found: their zeros would say that nothing ran."""
    ends = (min(start + steps.seconds, steps.end) for start in steps.starts)
    return frozenset(
        index
        for index, (start, end, each) in enumerate(zip(steps.starts, ends, whole, strict=True))
        if found.is_blind(start, end) and not (each and any(each.counts))
    )


def _blanked(points: Sequence[Point | None], blind: frozenset[int]) -> list[Point | None]:
    return [None if index in blind else each for index, each in enumerate(points)]


def _end(end: float) -> int:
    return -int(-end // MINUTE) * MINUTE


def _steps(asked: Question, start: int, end: float) -> Steps:
    last = _end(end)
    return Steps(tuple(range(start, last, asked.bucket)), asked.bucket, last)


def _gaps(spans: Mapping[str, Sequence[Span]]) -> list[Gap]:
    return [Gap(source, moment_text(start), moment_text(end)) for source, each in spans.items() for start, end in each]


def _stretch_row(found: Stretch, asked: Question) -> StretchRow:
    whole = chosen(found, asked)
    measured = asked.marginal != "worker" or not asked.filters
    row = totals(whole.total, rates(found, asked, whole).total, measured=measured)
    start, end = moment_text(found.start), moment_text(found.end)
    return StretchRow(start, end, round(found.seconds, 3), round(found.share, 6), row)


async def _group_rows(
    found: Chosen, groups: Sequence[Group], paced: Rates, asked: Question, around: Surroundings
) -> list[GroupRow]:
    rows = []
    for number, group in enumerate(groups, 1):
        rows.append(_group_row(found, group, paced, asked, around))
        if number % TURN_ROWS == 0:
            await asyncio.sleep(0)
    return rows


def _group_row(found: Chosen, group: Group, paced: Rates, asked: Question, around: Surroundings) -> GroupRow:
    tally = found.groups[group]
    row = totals(tally, paced.groups.get(group), measured=asked.marginal != "worker")
    return GroupRow(
        **msgspec.structs.asdict(row),
        group=group,
        kind=found.kinds.get(group),
        share=_share(tally.total, found.total.total),
        slowest=examples(tally.slowest, found.origin, around.retained),
        latest_failed=examples(tally.failed, found.origin, around.retained),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _kind_share(kind: Group, tally: Tally, attempts: int) -> KindShare:
    return KindShare(
        kind=kind,
        attempts=tally.total,
        share=_share(tally.total, attempts),
        success_rate=success_rate(tally.counts),
        runtime=durations_row(durations(tally.runtime, tally.runtime_us)),
    )


def _incomparable(before: StretchRow | None, day: LastDay) -> dict[str, str]:
    compared = {"change": before, "last_day.trend": day.before}
    return {name: INCOMPARABLE for name, row in compared.items() if row is not None and row.watched < COMPARABLE_SHARE}


def _unknown(asked: Question, found: Chosen, whole: Stretch, series: SeriesRow | None) -> dict[str, str]:
    unknown = {"series.rest.runtime_p50": NO_REST, "queues.in_per_second": DERIVED}
    if asked.marginal == "worker":
        unknown["groups.runtime"] = unknown["groups.wait"] = NO_DURATIONS
    if asked.filters and asked.marginal != "name":
        unknown["kinds"] = NO_KINDS
    if series is not None and None in series.total.succeeded:
        unknown["series.total"] = EXPIRED
    if found.unattributed:
        unknown["unattributed"] = NO_NAME
    if whole.unreadable:
        unknown["totals"] = UNREADABLE.format(whole.unreadable)
    return unknown

"""A stretch of time summed up over several sources, and divided into the groups that somebody asks for."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from taskscope_shared.watched import Span, length, united

from taskscope_api.analytics.cellar import Cellar
from taskscope_api.analytics.periods import MINUTE, Bucket, Cover, Marks, cover
from taskscope_api.analytics.question import Question
from taskscope_api.analytics.series import Line
from taskscope_api.analytics.sums import OVERFLOW, Groups, KindSums, by_kind, joined
from taskscope_api.analytics.tally import Tally, tally_of

Group = str | None


class Stretch(msgspec.Struct):
    """From `start` to `end`, by source. `unwatched` are the parts in which nobody watched, and `found` what is known of them
    all the same, as brokers told it later: too little for a rate.
    """

    start: int
    end: float
    by_source: dict[str, Groups]
    covers: dict[str, Cover]
    unwatched: dict[str, list[Span]]
    found: dict[str, Groups]

    def seconds_of(self, source: str) -> float:
        """How much of it was watched at the source, and is kept."""
        missing = united([*self.covers[source].gaps, *self.unwatched[source]])
        return max(0.0, self.end - self.start - length(missing))

    @property
    def seconds(self) -> float:
        """How much of it was watched and is kept at the source of which that is most (what the others lack is told)."""
        return max(map(self.seconds_of, self.by_source), default=self.end - self.start)

    @property
    def is_even(self) -> bool:
        """Whether all sources were watched for the same time, and nothing is known of the rest."""
        times = {self.seconds_of(source) for source in self.by_source}
        return len(times) < 2 and not any(each.total.total for each in self.found.values())

    @property
    def share(self) -> float:
        """How much of it was watched and is kept at the source of which that is least: 1 for all of it."""
        whole = self.end - self.start
        return min((self.seconds_of(source) / whole for source in self.by_source if whole), default=1.0)

    def is_blind(self, start: float, end: float) -> bool:
        """Whether nobody watched any of it, at any source."""
        return bool(self.unwatched) and all(
            any(since <= start and end <= until for since, until in spans) for spans in self.unwatched.values()
        )

    @property
    def watched_from(self) -> float | None:
        """Since when it was watched at any source; None for not at all."""
        firsts = [_first(self.start, spans) for spans in self.unwatched.values()] or [self.start]
        return min(firsts) if min(firsts) < self.end else None

    @property
    def unreadable(self) -> int:
        """Cells that were left out."""
        return sum(groups.unreadable for groups in self.by_source.values())


async def stretch(cellar: Cellar, marginal: str, start: int, end: float, marks: Mapping[str, Marks], now: float) -> Stretch:
    """The sums of each source. Raises `StoreError`, `BusyError`."""
    covers = {source: cover(start, _whole_minutes(end), each, now) for source, each in marks.items()}
    sums = await asyncio.gather(
        *(cellar.groups(source, marginal, covers[source].buckets, each) for source, each in marks.items())
    )
    unwatched = {source: each.watched.unwatched(start, end) for source, each in marks.items()}
    beside = {source: _within(unwatched[source], each, now) for source, each in marks.items()}
    found = await asyncio.gather(
        *(cellar.groups(source, marginal, beside[source], each, "unwatched") for source, each in marks.items())
    )
    return Stretch(start, end, dict(zip(marks, sums, strict=True)), covers, unwatched, dict(zip(marks, found, strict=True)))


def _whole_minutes(end: float) -> int:
    return -int(-end // 60) * 60


def _within(spans: Sequence[Span], marks: Marks, now: float) -> list[Bucket]:
    """The buckets that lie in these as a whole."""
    parts = (cover(_whole_minutes(start), int(end) // MINUTE * MINUTE, marks, now) for start, end in spans)
    return [bucket for part in parts for bucket in part.buckets]


def _first(start: float, unwatched: Sequence[Span]) -> float:
    """The first moment from `start` on that was watched."""
    return unwatched[0][1] if unwatched and unwatched[0][0] <= start else start


class Chosen(msgspec.Struct):
    """What a question is about, of a stretch. `fields` are the cells' fields of each group; `all_fields` those of `total`."""

    total: Tally
    groups: dict[Group, Tally]
    kinds: dict[Group, str | None]
    fields: dict[Group, tuple[str, ...]]
    all_fields: tuple[str, ...]
    unattributed: int
    origin: dict[tuple[str, float], str]

    def line(self, group: Group) -> Line:
        """The series of a group."""
        return Line(self.fields[group])


def chosen(found: Stretch, asked: Question) -> Chosen:
    """The groups of the question, and the sum of all that its filters let in."""
    parts = list(found.by_source.values())
    whole = parts[0] if len(parts) == 1 else joined(parts)
    labels = {label: tally for label, tally in whole.by_label.items() if asked.wants(label, tally.kind)}
    fields = tuple(sorted(f"{asked.marginal}:{label}" for label in labels)) if asked.filters else ("source:",)
    total = tally_of(labels.values()) if asked.filters else whole.total
    return Chosen(
        total=total,
        groups=_groups(found, labels, asked),
        kinds={label: tally.kind for label, tally in labels.items()} if asked.group_by == "name" else {},
        fields=_fields(found, labels, fields, asked),
        all_fields=fields,
        unattributed=_unattributed(whole, labels, asked),
        origin=_origin(found),
    )


def _groups(found: Stretch, labels: dict[str, Tally], asked: Question) -> dict[Group, Tally]:
    if asked.group_by == "source":
        return {source: _of_source(groups, asked) for source, groups in found.by_source.items()}
    if asked.group_by != "kind":
        return {label: tally for label, tally in labels.items()}  # noqa: C416 - a dict of labels is none of groups
    kinds = {label: tally.kind for label, tally in labels.items()}
    found_kinds: KindSums = {}
    for groups in found.by_source.values():
        for kind, tally in by_kind(groups, kinds).items():
            found_kinds.setdefault(kind, Tally()).add(tally)
    return found_kinds


def _of_source(groups: Groups, asked: Question) -> Tally:
    if not asked.filters:
        return groups.total
    return tally_of(tally for label, tally in groups.by_label.items() if asked.wants(label, tally.kind))


def _fields(
    found: Stretch, labels: dict[str, Tally], all_fields: tuple[str, ...], asked: Question
) -> dict[Group, tuple[str, ...]]:
    if asked.group_by == "source":
        return dict.fromkeys(found.by_source, all_fields)
    fields: dict[Group, tuple[str, ...]] = {}
    for label in sorted(labels):
        group = labels[label].kind if asked.group_by == "kind" else label
        fields[group] = (*fields.get(group, ()), f"{asked.marginal}:{label}")
    return fields


def _unattributed(whole: Groups, labels: dict[str, Tally], asked: Question) -> int:
    """Attempts that may belong to no group; with filters those that might have been let in, were it known."""
    if asked.marginal == "source":
        return 0
    if asked.filters:
        overflow = whole.by_label.get(OVERFLOW)
        hidden = overflow.total if overflow is not None and OVERFLOW not in labels else 0
    else:
        hidden = 0
    return max(0, whole.total.total - sum(tally.total for tally in whole.by_label.values())) + hidden


def _origin(found: Stretch) -> dict[tuple[str, float], str]:
    origin = {}
    for source, groups in found.by_source.items():
        for tally in (groups.total, *groups.by_label.values()):
            for example in (*tally.slowest, *tally.failed):
                origin[example.id, example.at] = source
    return origin

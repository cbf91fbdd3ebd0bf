"""A stretch of time summed up over several sources, and divided into the groups that somebody asks for."""

import asyncio
from collections.abc import Mapping

import msgspec

from taskscope_api.analytics.cellar import Cellar
from taskscope_api.analytics.periods import Cover, Marks, cover
from taskscope_api.analytics.question import Question
from taskscope_api.analytics.series import Line
from taskscope_api.analytics.sums import OVERFLOW, Groups, KindSums, by_kind, joined
from taskscope_api.analytics.tally import Tally, tally_of

Group = str | None


class Stretch(msgspec.Struct):
    """From `start` to `end`, by source."""

    start: int
    end: float
    by_source: dict[str, Groups]
    covers: dict[str, Cover]

    @property
    def seconds(self) -> float:
        """Its length without what no source keeps any more (a source that keeps less is told as a gap)."""
        missing = min((each.missing_seconds for each in self.covers.values()), default=0)
        return max(0.0, self.end - self.start - missing)

    @property
    def unreadable(self) -> int:
        """Cells that were left out."""
        return sum(groups.unreadable for groups in self.by_source.values())


async def stretch(cellar: Cellar, marginal: str, start: int, end: float, marks: Mapping[str, Marks], now: float) -> Stretch:
    """The sums of each source. Raises `StoreError`, `BusyError`."""
    covers = {source: cover(start, _whole_minutes(end), each, now) for source, each in marks.items()}
    found = await asyncio.gather(
        *(cellar.groups(source, marginal, covers[source].buckets, each) for source, each in marks.items())
    )
    return Stretch(start, end, dict(zip(marks, found, strict=True)), covers)


def _whole_minutes(end: float) -> int:
    return -int(-end // 60) * 60


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

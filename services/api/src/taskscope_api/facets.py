"""How the tasks of a filter are spread over the values of some fields, as the side bar of a dashboard shows it."""

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from operator import and_
from typing import Annotated

import msgspec
import numpy as np

from taskscope_api.described import Count, Stale, says
from taskscope_api.filters import Matcher
from taskscope_api.replica import Replica

FIELDS = ("state", "kind", "name", "queue", "worker")
LEFT_OUT = frozenset(FIELDS)
EXAMPLE = {"values": [{"value": "vod", "count": 1204}], "others": 0, "distinct": 1}


class FacetValue(msgspec.Struct, frozen=True):
    """A value (null: tasks of which it is not known) and how many tasks have it."""

    value: Annotated[str | None, says("The value; null: it is not known", "vod")]
    count: Annotated[Count, says("Tasks that have it")]


class Facet(msgspec.Struct):
    """The most frequent values of a field, and what is not listed."""

    values: Annotated[list[FacetValue], says("Values, most frequent first", [{"value": "vod", "count": 1204}])]
    others: Annotated[Count, says("Tasks whose value is not listed", 0)]
    distinct: Annotated[Count, says("Values that there are", 4)]


class FacetCounts(msgspec.Struct):
    """Tasks by each field, counted without the filter's values of that same field: they say what else there is."""

    state: Annotated[Facet, says("By state", EXAMPLE)]
    kind: Annotated[Facet, says("By kind", EXAMPLE)]
    name: Annotated[Facet, says("By name", EXAMPLE)]
    queue: Annotated[Facet, says("By queue", EXAMPLE)]
    worker: Annotated[Facet, says("By worker", EXAMPLE)]
    source: Annotated[Facet, says("By source", EXAMPLE)]


class Facets(msgspec.Struct):
    """`total` counts what matches the whole filter."""

    total: Annotated[Count, says("Tasks that match the whole filter")]
    stale: Stale
    facets: Annotated[FacetCounts, says("Field: its values", dict.fromkeys((*FIELDS, "source"), EXAMPLE))]


def facets(matcher: Matcher, replicas: Iterable[Replica], limit: int, *, stale: bool) -> Facets:
    """Counts over the replicas (those in scope, wanted or not), at most `limit` values a field."""
    total, counts = 0, {field: Counter[str | None]() for field in (*FIELDS, "source")}
    for replica in replicas:
        of_replica = _of_replica(matcher, replica)
        matching = of_replica.pop("source")
        counts["source"].update(matching)
        if matcher.source(replica.source):
            total += matching.total()
            for field, counted in of_replica.items():
                counts[field].update(counted)
    return Facets(total, stale, FacetCounts(**{field: _facet(counted, limit) for field, counted in counts.items()}))


def _of_replica(matcher: Matcher, replica: Replica) -> dict[str, Counter[str | None]]:
    columns = replica.columns
    masks = dict(matcher.masks(replica))
    fixed = [masks.pop(name) for name in [*masks] if name not in LEFT_OUT]
    base = matcher.with_words(replica, reduce(and_, fixed, columns.living))
    rows = np.flatnonzero(reduce(and_, masks.values(), base))
    counts = {"source": Counter[str | None]({replica.source: len(rows)} if len(rows) else {})}
    for field in FIELDS:
        others = [mask for name, mask in masks.items() if name != field]
        of_field = rows if field not in masks else np.flatnonzero(reduce(and_, others, base))
        counts[field] = Counter(columns.codes[field].counts(of_field))
    return counts


def _facet(counted: Counter[str | None], limit: int) -> Facet:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0] or ""))
    shown = [FacetValue(value, count) for value, count in ordered[:limit]]
    return Facet(shown, counted.total() - sum(value.count for value in shown), len(ordered))

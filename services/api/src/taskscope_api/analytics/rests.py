"""What of a series is in none of its groups: counts and sums can be subtracted; quantiles of it are not made."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from operator import is_

import msgspec

from taskscope_api.analytics.rows import Columns
from taskscope_api.analytics.tally import Durations, Point, point_of
from taskscope_api.analytics.totals import columns

KEPT_RESTS = 8
"""Series whose rests are kept: some 150 KB each."""

Made = tuple[Point | None, tuple[Point | None, ...], Point | None]
"""A point, those of the groups, and what was left."""


class Rests:
    """Subtracts groups from totals. A point is made again only when one of those that it follows from is another object."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, dict[int, Made]] = OrderedDict()

    def rest(
        self,
        key: Hashable,
        starts: Sequence[int],
        whole: Sequence[Point | None],
        lines: Sequence[Sequence[Point | None]],
        *,
        measured: bool,
    ) -> Columns:
        """What is in `whole` and in none of the lines, at each start; `key` says which series they are."""
        known = self._kept.get(key, {})
        others = zip(*lines, strict=True) if lines else [()] * len(whole)
        made = {start: _made(known.get(start), point, parts) for start, point, parts in zip(starts, whole, others, strict=True)}
        self._kept[key] = made
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_RESTS:
            self._kept.popitem(last=False)
        found = columns([each[2] for each in made.values()], measured=measured)
        return msgspec.structs.replace(
            found, runtime_p50=None, runtime_p95=None, runtime_p99=None, wait_p50=None, wait_p95=None, wait_p99=None
        )


def _made(known: Made | None, point: Point | None, parts: tuple[Point | None, ...]) -> Made:
    if known is not None and known[0] is point and len(known[1]) == len(parts) and all(map(is_, known[1], parts)):
        return known
    return point, parts, _without(point, parts)


def _without(point: Point | None, others: Sequence[Point | None]) -> Point | None:
    known = [each for each in others if each is not None]
    if point is None or len(known) < len(others):
        return None
    counts = [whole - sum(parts) for whole, *parts in zip(point.counts, *(each.counts for each in known), strict=True)]
    return point_of(
        counts, _less(point.runtime, [each.runtime for each in known]), _less(point.wait, [each.wait for each in known])
    )


def _less(whole: Durations, parts: Sequence[Durations]) -> Durations:
    number = whole.known - sum([part.known for part in parts])
    sum_us = whole.sum_us - sum([part.sum_us for part in parts])
    mean = round(sum_us / 1e6 / number, 6) if number > 0 else None
    return Durations(number, mean, None, None, None, sum_us)

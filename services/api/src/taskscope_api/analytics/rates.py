"""How many tasks ended a second: what each source ended while it was watched, by the time in which it was."""

from collections.abc import Mapping

import msgspec

from taskscope_api.analytics.question import Question
from taskscope_api.analytics.stretch import Chosen, Group, Stretch, chosen
from taskscope_api.analytics.tally import RETRIED, Tally


class Rates(msgspec.Struct):
    """Of all that a question is about, and of each of its groups; None where nothing of the time is kept."""

    total: float | None
    groups: Mapping[Group, float]


def rates(found: Stretch, asked: Question, whole: Chosen) -> Rates:
    """Of `whole`, which was chosen of all: the sources' rates added up, so that one that was watched for an hour of a day has
    not the rate of an idle one.
    """
    if found.is_even:
        return _over(whole, found.seconds)
    return _added_up(found, asked)


def _over(whole: Chosen, seconds: float) -> Rates:
    if seconds <= 0:
        return Rates(None, {})
    groups = {group: round(_rate(tally, None, seconds), 6) for group, tally in whole.groups.items()}
    return Rates(round(_rate(whole.total, None, seconds), 6), groups)


def _added_up(found: Stretch, asked: Question) -> Rates:
    parts = [part for source in found.by_source if (part := _of_source(found, source, asked)) is not None]
    groups: dict[Group, float] = {}
    for part in parts:
        for group, rate in part.groups.items():
            groups[group] = groups.get(group, 0.0) + rate
    total = round(sum(part.total or 0.0 for part in parts), 6) if parts else None
    return Rates(total, {group: round(rate, 6) for group, rate in groups.items()})


def _of_source(found: Stretch, source: str, asked: Question) -> Rates | None:
    seconds = found.seconds_of(source)
    if seconds <= 0:
        return None
    alone = msgspec.structs.replace(found, by_source={source: found.by_source[source]})
    whole = chosen(alone, asked)
    beside = chosen(msgspec.structs.replace(found, by_source={source: found.found[source]}), asked)
    groups = {group: _rate(tally, beside.groups.get(group), seconds) for group, tally in whole.groups.items()}
    return Rates(_rate(whole.total, beside.total, seconds), groups)


def rate_of(found: Stretch, source: str, label: str) -> float | None:
    """Of one label of a source; None where nothing of the time is kept."""
    seconds = found.seconds_of(source)
    if seconds <= 0:
        return None
    whole, beside = (groups.by_label.get(label) for groups in (found.by_source[source], found.found[source]))
    return round(_rate(whole or Tally(), beside, seconds), 6)


def _rate(whole: Tally, beside: Tally | None, seconds: float) -> float:
    return (_finished(whole) - (0 if beside is None else _finished(beside))) / seconds


def _finished(tally: Tally) -> int:
    return tally.total - tally.counts[RETRIED]

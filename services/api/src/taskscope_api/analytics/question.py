"""What somebody asks, checked: a window and buckets that the rollups can answer, and filters that one marginal can."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite

import msgspec
from taskscope_shared.keys import ROLLUP_SECONDS

from taskscope_api.analytics.periods import HOUR, MINUTE
from taskscope_api.analytics.sums import OVERFLOW
from taskscope_api.errors import ApiError
from taskscope_api.queries import Parameters, single

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SPANS = ROLLUP_SECONDS
"""How far back, in seconds, each resolution answers; the last minutes before it expires are not read, and told as a gap."""
LONGEST = SPANS[HOUR]
AHEAD = HOUR
"""Seconds that `until` may be ahead of now."""
MAX_POINTS = 750
AUTOMATIC = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400)
AUTOMATIC_POINTS = 300
"""Without `bucket` the smallest of `AUTOMATIC` is taken that makes at most so many points."""
DEFAULT_WINDOW = 86_400
DEFAULT_SERIES = 20
MAX_SERIES = 50
DEFAULT_GROUPS = 200
MAX_GROUPS = 500
DEFAULT_FAILURES = 50
GROUPINGS = ("name", "kind", "queue", "worker", "source")
MARGINALS = {"name": "name", "kind": "name", "queue": "queue", "worker": "worker"}
"""Parameter -> the marginal whose cells answer it."""
MAX_VALUES = 100
MAX_LENGTH = 512
BUCKET_STEPS = {"1m": 60, "5m": 300, "1h": 3600}

_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhdw])")


class Question(msgspec.Struct, frozen=True):
    """Seconds, and epoch seconds. `until` None: up to now. `filters`: of one marginal alone, and never `source`."""

    window: int
    bucket: int
    group_by: str
    marginal: str
    filters: Mapping[str, tuple[str, ...]]
    sources: tuple[str, ...]
    until: float | None
    compare: bool
    series: int
    groups: int

    def wants(self, label: str, kind: str | None) -> bool:
        """Whether the filters let a label of the marginal in."""
        if not self.filters:
            return True
        if label == OVERFLOW and self.marginal == "name" and kind is None:
            return False
        for field, values in self.filters.items():
            if not any(_matches(value, (kind or "") if field == "kind" else label) for value in values):
                return False
        return True


def _matches(pattern: str, text: str) -> bool:
    """Exact, or with `*` for any text; linear in the text's length."""
    first, *parts = pattern.split("*")
    if not parts:
        return pattern == text
    last = parts.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in parts:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def question(given: Parameters, now: float) -> Question:
    """The question of a query string. Raises `ApiError` that names the parameter, and says what would be right."""
    filters = {field: values for field in MARGINALS if (values := _values(given, field))}
    group_by, marginal = _grouping(single(given, "group_by"), filters)
    until = _until(single(given, "until"), now)
    window = _seconds("window", single(given, "window"), DEFAULT_WINDOW)
    if window < MINUTE:
        raise ApiError.of_field("window", "a window is at least 1m")
    age = now - until + window if until is not None else window
    if age > LONGEST:
        raise ApiError.of_field("window", f"the window begins {_text(age)} ago; rollups are kept for {_text(LONGEST)}")
    compare = _flag("compare", single(given, "compare"))
    if compare and age + window > LONGEST:
        raise ApiError.of_field(
            "compare", f"the window before begins {_text(age + window)} ago; rollups are kept for {_text(LONGEST)}"
        )
    return Question(
        window=window,
        bucket=_bucket(single(given, "bucket"), window, age),
        group_by=group_by,
        marginal=marginal,
        filters=filters,
        sources=_values(given, "source"),
        until=until,
        compare=compare,
        series=_number(given, "series", DEFAULT_SERIES, 0, MAX_SERIES),
        groups=_number(given, "groups", DEFAULT_GROUPS, 0, MAX_GROUPS),
    )


class Failing(msgspec.Struct, frozen=True):
    """What somebody asks of failures: seconds, epoch seconds (None: up to now), and how many groups."""

    window: int
    until: float | None
    groups: int


def failing(given: Parameters, now: float) -> Failing:
    """The window of a query string for failures. Raises `ApiError` that names the parameter."""
    window = _seconds("window", single(given, "window"), DEFAULT_WINDOW)
    if window > LONGEST:
        raise ApiError.of_field("window", f"a window is at most {_text(LONGEST)}")
    return Failing(window, _until(single(given, "until"), now), _number(given, "groups", DEFAULT_FAILURES, 1, MAX_GROUPS))


def _grouping(asked: str | None, filters: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """What is grouped by, and the marginal that is read."""
    marginals = {field: MARGINALS[field] for field in filters}
    if len(set(marginals.values())) > 1:
        *others, last = filters
        raise ApiError.of_field(last, _apart(f"{last} and {others[0]} cannot be combined"))
    own = next(iter(marginals.values()), None)
    group_by = asked or own or "name"
    if group_by not in GROUPINGS:
        raise ApiError.of_field("group_by", f"{group_by[:40]!r} is not one of {', '.join(GROUPINGS)}")
    needed = MARGINALS.get(group_by)
    if own is not None and needed is not None and needed != own:
        field = next(iter(filters))
        raise ApiError.of_field(field, _apart(f"{field} cannot be combined with group_by={group_by}"))
    return group_by, own or needed or "source"


def _apart(what: str) -> str:
    return (
        f"{what}: finished tasks are summed up by name (with its kind), by queue, by worker and by source, each by itself. "
        "Ask with group_by=name, kind or source for a name or a kind, with group_by=queue or source for a queue, "
        "with group_by=worker or source for a worker; source goes with everything. /api/tasks filters what is retained by all"
    )


def _bucket(text: str | None, window: int, age: float) -> int:
    if text is None or text == "auto":
        fits = (each for each in AUTOMATIC if age <= _span(each) and window / each <= AUTOMATIC_POINTS)
        return next(fits, 86_400)
    bucket = _seconds("bucket", text, HOUR)
    if bucket % MINUTE:
        raise ApiError.of_field("bucket", "a bucket is a multiple of 1m")
    if 86_400 % bucket and bucket % 86_400:
        raise ApiError.of_field("bucket", f"{text} neither divides a day evenly nor is a number of days; 1m, 5m, 1h do")
    if bucket > window:
        raise ApiError.of_field("bucket", f"a bucket of {text} is longer than the window of {_text(window)}")
    if age > _span(bucket):
        smallest = next(name for name, each in BUCKET_STEPS.items() if age <= SPANS[each])
        raise ApiError.of_field(
            "bucket", f"{text} is too fine for what lies {_text(age)} back: take {smallest}, or a multiple of it"
        )
    if window / bucket > MAX_POINTS:
        least = _text(next(each for each in AUTOMATIC if window / each <= MAX_POINTS and age <= _span(each)))
        raise ApiError.of_field(
            "bucket", f"{text} makes {window // bucket} points of {_text(window)}; at most {MAX_POINTS}: take {least} or more"
        )
    return bucket


def _span(bucket: int) -> int:
    """How far back buckets of so many seconds can be made of cells."""
    return max(span for resolution, span in SPANS.items() if bucket % resolution == 0)


def _seconds(field: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ApiError.of_field(field, f"{text[:40]!r} is no duration: a whole number with s, m, h, d or w, as 5m or 24h")
    return int(found[1]) * UNITS[found[2]]


def _until(text: str | None, now: float) -> float | None:
    """The end of the window; None for now, and for what comes so soon that clocks or rounding up explain it."""
    if text is None:
        return None
    at = _time(text)
    if at is None:
        example = "2026-03-01T09:30:00Z"
        raise ApiError.of_field("until", f"{text[:40]!r} is no time: RFC 3339, as {example}, or epoch seconds")
    if at > now + AHEAD:
        raise ApiError.of_field("until", f"{text[:40]!r} is still to come; without until the window ends now")
    if now - at > LONGEST:
        raise ApiError.of_field("until", f"{text[:40]!r} is too long ago; what ended is kept for {_text(LONGEST)}")
    return None if at >= now else at


def _time(text: str) -> float | None:
    """Epoch seconds; a time without an offset is UTC, as in the filters of tasks."""
    try:
        at = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text[:40])
            return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return at if isfinite(at) else None


def _flag(field: str, text: str | None) -> bool:
    if text is None:
        return False
    if text not in ("true", "false"):
        raise ApiError.of_field(field, f"{text[:40]!r} is neither true nor false")
    return text == "true"


def _number(given: Parameters, field: str, default: int, least: int, most: int) -> int:
    text = single(given, field)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
        raise ApiError.of_field(field, f"{text[:40]!r} is not a number between {least} and {most}")
    return int(text)


def _values(given: Parameters, field: str) -> tuple[str, ...]:
    values = sorted({part.strip() for value in given.get(field, ()) for part in value.split(",") if part.strip()})
    if len(values) > MAX_VALUES:
        raise ApiError.of_field(field, f"{len(values)} values are too many; at most {MAX_VALUES}")
    if any(len(value) > MAX_LENGTH for value in values):
        raise ApiError.of_field(field, f"a value is at most {MAX_LENGTH} characters long")
    return tuple(values)


def _text(seconds: float) -> str:
    """A duration as it would be asked for, rounded up to something that can be said."""
    whole = round(seconds)
    for unit, size in reversed(UNITS.items()):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"

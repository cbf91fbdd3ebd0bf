"""What a mapping that a task wrote says about its progress.

Neither engine prescribes names. Celery's documentation shows `{'current': i, 'total': n}`, RQ's `job.meta['progress'] = ...`;
the other names are conventions.
"""

from typing import NamedTuple

_PERCENT = ("percent", "percentage", "pct", "progress_percent", "progress_percentage")
CURRENT = ("current", "done", "processed", "completed", "position", "step", "progress_current")
_TOTAL = ("total", "max", "count", "total_steps", "steps", "progress_total")
_MESSAGE = ("message", "progress_message", "status", "stage", "phase", "desc", "description", "detail", "step")
_FULL = 100.0
_HUGE = 1e300
"""Beyond what a float holds is no progress."""


class Stated(NamedTuple):
    """What was found. The message is as the task wrote it: not redacted."""

    current: float | None
    total: float | None
    percent: float | None
    message: str | None


def stated(meta: dict[object, object], current_names: tuple[str, ...] = CURRENT) -> Stated:
    """Of `meta` and of the mapping that may be in its `progress`, which goes first. Percent is computed if it is not said."""
    inner = meta.get("progress")
    if isinstance(inner, dict):
        meta = {**meta, **inner}
    current, total = _number(meta, current_names), _number(meta, _TOTAL)
    percent = _percent(meta, inner)
    if percent is None and current is not None and total is not None and total > 0:
        percent = _bounded(current / total * _FULL)
    return Stated(current, total, percent, _message(meta))


def percent_of(value: object) -> float | None:
    """A bare number. A float up to 1.0 is a share, an integer is percent: 1 is 1 %, 1.0 is all of it."""
    number = _as_number(value)
    if number is None:
        return None
    return _bounded(number * _FULL if isinstance(value, float) and value <= 1.0 else number)


def _percent(meta: dict[object, object], inner: object) -> float | None:
    said = _number(meta, _PERCENT)
    return percent_of(inner) if said is None else _bounded(said)


def _number(meta: dict[object, object], names: tuple[str, ...]) -> float | None:
    for name in names:
        number = _as_number(meta.get(name))
        if number is not None:
            return number
    return None


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _HUGE else None


def _bounded(percent: float) -> float:
    return min(_FULL, max(0.0, percent))


def _message(meta: dict[object, object]) -> str | None:
    for name in _MESSAGE:
        value = meta.get(name)
        if isinstance(value, str) and value:
            return value
    return None

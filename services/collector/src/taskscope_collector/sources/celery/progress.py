"""Progress in the meta of `update_state(state=..., meta=...)`, by the names people give it.

Celery leaves meta to the task; its documentation shows `{'current': i, 'total': n}`. The other names are conventions.
"""

import math

from taskscope_shared.model import Progress

from taskscope_collector.redaction import Redactor

_PERCENT = ("percent", "percentage", "pct", "progress_percent")
_CURRENT = ("current", "done", "processed", "completed", "n", "position", "step", "progress_current")
_TOTAL = ("total", "max", "count", "total_steps", "steps", "progress_total")
_MESSAGE = ("message", "status", "desc", "description", "stage", "phase", "detail", "step", "progress_message")
_FULL = 100.0
_HUGE = 1e300


def read_progress(meta: object, redactor: Redactor, at: float) -> Progress | None:
    """What the meta of a state that is not final says about progress; None if it says nothing."""
    if _is_number(meta):
        return Progress(percent=_share_or_percent(meta), at=at)
    if isinstance(meta, str):
        return Progress(message=redactor.text(meta), at=at) if meta else None
    if not isinstance(meta, dict):
        return None
    inner = meta.get("progress")
    if isinstance(inner, dict):
        meta = {**meta, **inner}
    current, total = _number(meta, _CURRENT), _number(meta, _TOTAL)
    percent = _percent(meta, inner)
    if percent is None and current is not None and total is not None and total > 0:
        percent = _bounded(current / total * _FULL)
    message = _message(meta, redactor)
    if percent is None and current is None and message is None:
        return None
    return Progress(current, total, percent, message, at)


def _percent(meta: dict[object, object], inner: object) -> float | None:
    stated = _number(meta, _PERCENT)
    if stated is not None:
        return _bounded(stated)
    return _share_or_percent(inner) if _is_number(inner) else None


def _share_or_percent(value: object) -> float:
    # A float up to 1.0 is a share, an integer is percent: 1 is 1 %, 1.0 is all of it.
    share = isinstance(value, float) and value <= 1.0
    return _bounded(float(value) * (_FULL if share else 1.0))  # type: ignore[arg-type] # callers looked with _is_number


def _number(meta: dict[object, object], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = meta.get(name)
        if _is_number(value):
            return float(value)  # type: ignore[arg-type] # _is_number
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _HUGE and math.isfinite(value)


def _bounded(percent: float) -> float:
    return min(_FULL, max(0.0, percent))


def _message(meta: dict[object, object], redactor: Redactor) -> str | None:
    for name in _MESSAGE:
        value = meta.get(name)
        if isinstance(value, str) and value:
            return redactor.text(value)
    return None

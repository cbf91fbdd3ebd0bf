"""Progress in a job's `meta`, by the names people give it.

RQ has no progress of its own: its documentation shows `job.meta['progress'] = ...; job.save_meta()`, so these are conventions.
"""

import math

from taskscope_shared.model import Progress

from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.rq.payload import clean

_PERCENT = ("percent", "percentage", "progress_percent", "progress_percentage", "pct")
_CURRENT = ("current", "done", "processed", "completed", "progress_current", "position", "step")
_TOTAL = ("total", "progress_total", "count", "steps", "total_steps")
_MESSAGE = ("message", "progress_message", "status", "stage", "phase", "description", "step")
_FULL = 100.0


def read_progress(meta: object, redactor: Redactor, at: float) -> Progress | None:
    """What `meta` says about progress, seen at `at`; None if it says nothing."""
    if not isinstance(meta, dict):
        return None
    inner = meta.get("progress")
    if isinstance(inner, dict):
        meta = {**meta, **inner}
    current, total = _number(meta, _CURRENT), _number(meta, _TOTAL)
    percent = _percent(meta, inner)
    if percent is None and current is not None and total is not None and total > 0:
        percent = _bounded(current / total * _FULL)
    if percent is None and current is None:
        return None
    return Progress(current, total, percent, _message(meta, redactor), at)


def _percent(meta: dict[object, object], inner: object) -> float | None:
    stated = _number(meta, _PERCENT)
    if stated is not None:
        return _bounded(stated)
    if not _is_number(inner):
        return None
    # A float up to 1.0 is a share, an integer is percent: 1 is 1 %, 1.0 is all of it.
    share = isinstance(inner, float) and inner <= 1.0
    return _bounded(float(inner) * (_FULL if share else 1.0))  # type: ignore[arg-type] # _is_number


def _number(meta: dict[object, object], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = meta.get(name)
        if _is_number(value):
            return float(value)  # type: ignore[arg-type] # _is_number
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # Beyond what a float holds is no progress.
    return abs(value) < 1e300 and math.isfinite(value)


def _bounded(percent: float) -> float:
    return min(_FULL, max(0.0, percent))


def _message(meta: dict[object, object], redactor: Redactor) -> str | None:
    for name in _MESSAGE:
        value = meta.get(name)
        if isinstance(value, str) and value:
            return clean(redactor.text(value))
    return None

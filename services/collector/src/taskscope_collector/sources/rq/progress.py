"""Progress in a job's `meta`. People keep other things there, too, so that only numbers tell of it."""

from taskscope_shared.model import Progress

from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.progress import stated
from taskscope_collector.sources.rq.payload import clean


def read_progress(meta: object, redactor: Redactor, at: float) -> Progress | None:
    """What `meta` says about progress, seen at `at`; None if it says nothing."""
    if not isinstance(meta, dict):
        return None
    current, total, percent, message = stated(meta)
    if percent is None and current is None:
        return None
    return Progress(current, total, percent, clean(redactor.text(message)) if message else None, at)

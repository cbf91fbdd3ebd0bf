"""Progress in the meta of `update_state(state=..., meta=...)`: a mapping, a number or a text, as the task likes."""

from taskscope_shared.model import Progress

from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.progress import CURRENT, percent_of, stated

_CURRENT = (*CURRENT, "n")
"""`n` is what tqdm says. This meta was given with a state, so that a name as short as that is meant."""


def read_progress(meta: object, redactor: Redactor, at: float) -> Progress | None:
    """What the meta of a state that is not final says about progress; None if it says nothing."""
    if isinstance(meta, str):
        return Progress(message=redactor.text(meta), at=at) if meta else None
    if isinstance(meta, dict):
        return _of_mapping(meta, redactor, at)
    percent = percent_of(meta)
    return None if percent is None else Progress(percent=percent, at=at)


def _of_mapping(meta: dict[object, object], redactor: Redactor, at: float) -> Progress | None:
    current, total, percent, message = stated(meta, _CURRENT)
    if percent is None and current is None and message is None:
        return None
    return Progress(current, total, percent, redactor.text(message) if message else None, at)

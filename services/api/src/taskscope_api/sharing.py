"""Makes equal values of tasks one object: of 100,000 tasks most names, workers, versions and tracebacks are a few."""

from collections.abc import Hashable

from msgspec.structs import force_setattr
from taskscope_shared.model import Task

SHORT = 64
"""Characters up to which a text is worth looking for: longer ones are seldom alike, but for tracebacks."""
POOL_LIMIT = 50_000
"""Distinct short values; beyond it each task keeps its own."""
TRACEBACK_LIMIT = 500
"""Distinct tracebacks (16 KB each at most); then the pool begins anew."""
FIELDS = ("source", "kind", "name", "queue", "worker", "detail", "uncertain", "exception_type", "exception", "kwargs", "epoch")


class Sharing:
    """What tasks have in common. One for each replica, so that it goes with it."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Hashable] = {}
        self._tracebacks: dict[str, str] = {}

    def share(self, task: Task) -> None:
        """Let the task use what others use. It is not shown to anybody yet, so its being frozen does not matter."""
        values = self._values
        for field in FIELDS:
            value = getattr(task, field)
            if value is None or (type(value) is str and len(value) > SHORT):
                continue
            known = values.get(value)
            if known is None:
                if len(values) < POOL_LIMIT:
                    values[value] = value
            elif known is not value:
                force_setattr(task, field, known)
        if task.traceback is not None:
            force_setattr(task, "traceback", self._traceback(task.traceback))
        if task.root_id == task.id:
            force_setattr(task, "root_id", task.id)
        if task.finished_at == task.updated_at:
            force_setattr(task, "updated_at", task.finished_at)

    def _traceback(self, text: str) -> str:
        if len(self._tracebacks) >= TRACEBACK_LIMIT and text not in self._tracebacks:
            self._tracebacks.clear()
        return self._tracebacks.setdefault(text, text)

"""Tells Celery how far a task is."""

import time
from typing import Any

INTERVAL_SECONDS = 0.4


class Meter:
    """Passed as `on_block`: reports at most each `INTERVAL_SECONDS`, and the last block always."""

    def __init__(self, task: Any, message: str) -> None:  # noqa: ANN401 - a bound Celery task
        self._task = task
        self._message = message
        self._reported = 0.0

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` blocks are through."""
        now = time.monotonic()
        if done == total or now - self._reported >= INTERVAL_SECONDS:
            self._reported = now
            meta = {"current": done, "total": total, "message": f"{self._message}: {done} of {total}"}
            self._task.update_state(state="PROGRESS", meta=meta)

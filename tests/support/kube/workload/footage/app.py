"""The Celery application: `celery -A footage.app worker -Q footage`."""

import time
from collections.abc import Callable
from typing import Any

from celery import Celery

from footage import place
from footage.work import FootageError, fails, is_retried

app = Celery("footage", broker=place.BROKER, backend=place.BACKEND)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_create_missing_queues=True,
    task_default_queue="footage",
    task_publish_retry_policy={"max_retries": 120, "interval_start": 0.5, "interval_step": 0},
    task_send_sent_event=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,  # Taskscope switches them on, and off again
    result_expires=600,
)


def _task(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`app.task`, typed."""
    decorate: Callable[[Callable[..., Any]], Any] = app.task(**options)
    return decorate


@_task(name="footage.index", bind=True, ignore_result=True, max_retries=1)
def index(self: Any, batch: str, number: int) -> None:
    """Ends at once."""
    place.write(batch, self.request.id, "started", self.request.hostname)
    if is_retried(number) and self.request.retries == 0:
        place.write(batch, self.request.id, "ended", "retrying")
        raise self.retry(exc=FootageError(f"{batch} {number} was not there yet"), countdown=1)
    place.write(batch, self.request.id, "ended", "failed" if fails(number) else "succeeded")
    if fails(number):
        raise FootageError(f"{batch} {number} is damaged")


@_task(name="footage.vod_encode", bind=True)
def vod_encode(self: Any, batch: str, seconds: float) -> str:
    """Says ten times a second how far it is."""
    place.write(batch, self.request.id, "started", self.request.hostname)
    steps = max(1, round(seconds * 10))
    for step in range(1, steps + 1):
        time.sleep(0.1)
        self.update_state(state="PROGRESS", meta={"current": step, "total": steps, "message": f"reel {step}"})
    place.write(batch, self.request.id, "ended", "succeeded")
    return batch

"""The archive's Celery application: `celery -A archive.celery_app worker -Q vod`."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from archive import config

app = Celery(
    "archive",
    broker=config.load().broker_url,
    backend=config.load().broker_url,
    include=["archive.tasks.vod", "archive.tasks.transcription", "archive.tasks.cleanup"],
)
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=3600,
    task_default_queue="vod",
    task_routes={
        "archive.tasks.vod.*": {"queue": "vod"},
        "archive.tasks.transcription.*": {"queue": "transcription"},
        "archive.tasks.cleanup.*": {"queue": "cleanup"},
    },
    task_send_sent_event=True,
    worker_prefetch_multiplier=1,
)


def task(**options: Any) -> Callable[[Callable[..., Any]], Any]:  # noqa: ANN401 - Celery's own options
    """`app.task`, typed."""
    decorate: Callable[[Callable[..., Any]], Any] = app.task(**options)
    return decorate

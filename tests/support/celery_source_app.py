"""A small Celery application for tests of the Celery source; addresses come from the environment of the test's process."""

import json
import os
import time
from typing import Any, NoReturn

from celery import Celery
from celery.exceptions import Ignore, Reject

app = Celery("celery_source_app")
app.conf.update(
    broker_url=os.environ.get("APP_BROKER_URL", "redis://127.0.0.1:6379/0"),
    result_backend=os.environ.get("APP_RESULT_BACKEND") or None,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    task_send_sent_event=os.environ.get("APP_SENT_EVENT") == "1",
    broker_transport_options={"global_keyprefix": os.environ.get("APP_KEYPREFIX", "")},
    task_default_queue="celery",
    worker_send_task_events=False,
)
app.conf.update(json.loads(os.environ.get("APP_CONF", "{}")))


@app.task  # type: ignore[untyped-decorator]
def add(x: int, y: int) -> int:
    return x + y


@app.task  # type: ignore[untyped-decorator]
def fail(message: str) -> NoReturn:
    raise ValueError(message)


@app.task(bind=True)  # type: ignore[untyped-decorator]
def progress(self: Any, total: int, pause: float = 0.05) -> dict[str, object]:
    for done in range(1, total + 1):
        self.update_state(state="PROGRESS", meta={"current": done, "total": total, "message": f"step {done}"})
        time.sleep(pause)
    return {"done": total, "password": "hunter2"}


@app.task(bind=True, ignore_result=True)  # type: ignore[untyped-decorator]
def progress_alone(self: Any, pause: float) -> None:
    """Its progress is stored, its result is not."""
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2})
    time.sleep(pause)


@app.task  # type: ignore[untyped-decorator]
def sleep(seconds: float, **_: object) -> float:
    time.sleep(seconds)
    return seconds


@app.task(acks_late=True)  # type: ignore[untyped-decorator]
def sleep_late(seconds: float) -> None:
    time.sleep(seconds)


@app.task  # type: ignore[untyped-decorator]
def ignore() -> NoReturn:
    raise Ignore


@app.task(acks_late=True)  # type: ignore[untyped-decorator]
def reject() -> NoReturn:
    raise Reject("no", requeue=False)

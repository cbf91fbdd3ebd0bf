"""The Celery application of the scenarios, for workers (`-A support.scenarios.worker`) and for the drivers of this process."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from celery import Celery
from celery.exceptions import Ignore, Reject
from support.scenarios.ledger import Entry, Ledger

QUEUE = "scenarios"
STEP_SECONDS = 0.02
RETRY_SECONDS = 1.5


class Place(NamedTuple):
    """Where an application's servers are. `backend` is "" for none."""

    broker: str
    backend: str
    ledger: str
    visibility_seconds: int = 3600


class ReelError(Exception):
    """What the failing scenarios raise."""


def make_app(place: Place) -> Celery:
    app = Celery("scenarios", broker=place.broker, backend=place.backend or None, set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_transport_options=_restoring(place.visibility_seconds) if place.broker.startswith("redis") else {},
        task_create_missing_queues=True,
        task_default_queue=QUEUE,
        task_send_sent_event=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    _register(app, place.ledger)
    return app


def _restoring(visibility_seconds: int) -> dict[str, int]:
    """kombu looks for what to restore each tenth time of ten seconds alone, and passes it over while another worker looks."""
    return {"visibility_timeout": visibility_seconds, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}


def _task(app: Celery, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`app.task`, typed."""
    decorate: Callable[[Callable[..., Any]], Any] = app.task(shared=False, **options)
    return decorate


def busy(seconds: float) -> None:
    """Lasts `seconds`, in steps, so that a soft time limit or a kill of a greenlet gets through."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)


class _Notes:
    """Writes a task's entries."""

    def __init__(self, ledger_url: str) -> None:
        self._url = ledger_url

    def note(self, task: Any, what: str) -> None:
        at = time.time()
        ledger = Ledger(self._url)
        request = task.request
        ledger.write(request.id, Entry(what, at, request.hostname or "", os.getpid(), request.retries or 0))
        ledger.close()

    @contextmanager
    def run(self, task: Any) -> Iterator[None]:
        """Start and end, however it ends."""
        self.note(task, "start")
        try:
            yield
        finally:
            self.note(task, "end")

    def first_time(self, mark: str) -> bool:
        ledger = Ledger(self._url)
        try:
            return ledger.first_time(mark)
        finally:
            ledger.close()


def _register(app: Celery, ledger_url: str) -> None:
    notes = _Notes(ledger_url)
    _register_plain(app, notes)
    _register_retries(app, notes)
    _register_ends(app, notes)


def _register_plain(app: Celery, notes: _Notes) -> None:
    @_task(app, name="scenario.work", bind=True)
    def work(self: Any, seconds: float = 0.3, _previous: Any = None) -> dict[str, float]:
        with notes.run(self):
            busy(seconds)
        return {"lasted": seconds}

    @_task(app, name="scenario.late", bind=True, acks_late=True)
    def late(self: Any, seconds: float) -> str:
        """Long on its first delivery, short on the next."""
        with notes.run(self):
            busy(seconds if notes.first_time(self.request.id) else 0.2)
        return "delivered again"

    @_task(app, name="scenario.fail", bind=True)
    def fail(self: Any, message: str) -> None:
        with notes.run(self):
            busy(0.2)
            raise ReelError(message)

    @_task(app, name="scenario.progress", bind=True, track_started=True)
    def progress(self: Any, steps: int, seconds: float) -> str:
        with notes.run(self):
            for step in range(1, steps + 1):
                busy(seconds / steps)
                self.update_state(state="PROGRESS", meta={"current": step, "total": steps, "message": f"reel {step}"})
        return "all reels"


def _register_retries(app: Celery, notes: _Notes) -> None:
    @_task(app, name="scenario.retry", bind=True, max_retries=2)
    def retry(self: Any, succeed_at: int) -> str:
        with notes.run(self):
            busy(0.1)
            if self.request.retries < succeed_at:
                raise self.retry(exc=ReelError(f"attempt {self.request.retries}"), countdown=RETRY_SECONDS)
        return "at last"

    @_task(app, name="scenario.reject_once", bind=True, acks_late=True)
    def reject_once(self: Any) -> str:
        with notes.run(self):
            busy(0.1)
            if notes.first_time(self.request.id):
                raise Reject("not now", requeue=True)
        return "taken"

    @_task(app, name="scenario.replaced", bind=True)
    def replaced(self: Any) -> None:
        with notes.run(self):
            busy(0.1)
            raise self.replace(app.signature("scenario.work", (0.2,), app=app))


def _register_ends(app: Celery, notes: _Notes) -> None:
    @_task(app, name="scenario.reject", bind=True, acks_late=True)
    def reject(self: Any) -> None:
        with notes.run(self):
            busy(0.1)
            raise Reject("never", requeue=False)

    @_task(app, name="scenario.ignore", bind=True)
    def ignore(self: Any) -> None:
        with notes.run(self):
            busy(0.1)
            raise Ignore

    @_task(app, name="scenario.kill_child", bind=True)
    def kill_child(self: Any) -> None:
        """SIGKILLs the process it runs in, after half a second."""
        with notes.run(self):
            busy(0.5)
            os.kill(os.getpid(), signal.SIGKILL)

    @_task(app, name="scenario.kill_child_late", bind=True, acks_late=True, reject_on_worker_lost=True)
    def kill_child_late(self: Any) -> str:
        with notes.run(self):
            busy(0.3)
            if notes.first_time(self.request.id):
                os.kill(os.getpid(), signal.SIGKILL)
        return "a new child did it"

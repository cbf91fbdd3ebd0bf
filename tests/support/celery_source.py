"""What tests of the Celery source share: a sink that remembers, a view that follows it, and real workers."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeVar

from support.waiting import eventually
from taskscope_collector.observations import (
    Health,
    InspectReply,
    Observation,
    TaskEvent,
    TaskHeld,
    TaskMissing,
    TaskQueued,
    TaskRedelivered,
    TaskResult,
)
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.source import CelerySourceRunner
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import CelerySource, Redaction

APP = "support.celery_source_app"
TESTS = Path(__file__).parent.parent
ENDS = {"task-succeeded", "task-failed", "task-rejected", "task-revoked"}
FINAL = {"SUCCESS", "FAILURE", "REVOKED", "REJECTED"}

Seen = TypeVar("Seen")


class Recorder:
    """A sink that keeps everything, and the view of it that the source asks for: a reducer of a few lines."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self.open: dict[str, str] = {}
        self.waiting: dict[str, None] = {}
        self.is_active = True
        self.allowed = True

    def put(self, batch: list[Observation]) -> None:
        self.seen += batch
        for observation in batch:
            self._follow(observation)

    def _follow(self, seen: Observation) -> None:
        if isinstance(seen, TaskEvent):
            self.waiting.pop(seen.uuid, None)
            if seen.type in ENDS:
                self.open.pop(seen.uuid, None)
            elif seen.type == "task-sent":
                self.waiting[seen.uuid] = None
            else:
                self.open[seen.uuid] = seen.hostname
        elif isinstance(seen, InspectReply):
            for held in (*(seen.active or ()), *(seen.reserved or ())):
                self.open[held.id] = held.worker
                self.waiting.pop(held.id, None)
        elif isinstance(seen, TaskQueued):
            self.waiting[seen.id] = None
        elif isinstance(seen, TaskMissing) or (isinstance(seen, TaskResult) and seen.status in FINAL):
            self.open.pop(seen.id, None)
            self.waiting.pop(seen.id, None)
        elif isinstance(seen, TaskRedelivered):
            self.open.pop(seen.id, None)

    def of(self, kind: type[Seen]) -> list[Seen]:
        return [observation for observation in self.seen if isinstance(observation, kind)]

    def events(self, task_id: str) -> list[str]:
        return [event.type for event in self.of(TaskEvent) if event.uuid == task_id]

    def results(self, task_id: str) -> list[TaskResult]:
        return [result for result in self.of(TaskResult) if result.id == task_id]

    def held(self, task_id: str) -> list[TaskHeld]:
        replies = self.of(InspectReply)
        tasks = [t for r in replies for t in (*(r.active or ()), *(r.reserved or ()), *(r.scheduled or ()))]
        return [task for task in tasks if task.id == task_id]

    def replies(self, worker: str) -> list[InspectReply]:
        return [reply for reply in self.of(InspectReply) if reply.worker == worker]

    @property
    def health(self) -> Health:
        return self.of(Health)[-1]

    def open_tasks(self) -> list[str]:
        return list(self.open)

    def open_tasks_of(self, worker: str) -> list[str]:
        return [task_id for task_id, name in self.open.items() if name == worker]

    def queue_names(self) -> list[str]:
        return []

    def queued_tasks(self, limit: int) -> list[str]:
        return list(self.waiting)[:limit]

    def clock_skew(self, worker: str) -> float:
        del worker
        return 0.0

    def active(self) -> bool:
        return self.is_active

    def events_allowed(self) -> bool:
        return self.allowed


def runner_of(broker_url: str, **settings: Any) -> CelerySourceRunner:
    settings = {"inspect_seconds": 1, "queue_seconds": 0.5, **settings}
    return CelerySourceRunner(
        CelerySource(name="test", broker_url=broker_url, **settings), Redactor(Redaction()), SystemClock()
    )


@contextlib.asynccontextmanager
async def watching(runner: CelerySourceRunner, recorder: Recorder) -> AsyncIterator[Recorder]:
    """The source runs meanwhile; its end is awaited."""
    running = asyncio.ensure_future(runner.run(recorder, recorder))
    try:
        yield recorder
        assert not running.done(), running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class App:
    """The application of `celery_source_app` at given addresses: starts workers, sends tasks."""

    def __init__(self, broker_url: str, result_backend: str | None = None, **variables: str) -> None:
        self._environment = {
            **os.environ,
            "APP_BROKER_URL": broker_url,
            "APP_RESULT_BACKEND": result_backend or "",
            "PYTHONPATH": str(TESTS),
            **variables,
        }

    @contextlib.contextmanager
    def worker(self, name: str, *arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", "-n", name, "-l", "INFO", *(arguments or ("-c", "1"))]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=TESTS
            )
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()

    async def send(self, code: str) -> list[str]:
        """Run `code` where the tasks are; what it appends to `ids` comes back."""
        program = f"from {APP} import *\nids = []\n{code}\nprint('\\n'.join(map(str, ids)))"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, env=self._environment, stdout=subprocess.PIPE, cwd=TESTS
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode().split()


async def up(recorder: Recorder, worker: str) -> InspectReply:
    """Wait until `worker` answered and its events are on."""
    replies = await eventually(
        lambda: [reply for reply in recorder.replies(worker) if reply.events is not None],
        seconds=30,
        what=f"{worker} to answer",
    )
    return replies[0]


async def described(recorder: Recorder, worker: str) -> InspectReply:
    """Wait until `worker` said what it is."""
    replies = await eventually(lambda: [reply for reply in recorder.replies(worker) if reply.pool and reply.queues])
    return replies[0]

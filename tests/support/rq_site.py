"""A site with RQ: real `rq worker` processes on one server, and whatever they leave behind is ended with it."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import redis
from rq import Queue
from support.waiting import wait_for

TESTS = Path(__file__).parents[1]
MARK = "TASKSCOPE_TEST_SITE"


class RqWorker:
    """One `rq worker` process."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        self.process = process
        self.name = name

    def horse(self) -> psutil.Process:
        """Its work-horse, once there is one (not its scheduler)."""

        def find() -> psutil.Process | None:
            children = psutil.Process(self.process.pid).children()
            return next((child for child in children if os.getpgid(child.pid) != os.getpgid(self.process.pid)), None)

        found = wait_for(find, what="a work-horse")
        assert found is not None
        return found

    def kill(self) -> None:
        """SIGKILL the worker alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Ask it to end, warmly."""
        self.process.terminate()
        self.process.wait(20)


class RqSite:
    """Queues and workers on `url` under `prefix`."""

    def __init__(self, url: str, prefix: str = "rq") -> None:
        self.url = url
        self.prefix = prefix
        self.redis = redis.Redis.from_url(url)
        self._mark = secrets.token_hex(8)
        self._workers: list[RqWorker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.terminate()
        for process in self._marked():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for worker in self._workers:
            worker.process.wait(10)
        self.redis.close()

    def queue(self, name: str = "default", **options: Any) -> Queue:
        """A queue, for enqueueing in this process (which knows the default prefix alone)."""
        assert self.prefix == "rq", "RQ reads its prefix once, at import: use `run`"
        return Queue(name, connection=self.redis, **options)

    def worker(self, *queues: str, name: str | None = None, options: tuple[str, ...] = ()) -> RqWorker:
        """Start a worker and wait until it is registered."""
        worker_name = name or f"worker-{secrets.token_hex(4)}"
        command = ["worker", *(queues or ("default",)), "--name", worker_name, "--url", self.url, "--quiet", *options]
        worker = RqWorker(self._start("-m", "rq.cli", *command), worker_name)
        self._workers.append(worker)
        key = f"{self.prefix}:worker:{worker_name}"
        wait_for(lambda: self.redis.hget(key, "birth"), seconds=20, what=f"{worker_name} to register")
        return worker

    def run(self, code: str, *arguments: str) -> str:
        """Run Python in a process that knows this site's prefix; its output."""
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=self._environment(),
            cwd=TESTS,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.strip()

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=self._environment(),
            cwd=TESTS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "RQ_KEY_PREFIX": self.prefix,
            MARK: self._mark,
        }

    def _marked(self) -> Iterator[psutil.Process]:
        """What this site started, directly or not, and is still there."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self._mark:
                    yield process

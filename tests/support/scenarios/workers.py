"""Celery workers as real processes: started, waited for, killed, and never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from support.scenarios.app import Place
from support.waiting import wait_for

TESTS = Path(__file__).parents[2]
START_SECONDS = 60.0
CONCURRENCY = {"prefork": 4, "threads": 8, "gevent": 20, "solo": 1}


class Workers:
    """The workers of one test, each in a session of its own; all are killed when the context ends."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        place: Place,
        pool: str,
        queues: Sequence[str],
        *options: str,
        concurrency: int | None = None,
        host: str = "",
    ) -> str:
        """Start a worker called `name@host` (`name@pool` without one); its name. It is not ready yet."""
        node = f"{name}@{host or pool}"
        worker = ["-A", "support.scenarios.worker", "worker", "-n", node, "-P", pool, "-Q", ",".join(queues), "-l", "INFO"]
        command = [sys.executable, "-m", "celery", *worker, "-c", str(concurrency or CONCURRENCY[pool]), *options]
        with self.log(node).open("ab") as log:
            self._processes[node] = subprocess.Popen(
                command, cwd=TESTS, env=_environment(place), stdout=log, stderr=log, start_new_session=True
            )
        return node

    def log(self, node: str) -> Path:
        return self._logs / f"{node}.log"

    def pid(self, node: str) -> int:
        return self._processes[node].pid

    def wait_ready(self, app: Any, nodes: Sequence[str]) -> None:
        """Until each of `nodes` answers a ping. Fails with the log of one that ended."""
        wait_for(lambda: self._all_answer(app, nodes), seconds=START_SECONDS, what=f"{', '.join(nodes)} to be ready")

    def _all_answer(self, app: Any, nodes: Sequence[str]) -> bool:
        for node in nodes:
            assert self._processes[node].poll() is None, self.log(node).read_text()[-4000:]
        replies = app.control.broadcast("ping", reply=True, destination=list(nodes), timeout=1.0, limit=len(nodes)) or []
        return {node for reply in replies for node in reply} >= set(nodes)

    def kill(self, node: str) -> None:
        """SIGKILL to the worker and all its children, as when its machine or container goes."""
        process = self._processes[node]
        for pid in _session(process.pid):
            _kill(pid)
        process.wait(10)

    def stop(self, node: str) -> None:
        """A clean stop."""
        self._processes[node].send_signal(signal.SIGTERM)
        self._processes[node].wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        for node in self._processes:
            self.kill(node)


def _environment(place: Place) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "SCENARIO_BROKER": place.broker,
        "SCENARIO_BACKEND": place.backend,
        "SCENARIO_LEDGER": place.ledger,
        "SCENARIO_VISIBILITY": str(place.visibility_seconds),
    }


def _session(leader: int) -> list[int]:
    """The leader first, so that it has no time to start new children."""
    found = [process.pid for process in psutil.process_iter(["status"]) if _belongs(process, leader)]
    return sorted(found, key=lambda pid: pid != leader)


def _belongs(process: psutil.Process, leader: int) -> bool:
    try:
        return os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE
    except OSError:
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return

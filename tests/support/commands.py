"""The `taskscope` command as a process, its output, and what it left behind."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil
from support.waiting import wait_for
from taskscope_client import Client

START_SECONDS = 60.0
STOP_SECONDS = 20.0
COMMAND = [sys.executable, "-m", "taskscope"]


def environment(directory: Path, extra: Mapping[str, str] = {}) -> dict[str, str]:
    """The tests' own, without any TASKSCOPE_ variable; temporary files go into `directory`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKSCOPE_")}
    return {**inherited, "TMPDIR": str(directory), **extra}


def run(
    directory: Path, *arguments: str, extra: Mapping[str, str] = {}, module: str = "taskscope"
) -> subprocess.CompletedProcess[str]:
    """`taskscope`, or another command of ours, with `arguments`, until it ends."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=environment(directory, extra), capture_output=True, text=True, timeout=60, check=False)


class Up:
    """`taskscope up` on a free port, from its greeting on; its context ends it."""

    def __init__(self, directory: Path, *arguments: str, extra: Mapping[str, str] = {}) -> None:
        self.directory = directory
        self._log = directory / "up.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--port", "0", *arguments], env=environment(directory, extra), stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        try:
            self.url = wait_for(self._greeted, seconds=START_SECONDS, what="the greeting of taskscope up")
        except AssertionError:
            self.process.kill()
            raise AssertionError(f"taskscope up did not greet:\n{self.said}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def said(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def _greeted(self) -> str:
        assert self.process.poll() is None, self.said
        found = re.search(r"Taskscope is at (http://\S+?)/#realtime[\s\S]*Ctrl-C", self.said)
        return found[1] if found else ""

    def children(self) -> list[psutil.Process]:
        """The processes that it started and that run."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - http, 127.0.0.1
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def client(self) -> Client:
        """What other services ask it with."""
        return Client(self.url, timeout_seconds=10)

    def is_ready(self) -> bool:
        """Whether `/readyz` says so."""
        return self.get("/readyz")[0] == 200

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

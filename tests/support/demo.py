"""The demo as a process of its own: real workers, and Taskscope watching them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
from support.waiting import wait_for

READY_SECONDS = 60.0


class Demo:
    """A running demo whose temporary files go into `folder`; it stops by itself after `seconds`."""

    def __init__(self, folder: Path, log: Path, seconds: float = 200.0) -> None:
        self.folder = folder
        self._log = log
        command = [sys.executable, "-m", "archive.demo", "--port", "0", "--seconds", str(seconds)]
        environment = {**os.environ, "TMPDIR": str(folder)}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def output(self) -> str:
        return self._log.read_text()

    def url(self) -> str:
        """The page's address, once the demo says it."""
        return wait_for(self._announced, seconds=READY_SECONDS, what="the demo's address")

    def _announced(self) -> str:
        assert self.process.poll() is None, self.output()
        found = re.search(r"http://127\.0\.0\.1:\d+/#realtime", self.output())
        return found.group(0) if found else ""

    def processes(self) -> list[psutil.Process]:
        """Everything that was started with the demo's folder for its files, the demo itself too."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            folder: str = process.environ().get("TMPDIR", "")
            return bool(alive) and folder.startswith(str(self.folder))
        except psutil.Error:
            return False

    def process_with(self, *words: str) -> psutil.Process:
        """The demo's oldest process whose command line has all of `words`."""
        found = [process for process in self.processes() if set(words) <= set(process.cmdline())]
        return min(found, key=lambda process: process.create_time())

    def kill(self) -> None:
        for process in self.processes():
            process.kill()
        self.process.wait(10)

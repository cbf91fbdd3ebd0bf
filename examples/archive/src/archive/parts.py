"""Processes of the demo: each in a session of its own, so that it can be ended with all that it started."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

GRACE_SECONDS = 4.0
TAIL_LINES = 15


class Part(NamedTuple):
    """A started process. Its output is in `log`, or on the terminal if that is None."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    def tail(self) -> str:
        """The last lines it wrote."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log else []
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


def start(name: str, command: Sequence[str], environment: dict[str, str], log: Path | None) -> Part:
    """Start `command` in a session of its own."""
    with (log or Path(os.devnull)).open("ab") as file:
        output = file if log else None
        process = subprocess.Popen(  # noqa: S603 - the demo's own commands
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    return Part(name, process, log)


def stop(parts: Sequence[Part]) -> None:
    """End the parts, in order: asked first, killed after `GRACE_SECONDS`, and then whatever is left in their sessions."""
    for part in parts:
        if part.process.poll() is None:
            part.process.terminate()
    _wait(parts, GRACE_SECONDS)
    sessions = {part.process.pid for part in parts}
    while left := _members(sessions):
        for pid in left:
            _kill(pid)
        _wait(parts, 0.2)


def _wait(parts: Sequence[Part], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(part.process.poll() is None for part in parts):
        time.sleep(0.05)


def _members(sessions: set[int]) -> list[int]:
    """Living processes of the sessions. A process whose parent was killed still belongs to its session."""
    return [process.pid for process in psutil.process_iter(["status"]) if _lives_in(process, sessions)]


def _lives_in(process: psutil.Process, sessions: set[int]) -> bool:
    try:
        return os.getsid(process.pid) in sessions and process.info["status"] != psutil.STATUS_ZOMBIE
    except OSError:
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return

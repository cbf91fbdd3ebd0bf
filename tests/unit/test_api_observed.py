"""What is told of requests, WebSockets and frames."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from opentelemetry.trace import SpanKind
from quart import Quart
from support.api import START, Writing, served, socket, task
from support.spans import Spans, Telemetry
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.frame_spans import MOST_A_ROUND, Arrivals, FrameSpans
from taskscope_api.limits import MAX_URL
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Settings
from taskscope_shared.store import Flush, Lease
from taskscope_shared.testing import MemoryStore
from taskscope_shared.tracing import MAX_LINKS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def flush_span(number: int, flags: str = "01") -> str:
    return f"00-{TRACE}-{number:016x}-{flags}"


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Telemetry:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # as settings.otel does in a service
    return Telemetry()


@pytest.fixture
async def writing() -> Writing:
    writing = await Writing(MemoryStore(SystemClock()), SystemClock()).begin()
    await writing.write(*(task(str(number), updated_at=START + number) for number in range(40)))
    return writing


@pytest.fixture
def app(writing: Writing, telemetry: Telemetry) -> Quart:
    return create_app(Settings(), writing.store, SystemClock(), providers=telemetry.providers)


@pytest.fixture
async def client(app: Quart) -> AsyncIterator[httpx.AsyncClient]:
    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield client


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/tasks/s/7", "GET /api/tasks/<string:source>/<path:task_id>"),
        ("GET", "/api/tasks?limit=2&q=hidden", "GET /api/tasks"),
        ("GET", "/api/tasks?limit=hidden", "GET /api/tasks"),  # 400
        ("HEAD", "/api/queues", "HEAD /api/queues"),
        ("GET", "/api/hidden?x=hidden", "GET"),
        ("POST", "/api/tasks", "POST"),
        ("BREW", "/api/tasks", "HTTP"),
        ("GET", f"/api/tasks?q={'hidden' * (MAX_URL // 6)}", "GET"),  # 414, before Quart
    ],
)
async def test_a_request_is_a_span_by_its_route_and_says_nothing_of_its_query(
    client: httpx.AsyncClient, telemetry: Telemetry, method: str, path: str, name: str
) -> None:
    answer = await client.request(method, path)
    (span,) = await eventually(lambda: telemetry.spans.named(name), what=name)
    told = dict(span.attributes or {})
    assert (span.kind, told["http.response.status_code"]) == (SpanKind.SERVER, answer.status_code)
    assert told["taskscope.request_id"] == answer.headers["x-request-id"]
    assert told.get("http.route") == (name.split(" ")[1] if " " in name else None)
    assert not any("hidden" in str(value) for key, value in told.items() if key != "url.path")
    (labels, count) = telemetry.points("http.server.request.duration")[0]
    assert (count, labels["http.request.method"]) == (1, name.split(" ", maxsplit=1)[0].replace("HTTP", "_OTHER"))
    assert labels["http.response.status_code"] == answer.status_code
    assert labels.get("http.route") == told.get("http.route")


async def test_what_is_answered_before_quart_is_told_too(client: httpx.AsyncClient, telemetry: Telemetry) -> None:
    for _ in range(2):  # the second from what is kept
        assert (await client.get("/api/tasks/realtime")).status_code == 200
    assert (await client.options("*")).status_code in (204, 404)
    await eventually(lambda: len(telemetry.spans.named("GET /api/tasks/realtime")) == 2)


async def test_probes_are_left_out(client: httpx.AsyncClient, telemetry: Telemetry) -> None:
    for path in ("/livez", "/readyz"):
        assert (await client.get(path)).status_code == 200
    assert telemetry.spans.ended == []
    assert telemetry.points("http.server.request.duration") == []


async def test_a_callers_trace_goes_on(client: httpx.AsyncClient, telemetry: Telemetry) -> None:
    await client.get("/api/kinds", headers={"traceparent": flush_span(7)})
    (span,) = await eventually(lambda: telemetry.spans.named("GET /api/kinds"))
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", span.parent.span_id) == (TRACE, 7)


async def test_a_websocket_is_a_span_and_so_is_each_message(client: httpx.AsyncClient, telemetry: Telemetry) -> None:
    port = client.base_url.port
    assert port is not None
    async with socket(port) as one:
        await one.send("join_task_monitoring", {"limit": 5})
        await one.receive()
        await one.send("nonsense")
        assert telemetry.points("taskscope.clients")[0] == ({"transport": "websocket"}, 1)
    (session,) = await eventually(lambda: telemetry.spans.named("WEBSOCKET /api/ws"))
    (joined,) = telemetry.spans.named("join_task_monitoring")
    assert (session.attributes or {})["http.response.status_code"] == 101
    assert joined.parent is not None
    assert joined.parent.span_id == session.get_span_context().span_id  # type: ignore[union-attr]
    assert {span.name for span in telemetry.spans.ended} == {"WEBSOCKET /api/ws", "join_task_monitoring"}
    frames, sizes = (telemetry.points(f"taskscope.frames{ending}")[0] for ending in ("", ".bytes"))
    assert frames[0] == sizes[0] == {"transport": "websocket"}
    assert frames[1] >= 3
    assert sizes[1] > 500
    await eventually(lambda: telemetry.points("taskscope.clients")[0] == ({"transport": "websocket"}, 0))


async def test_the_live_view_is_measured(client: httpx.AsyncClient, telemetry: Telemetry) -> None:
    del client
    assert telemetry.points("taskscope.live_view.tasks") == [({"source": "s"}, 40)]
    assert telemetry.points("taskscope.live_view.stale") == [({"source": "s"}, 0)]
    assert telemetry.points("taskscope.live_view.gaps") == [({"source": "s"}, 0)]
    assert telemetry.points("taskscope.clients.cut") == [({}, 0)]


# ------------------------------------------------------------------------------------------------------------------ frames


@pytest.fixture
def spans() -> Spans:
    return Spans()


def framing(spans: Spans, **arrived: list[str]) -> FrameSpans:
    arrivals = Arrivals()
    for source, flushes in arrived.items():
        arrivals.add(source, flushes)
    frames = FrameSpans(spans.tracer, arrivals)
    frames.next_round()
    return frames


def test_a_frame_goes_on_from_the_newest_flush_and_links_to_the_others(spans: Spans) -> None:
    framing(spans, s=[flush_span(1), flush_span(2), flush_span(3)]).sent(lambda _: True, START, {"taskscope.clients": 2})
    (frame,) = spans.ended
    assert frame.parent is not None
    assert (frame.parent.span_id, [link.context.span_id for link in frame.links]) == (3, [1, 2])
    assert frame.start_time == START * 1e9


def test_a_frame_that_shows_no_traced_flush_has_no_span(spans: Spans) -> None:
    framing(spans).sent(lambda _: True, START, {})
    framing(spans, s=[flush_span(1, "00"), "nonsense"]).sent(lambda _: True, START, {})
    framing(spans, s=[flush_span(1)]).sent(lambda source: source == "other", START, {})
    assert spans.ended == []


def test_links_and_spans_of_a_round_are_bounded(spans: Spans) -> None:
    frames = framing(spans, s=[flush_span(number) for number in range(1, 1000)], t=[flush_span(7)] * 1000)
    for _ in range(100):
        frames.sent(lambda _: True, START, {})
    assert len(spans.ended) == MOST_A_ROUND
    assert max(len(span.links) for span in spans.ended) < MAX_LINKS
    frames.next_round()
    frames.sent(lambda _: True, START, {})
    assert len(spans.ended) == MOST_A_ROUND, "nothing new has arrived"


async def test_a_window_tells_of_the_flush_that_it_shows(
    client: httpx.AsyncClient, telemetry: Telemetry, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, flush = client.base_url.port, writing.store.flush
    assert port is not None

    async def traced(lease: Lease, batch: Flush, ttl_seconds: float) -> None:
        batch.traceparent = flush_span(batch.seq)
        await flush(lease, batch, ttl_seconds)

    monkeypatch.setattr(writing.store, "flush", traced)
    async with socket(port) as one:
        await one.send("join_task_monitoring", {"limit": 5})
        while not one.kinds:
            await one.receive()
        await writing.write(task("new", updated_at=START + 100))
        async with asyncio.timeout(10):
            while "s/new" not in one.tasks:
                await one.receive()
    (frame,) = await eventually(lambda: telemetry.spans.named("frame"))
    assert frame.parent is not None
    assert (f"{frame.parent.trace_id:032x}", frame.parent.span_id) == (TRACE, writing.seq)
    assert (frame.attributes or {})["taskscope.clients"] == 1

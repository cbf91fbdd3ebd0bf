"""HTTP and WebSockets as OpenTelemetry sees them: its own instrumentation of ASGI around all that answers, also before Quart.

What it does not know is added here: the route's template (a path has ids in it), WebSockets' statuses, our request ids. What it
must not know is kept from it: queries hold tokens and what people search for.
"""

from collections.abc import Callable, MutableMapping
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.metrics import Histogram, Meter, NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider, Span
from taskscope_shared.clock import Clock
from taskscope_shared.providers import Providers
from taskscope_shared.tracing import carrying

from taskscope_api.access_log import CLIENT_LEFT, PROBES
from taskscope_api.asked import SCOPE_KEY, Asked
from taskscope_api.front import Application, Message, Receive, Send

NAME = "taskscope_api"
_WHOLE = "taskscope.scope"
_STATUSES: dict[str, Callable[[Message], int]] = {
    "http.response.start": lambda message: int(message["status"]),
    "websocket.http.response.start": lambda message: int(message["status"]),
    "websocket.accept": lambda _: 101,
    "websocket.close": lambda _: 403,
}
"""What begins an answer, and its status."""
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; those of the conventions."""

Scope = MutableMapping[str, Any]


class _Answer:
    """What is told of one request: the instrumentation's span, and what its answer begins with."""

    def __init__(self, shown: Scope, span: Span) -> None:
        self._shown = shown
        self._span = span
        self._asked: Asked | None = None
        self.status: int | None = None

    @property
    def route(self) -> str | None:
        """The template of the path, once it is known."""
        return None if self._asked is None else self._asked.route

    def begin(self, message: Message) -> None:
        """The answer begins; which route it is of is known now."""
        if message["type"] in _STATUSES:
            self._tell_once(_STATUSES[message["type"]](message))

    def end(self) -> None:
        """It is over; the client may have left before an answer began."""
        self._tell_once(CLIENT_LEFT)

    def _tell_once(self, status: int) -> None:
        if self.status is None:
            self.status = status
            self._asked = self._shown[_WHOLE].get(SCOPE_KEY)
            if self._span.is_recording():
                self._tell()

    def _tell(self) -> None:
        if self._asked is not None:
            self._span.set_attribute("taskscope.request_id", self._asked.id)
        if self.route is not None:
            self._span.update_name(f"{_details(self._shown)[0]} {self.route}")
            self._span.set_attribute("http.route", self.route)
        if self._shown["type"] == "websocket" or self.status == CLIENT_LEFT:
            self._span.set_attribute("http.response.status_code", self.status or 0)


class Observed:
    """An ASGI application around another: a span for each request and WebSocket, and how long each request took.

    Probes are asked for all the time, and are left out.
    """

    def __init__(self, app: Application, providers: Providers, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._tracer = providers.tracer(NAME)
        meter = providers.meter(NAME)
        self._duration = None if meter is None else _duration(meter)
        # Its own metrics know no route.
        self._around = OpenTelemetryMiddleware(
            self._inside,
            default_span_details=_details,
            tracer_provider=providers.tracers or NoOpTracerProvider(),
            meter_provider=NoOpMeterProvider(),
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or serve one WebSocket."""
        if scope["type"] == "lifespan" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
        else:
            await self._around({**scope, "query_string": b"", _WHOLE: scope}, receive, send)

    async def _inside(self, shown: Scope, receive: Receive, send: Send) -> None:
        answer, began = _Answer(shown, trace.get_current_span()), self._clock.monotonic()

        async def told(message: Message) -> None:
            answer.begin(message)
            await send(message)

        try:
            with nullcontext() if self._tracer is None else carrying(self._tracer):
                await self._app(shown[_WHOLE], receive, told)
        finally:
            answer.end()
            if self._duration is not None and shown["type"] == "http":
                self._duration.record(self._clock.monotonic() - began, _labels(shown, answer))


def _details(scope: Scope) -> tuple[str, dict[str, str]]:
    """Name and attributes of a span whose route is not known yet: never the path, of which there are too many."""
    if scope["type"] == "websocket":
        return "WEBSOCKET", {}
    return _method(scope).replace("_OTHER", "HTTP"), {}


def _method(scope: Scope) -> str:
    """One of those that the conventions know: a label must not be whatever somebody sends."""
    return str(scope["method"]) if scope["method"] in METHODS else "_OTHER"


def _duration(meter: Meter) -> Histogram:
    said = "How long requests took"
    return meter.create_histogram("http.server.request.duration", "s", said, explicit_bucket_boundaries_advisory=BUCKETS)


def _labels(shown: Scope, answer: _Answer) -> dict[str, str | int]:
    """As the conventions for HTTP have it; 499: nobody waited for the answer."""
    status = answer.status or CLIENT_LEFT
    labels: dict[str, str | int] = {
        "http.request.method": _method(shown),
        "http.response.status_code": status,
        "url.scheme": shown["scheme"],
    }
    if answer.route is not None:
        labels["http.route"] = answer.route
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        labels["error.type"] = str(status)
    return labels

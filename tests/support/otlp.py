"""An OTLP receiver: the collector services of opentelemetry-proto over HTTP, as exporters speak to them."""

import gzip
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    """As it was received; ids are hexadecimal, `parent` is "" for a root, `kind` without its prefix."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]
    error: bool
    start: int
    end: int
    state: str = ""


@dataclass
class Received:
    """Everything that came."""

    spans: list[Span] = field(default_factory=list)
    metrics: dict[tuple[str, str], list[tuple[dict[str, Any], float]]] = field(default_factory=dict)
    logs: list[tuple[str, str, str]] = field(default_factory=list)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)

    def of(self, trace: str) -> list[Span]:
        """The spans of one trace, in the order in which they began."""
        return sorted((span for span in list(self.spans) if span.trace == trace), key=lambda span: span.start)

    def named(self, name: str, service: str | None = None) -> list[Span]:
        """Spans of that name."""
        return [span for span in list(self.spans) if span.name == name and service in (None, span.service)]

    def children(self, parent: Span) -> list[Span]:
        """Of one span."""
        return [span for span in self.of(parent.trace) if span.parent == parent.id]

    def point(self, service: str, metric: str, **labels: str) -> float | None:
        """The latest value (of a histogram its count) with these labels."""
        for given, value in reversed(self.metrics.get((service, metric), [])):
            if labels.items() <= given.items():
                return value
        return None


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}


def _take_spans(request: Any, received: Received) -> None:
    for resource in request.resource_spans:
        about = _attributes(resource.resource.attributes)
        received.resources[about["service.name"]] = about
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            received.spans.append(
                Span(
                    about["service.name"],
                    span.name,
                    type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _attributes(span.attributes),
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.trace_state,
                )
            )


def _take_metrics(request: Any, received: Received) -> None:
    for resource in request.resource_metrics:
        about = _attributes(resource.resource.attributes)
        received.resources[about["service.name"]] = about
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kept = received.metrics.setdefault((about["service.name"], metric.name), [])
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                value = point.count if hasattr(point, "count") else getattr(point, point.WhichOneof("value"))
                kept.append((_attributes(point.attributes), float(value)))


def _take_logs(request: Any, received: Received) -> None:
    for resource in request.resource_logs:
        service = _attributes(resource.resource.attributes)["service.name"]
        for record in (record for scope in resource.scope_logs for record in scope.log_records):
            received.logs.append((service, record.body.string_value, record.trace_id.hex()))


_Service = tuple[type[Message], type[Message], Callable[[Any, Received], None]]
SERVICES: dict[str, _Service] = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse, _take_spans),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse, _take_metrics),
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse, _take_logs),
}


class OtlpReceiver:
    """Listens at `url`; what came is in `received`."""

    def __init__(self, url: str, received: Received) -> None:
        self.url = url
        self.received = received

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a process that exports here, without waiting."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            **more,
        }


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A receiver on a free port."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service = SERVICES.get(self.path)
            if service is None or self.headers["Content-Type"] != PROTOBUF:
                self._answer(404 if service is None else 415, b"")
                return
            request, response, take = service[0](), service[1](), service[2]
            try:
                request.ParseFromString(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            except (DecodeError, OSError):
                self._answer(400, b"")
                return
            received.headers.append(dict(self.headers.items()))
            take(request, received)
            self._answer(200, response.SerializeToString())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", PROTOBUF)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield OtlpReceiver(f"http://127.0.0.1:{server.server_address[1]}", received)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""OTLP over HTTP: exporters, with protobuf and requests, for those alone who send it."""

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter


def span_exporter(timeout_seconds: float) -> SpanExporter:
    """Sends spans where the variables say."""
    return OTLPSpanExporter(timeout=timeout_seconds)


def metric_exporter(timeout_seconds: float) -> MetricExporter:
    """Sends metrics where the variables say."""
    return OTLPMetricExporter(timeout=timeout_seconds)

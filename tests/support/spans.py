"""A tracer that keeps what it made, and providers around it."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Tracer
from taskscope_shared.providers import Providers


class Spans:
    """A tracer, and what it made."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = self.provider.get_tracer("test")

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name == name]


def _value(point: Any) -> float:
    return float(point.count if hasattr(point, "count") else point.value)


class Telemetry:
    """Providers whose spans and metrics are kept here."""

    def __init__(self) -> None:
        self.spans = Spans()
        self._reader = InMemoryMetricReader()
        self._meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.providers = Providers(self.spans.provider, self._meters)

    def points(self, metric: str) -> list[tuple[Mapping[str, object], float]]:
        """Labels and value (of a histogram its count) of each series."""
        data = self._reader.get_metrics_data()
        scopes = [] if data is None else [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return [
            (dict(point.attributes or {}), _value(point))
            for scope in scopes
            for one in scope.metrics
            if one.name == metric
            for point in one.data.data_points
        ]

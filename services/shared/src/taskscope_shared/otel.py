"""OpenTelemetry's SDK, set up as the `OTEL_*` variables say. Imported only where they switch it on."""

import logging
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from taskscope_shared.otel_sampling import sampler_of
from taskscope_shared.providers import Providers
from taskscope_shared.settings_otel import Otel

END_SECONDS = 3.0
"""For what is left to be sent when a process ends; a collector that does not answer must not hold it up."""
NOISY = ("urllib3", "requests")


class _Ending:
    """Ends what was begun, in that order, and waits for it `END_SECONDS` at most."""

    def __init__(self) -> None:
        self.steps: list[Callable[[], object]] = []

    def __call__(self) -> None:
        ending = threading.Thread(target=self._run, name="telemetry-end", daemon=True)
        ending.start()
        ending.join(END_SECONDS)

    def _run(self) -> None:
        for step in self.steps:
            step()


def begin(wanted: Otel, service: str) -> Providers:
    """Start what is wanted. Raises `SettingsError` when the port of Prometheus cannot be had."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    resource = resource_of(service)
    ending = _Ending()
    meters = _meters(wanted, resource, ending.steps) if wanted.metrics else None
    tracers = _tracers(wanted, resource) if wanted.traces else None
    ending.steps[:0] = [each.shutdown for each in (tracers, meters) if each is not None]
    handlers = [_log_handler(wanted, resource, ending.steps)] if wanted.logs else []
    return Providers(tracers, meters, ending, handlers)


def _log_handler(wanted: Otel, resource: Resource, ends: list[Callable[[], object]]) -> logging.Handler:
    from taskscope_shared.otel_logs import logs_by_otlp  # for those who ask for it

    provider, handler = logs_by_otlp(resource, wanted.timeout_seconds["logs"])
    ends.append(provider.shutdown)
    return handler


def resource_of(service: str) -> Resource:
    """Who tells: the variables' attributes stand before ours."""
    try:
        release = version(service)
    except PackageNotFoundError:
        release = "unknown"
    ours = {SERVICE_VERSION: release, SERVICE_INSTANCE_ID: str(uuid.uuid4()), "host.name": socket.gethostname()}
    said = Resource.create()  # reads OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
    unnamed = str(said.attributes[SERVICE_NAME]).startswith("unknown_service")
    return Resource(ours).merge(said).merge(Resource({SERVICE_NAME: service} if unnamed else {}))


def _tracers(wanted: Otel, resource: Resource) -> TracerProvider:
    provider = TracerProvider(sampler_of(wanted.sampler, wanted.sampler_ratio), resource, shutdown_on_exit=False)
    for name in wanted.traces:
        provider.add_span_processor(BatchSpanProcessor(_span_exporter(name, wanted)))
    return provider


def _span_exporter(name: str, wanted: Otel) -> SpanExporter:
    if name == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    from taskscope_shared.otel_otlp import span_exporter  # each exporter has libraries of its own

    return span_exporter(wanted.timeout_seconds["traces"])


def _meters(wanted: Otel, resource: Resource, ends: list[Callable[[], object]]) -> MeterProvider:
    readers = [_reader(name, wanted, ends) for name in wanted.metrics]
    return MeterProvider(readers, resource, shutdown_on_exit=False)


def _reader(name: str, wanted: Otel, ends: list[Callable[[], object]]) -> MetricReader:
    if name == "prometheus":
        from taskscope_shared.otel_prometheus import prometheus_reader  # as above

        return prometheus_reader(wanted.prometheus_host, wanted.prometheus_port, ends)
    if name == "console":
        return PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr))
    from taskscope_shared.otel_otlp import metric_exporter  # as above

    return PeriodicExportingMetricReader(metric_exporter(wanted.timeout_seconds["metrics"]))

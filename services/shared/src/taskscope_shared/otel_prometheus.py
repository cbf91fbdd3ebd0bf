"""`/metrics`, at a port of its own, for those alone whose Prometheus reads it."""

from collections.abc import Callable

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from taskscope_shared.settings_problems import Problem, SettingsError


def prometheus_reader(host: str, port: int, ends: list[Callable[[], object]]) -> MetricReader:
    """Answers from now on, until what is added to `ends` is called. Raises `SettingsError` when the port cannot be had.

    Beside our metrics stand those of the process (memory, CPU, open files).
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        said = f"{host}:{port} cannot be listened at: {error.strerror or error}"
        hint = "each process needs a port of its own; OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0 listens at all addresses"
        raise SettingsError([Problem("OTEL_EXPORTER_PROMETHEUS_PORT", said, hint)]) from error
    ends += [server.shutdown, server.server_close]
    return PrometheusMetricReader(scope_info_enabled=False, registry=registry)

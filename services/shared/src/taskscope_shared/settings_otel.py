"""OpenTelemetry's own `OTEL_*` variables, as far as Taskscope has to know them before its SDK reads the rest.

Telemetry is on where an exporter is named or an OTLP endpoint is given, and off else: the specification's own default would
send spans to localhost:4318 wherever nobody said a word. `docs/telemetry.md` says which variables there are.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from taskscope_shared.settings_otel_checks import Checks
from taskscope_shared.settings_problems import Problem

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
EXPORTERS: Final[dict[Signal, tuple[str, ...]]] = {
    "traces": ("otlp", "console", "none"),
    "metrics": ("otlp", "prometheus", "console", "none"),
    "logs": ("otlp", "none"),
}
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
PROPAGATORS: Final = ("tracecontext", "baggage", "none")
DEFAULT_TIMEOUT_MS: Final = 10_000


class Otel(msgspec.Struct, frozen=True):
    """What is exported, and what the SDK cannot read as the specification means it.

    `traces`, `metrics` and `logs` hold the exporters of each; `sampler_ratio` counts for the samplers that have one.
    """

    traces: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    sampler: str = "parentbased_always_on"
    sampler_ratio: float = 1.0
    prometheus_host: str = "localhost"
    prometheus_port: int = 9464
    timeout_seconds: dict[str, float] = {}


def read_otel(environ: Mapping[str, str]) -> tuple[Otel | None, list[Problem]]:
    """What the variables ask for (None: nothing), and everything that is wrong with those that count."""
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    checks = Checks(given)
    if checks.flag("OTEL_SDK_DISABLED"):
        return None, []
    exporters = {signal: _exporters(signal, checks) for signal in SIGNALS}
    if not any(exporters.values()):
        return None, checks.problems
    _check_common(checks)
    for signal in SIGNALS:
        if "otlp" in exporters[signal]:
            _check_otlp(signal, checks)
    made = Otel(
        **exporters,
        sampler=checks.choice("OTEL_TRACES_SAMPLER", SAMPLERS) or "parentbased_always_on",
        sampler_ratio=checks.number("OTEL_TRACES_SAMPLER_ARG", 1.0, most=1.0) if _has_ratio(given) else 1.0,
        prometheus_host=given.get("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost"),
        prometheus_port=checks.whole("OTEL_EXPORTER_PROMETHEUS_PORT", 9464, least=1, most=65_535),
        timeout_seconds={signal: _timeout(signal, checks) for signal in SIGNALS},
    )
    return made, list(dict.fromkeys(checks.problems))


def _exporters(signal: Signal, checks: Checks) -> tuple[str, ...]:
    """Those that are named; else OTLP where its endpoint is. Logs are on standard error already, so they are asked for."""
    name = f"OTEL_{signal.upper()}_EXPORTER"
    if name in checks.given:
        return checks.choices(name, EXPORTERS[signal])
    endpoints = [f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"]
    if signal != "logs":
        endpoints.append("OTEL_EXPORTER_OTLP_ENDPOINT")
    return ("otlp",) if any(endpoint in checks.given for endpoint in endpoints) else ()


def _has_ratio(given: Mapping[str, str]) -> bool:
    return given.get("OTEL_TRACES_SAMPLER", "").lower().endswith("traceidratio")


def _check_common(checks: Checks) -> None:
    checks.choices("OTEL_PROPAGATORS", PROPAGATORS)
    checks.choice("OTEL_METRICS_EXEMPLAR_FILTER", ("always_on", "always_off", "trace_based"))
    checks.pairs("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=tasks,k8s.pod.name=taskscope-api-0")
    for processor in ("BSP", "BLRP"):
        for name, default in (("SCHEDULE_DELAY", 5000), ("EXPORT_TIMEOUT", 30_000)):
            checks.whole(f"OTEL_{processor}_{name}", default, least=1)
        queue = checks.whole(f"OTEL_{processor}_MAX_QUEUE_SIZE", 2048, least=1)
        checks.whole(f"OTEL_{processor}_MAX_EXPORT_BATCH_SIZE", min(512, queue), least=1, most=queue)
    for name, default in (("INTERVAL", 60_000), ("TIMEOUT", 30_000)):
        checks.whole(f"OTEL_METRIC_EXPORT_{name}", default, least=1)
    for name in checks.given:
        if name.endswith("_LIMIT"):
            checks.whole(name, 128, least=0)


def _check_otlp(signal: Signal, checks: Checks) -> None:
    """The variables of one signal, each of which stands before the one of all."""
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_"
    for prefix in (own, "OTEL_EXPORTER_OTLP_"):
        checks.url(f"{prefix}ENDPOINT")
        checks.protocol(f"{prefix}PROTOCOL")
        checks.pairs(f"{prefix}HEADERS", "authorization=Bearer%20abc")
        checks.choice(f"{prefix}COMPRESSION", ("gzip", "deflate", "none"))
        for name in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
            checks.file(f"{prefix}{name}")
    if signal == "metrics":
        checks.choice(f"{own}TEMPORALITY_PREFERENCE", ("cumulative", "delta", "lowmemory"))
        checks.choice(
            f"{own}DEFAULT_HISTOGRAM_AGGREGATION", ("explicit_bucket_histogram", "base2_exponential_bucket_histogram")
        )


def _timeout(signal: Signal, checks: Checks) -> float:
    """Seconds. The specification counts milliseconds; Python's SDK would take them for seconds."""
    general = checks.whole("OTEL_EXPORTER_OTLP_TIMEOUT", DEFAULT_TIMEOUT_MS, least=1)
    return checks.whole(f"OTEL_EXPORTER_OTLP_{signal.upper()}_TIMEOUT", general, least=1) / 1000

"""When telemetry is on, and how wrong `OTEL_*` variables are said."""

from pathlib import Path

import pytest
from taskscope_shared.settings import SettingsError, load
from taskscope_shared.settings_otel import Otel, read_otel

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector:4318"}


def wanted(**environ: str) -> Otel | None:
    made, problems = read_otel(environ)
    assert problems == []
    return made


def problems(**environ: str) -> dict[str, str]:
    return {problem.path: str(problem) for problem in read_otel(environ)[1]}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "x", "OTEL_RESOURCE_ATTRIBUTES": "a=b"},
        {"OTEL_TRACES_EXPORTER": "none", **ENDPOINT, "OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "TRUE", **ENDPOINT},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
    ],
)
def test_it_is_off_unless_an_exporter_or_an_endpoint_is_named(environ: dict[str, str]) -> None:
    assert wanted(**environ) is None


def test_what_is_off_is_not_looked_at() -> None:
    assert wanted(OTEL_SDK_DISABLED="true", OTEL_TRACES_EXPORTER="jaeger") is None
    assert wanted(OTEL_EXPORTER_OTLP_PROTOCOL="grpc") is None
    assert wanted(OTEL_METRICS_EXPORTER="prometheus", OTEL_EXPORTER_OTLP_PROTOCOL="grpc") is not None


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        (ENDPOINT, (("otlp",), ("otlp",), ())),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, (("otlp",), (), ())),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, ((), ("prometheus",), ())),
        ({"OTEL_METRICS_EXPORTER": "prometheus, otlp", **ENDPOINT}, (("otlp",), ("prometheus", "otlp"), ())),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, (("console", "otlp"), (), ())),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, ((), (), ("otlp",))),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c:4318/v1/logs"}, ((), (), ("otlp",))),
    ],
)
def test_exporters_are_those_named_or_otlp_where_its_endpoint_is(
    environ: dict[str, str], exporters: tuple[tuple[str, ...], ...]
) -> None:
    made = wanted(**environ)
    assert made is not None
    assert (made.traces, made.metrics, made.logs) == exporters


def test_what_the_sdk_cannot_read_by_itself_is_read() -> None:
    made = wanted(
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.25",
        OTEL_EXPORTER_PROMETHEUS_HOST="0.0.0.0",
        OTEL_EXPORTER_PROMETHEUS_PORT="9465",
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_OTLP_TIMEOUT="2000",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="500",
        **ENDPOINT,
    )
    assert made is not None
    assert (made.sampler, made.sampler_ratio) == ("parentbased_traceidratio", 0.25)
    assert (made.prometheus_host, made.prometheus_port) == ("0.0.0.0", 9465)
    assert made.timeout_seconds == {"traces": 0.5, "metrics": 2.0, "logs": 2.0}  # given in milliseconds


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_SDK_DISABLED", "1", "is neither true nor false"),
        ("OTEL_TRACES_EXPORTER", "oltp", "did you mean otlp?"),
        ("OTEL_TRACES_EXPORTER", "none,otlp", "none stands alone"),
        ("OTEL_METRICS_EXPORTER", "statsd", "known: otlp, prometheus, console, none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf, which every OpenTelemetry collector takes on port 4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "is not spoken here"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel-collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:port", "is no URL"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cret", "key=value"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "known: gzip, deflate, none"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "cannot be read: No such file"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "whole number"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0", "1 to 65535"),
        ("OTEL_TRACES_SAMPLER", "traceidratio_based", "did you mean traceidratio?"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "known: always_on"),
        ("OTEL_PROPAGATORS", "tracecontext,b3", "known: tracecontext, baggage, none"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name", "key=value"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "whole number"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "1 to 2048"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m", "whole number"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "many", "whole number"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "deltas", "did you mean delta?"),
    ],
)
def test_a_wrong_value_is_a_problem_that_says_what_would_be_right(name: str, value: str, said: str) -> None:
    found = problems(**{**ENDPOINT, "OTEL_METRICS_EXPORTER": "otlp", name: value})
    assert said in found[name]
    assert "s3cret" not in found[name]


def test_a_ratio_beyond_one_is_none() -> None:
    found = problems(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="10", **ENDPOINT)
    assert "0 to 1" in found["OTEL_TRACES_SAMPLER_ARG"]


def test_they_are_said_together_with_everything_else_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "taskscope.yaml"
    file.write_text("sources: [{name: a, engine: celery}]")
    environ = {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(SettingsError) as caught:
        load(file, {}, environ, with_telemetry=True)
    assert {problem.path for problem in caught.value.problems} == {"sources[0].broker_url", "OTEL_EXPORTER_OTLP_PROTOCOL"}
    with pytest.raises(SettingsError) as caught:
        load(file, {}, environ)
    assert {problem.path for problem in caught.value.problems} == {"sources[0].broker_url"}

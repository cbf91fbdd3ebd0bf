"""Alerts and dashboards: promtool reads them, each alert fires when it should, and all of them name metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.helm import WAYS, named, of_kind, render, rendered, with_source
from support.promtool import run_promtool

MONITORING = next(way for way in WAYS if way.stem == "monitoring-values")
NAMES = {
    *(
        "taskscope_events_total",
        "taskscope_events_dropped_total",
        "taskscope_events_undecodable_total",
        "taskscope_event_lag_seconds",
    ),
    *("taskscope_buffer_length", "taskscope_buffer_limit", "taskscope_flush_failures_total", "taskscope_lease_held"),
    *(
        "taskscope_flush_duration_seconds_bucket",
        "taskscope_source_status",
        "taskscope_tasks_retained",
        "taskscope_queue_messages",
    ),
    *("taskscope_clients", "taskscope_frames_total", "taskscope_frames_bytes_total", "taskscope_clients_cut_total"),
    *("taskscope_live_view_tasks", "taskscope_live_view_stale", "taskscope_live_view_gaps_total", "taskscope_redis_up"),
    *("http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket"),
    *("up", "process_resident_memory_bytes", "process_cpu_seconds_total"),
}
"""What api and collector tell (docs/telemetry.md), and what Prometheus adds."""
COLLECTOR = 'namespace="watch",job="taskscope-collector"'
API = 'namespace="watch",job="taskscope-api"'
ELSEWHERE = 'namespace="other",job="taskscope-collector"'
UP = {f"up{{{COLLECTOR}}}": "1x200", f"up{{{API}}}": "1x200"}


def rules(manifests: Any) -> list[dict[str, Any]]:
    (group,) = named(manifests, "PrometheusRule")["spec"]["groups"]
    return list(group["rules"])


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(rendered(MONITORING))}


CASES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "TaskscopeCollectorAbsent": (
        {f"up{{{COLLECTOR}}}": "0x200", f"up{{{API}}}": "1x200", f"up{{{ELSEWHERE}}}": "1x200"},
        {},
        "5m",
    ),
    "TaskscopeApiAbsent": ({f"up{{{COLLECTOR}}}": "1x200"}, {}, "5m"),
    "TaskscopeRedisDown": (
        {f"taskscope_redis_up{{{API},pod='a'}}": "1x200", f"taskscope_redis_up{{{API},pod='b'}}": "0x200"},
        {"job": "taskscope-api"},
        "2m",
    ),
    "TaskscopeSourceUnheld": ({f"taskscope_lease_held{{{COLLECTOR},source='s'}}": "0x200"}, {"source": "s"}, "2m"),
    "TaskscopeNoStandby": ({f"taskscope_lease_held{{{COLLECTOR},source='s'}}": "1x200"}, {"source": "s"}, "20m"),
    "TaskscopeSourceDown": (
        {f"taskscope_source_status{{{COLLECTOR},source='s',status='down'}}": "1x200"},
        {"source": "s"},
        "10m",
    ),
    "TaskscopeSourceDegraded": (
        {f"taskscope_source_status{{{COLLECTOR},source='s',status='degraded'}}": "1x200"},
        {"source": "s"},
        "40m",
    ),
    "TaskscopeEventsDropped": (
        {f"taskscope_events_dropped_total{{{COLLECTOR},source='s',reason='buffer'}}": "0+10x200"},
        {"source": "s", "reason": "buffer"},
        "10m",
    ),
    "TaskscopeEventsUndecodable": (
        {f"taskscope_events_undecodable_total{{{COLLECTOR},source='s'}}": "0+10x200"},
        {"source": "s"},
        "30m",
    ),
    "TaskscopeEventLag": ({f"taskscope_event_lag_seconds{{{COLLECTOR},source='s'}}": "20x200"}, {"source": "s"}, "10m"),
    "TaskscopeBufferFilling": (
        {
            f"taskscope_buffer_length{{{COLLECTOR},source='s'}}": "90x200",
            f"taskscope_buffer_limit{{{COLLECTOR},source='s'}}": "100x200",
        },
        {"source": "s"},
        "5m",
    ),
    "TaskscopeFlushFailing": ({f"taskscope_flush_failures_total{{{COLLECTOR},source='s'}}": "0+1x200"}, {"source": "s"}, "15m"),
    "TaskscopeFlushSlow": (
        {
            f"taskscope_flush_duration_seconds_bucket{{{COLLECTOR},source='s',le='1'}}": "0+1x200",
            f"taskscope_flush_duration_seconds_bucket{{{COLLECTOR},source='s',le='5'}}": "0+10x200",
            f"taskscope_flush_duration_seconds_bucket{{{COLLECTOR},source='s',le='+Inf'}}": "0+10x200",
        },
        {"source": "s"},
        "20m",
    ),
    "TaskscopeLiveViewStale": ({f"taskscope_live_view_stale{{{API},source='s'}}": "1x200"}, {"source": "s"}, "10m"),
    "TaskscopeLiveViewGaps": ({f"taskscope_live_view_gaps_total{{{API},source='s'}}": "0+2x200"}, {"source": "s"}, "40m"),
    "TaskscopeClientsCut": ({f"taskscope_clients_cut_total{{{API}}}": "0+10x200"}, {}, "15m"),
    "TaskscopeApiErrors": (
        {
            f"http_server_request_duration_seconds_count{{{API},http_response_status_code='503'}}": "0+1x200",
            f"http_server_request_duration_seconds_count{{{API},http_response_status_code='200'}}": "0+9x200",
        },
        {},
        "15m",
    ),
}
WELL = {
    f"taskscope_redis_up{{{API},pod='a'}}": "1x200",
    f"taskscope_lease_held{{{COLLECTOR},source='s',pod='a'}}": "1x200",
    f"taskscope_lease_held{{{COLLECTOR},source='s',pod='b'}}": "0x200",
    f"taskscope_source_status{{{COLLECTOR},source='s',status='up'}}": "1x200",
    f"taskscope_source_status{{{COLLECTOR},source='s',status='down'}}": "0x200",
    f"taskscope_events_dropped_total{{{COLLECTOR},source='s',reason='buffer'}}": "7x200",
    f"taskscope_event_lag_seconds{{{COLLECTOR},source='s'}}": "0.1x200",
    f"taskscope_buffer_length{{{COLLECTOR},source='s'}}": "1x200",
    f"taskscope_buffer_limit{{{COLLECTOR},source='s'}}": "100x200",
    f"taskscope_flush_failures_total{{{COLLECTOR},source='s'}}": "3x200",
    f"taskscope_live_view_stale{{{API},source='s'}}": "0x200",
    f"taskscope_lease_held{{{ELSEWHERE},source='s'}}": "0x200",
}
"""Taskscope as it should be, beside another release that nobody holds."""


def written(folder: Path) -> Path:
    groups = named(rendered(MONITORING), "PrometheusRule")["spec"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    return folder


def fired(folder: Path, series: dict[str, str], at: str, expected: dict[str, list[dict[str, Any]]]) -> str:
    """What promtool says of alerts that are expected at a time; empty when they are as expected."""
    test = {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    {"eval_time": at, "alertname": name, "exp_alerts": alerts} for name, alerts in expected.items()
                ],
            }
        ],
    }
    (written(folder) / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    done = run_promtool(folder, "test", "rules", "test.yaml")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_prometheus_reads_the_rules(tmp_path: Path) -> None:
    done = run_promtool(written(tmp_path), "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert done.returncode == 0, done.stderr


def test_each_alert_has_a_case() -> None:
    assert set(CASES) == set(alerts())


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_not_at_once(name: str, tmp_path: Path) -> None:
    series, labels, at = CASES[name]
    said = fired(tmp_path, {**UP, **series} if "Absent" not in name else series, at, {name: []})
    found = re.findall(r"Labels:\{(.*?)\}", said)
    assert len(found) == 1, said
    for label, value in {"alertname": name, "team": "platform", **labels}.items():
        assert f'{label}="{value}"' in found[0]
    if "for" in alerts()[name]:
        assert fired(tmp_path, {**UP, **series} if "Absent" not in name else series, "0m", {name: []}) == ""


def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    for at in ("1m", "30m", "100m"):
        assert fired(tmp_path, {**UP, **WELL}, at, {name: [] for name in alerts()}) == ""


def test_each_alert_says_what_to_do() -> None:
    for name, rule in alerts().items():
        assert set(rule["annotations"]) == {"summary", "description", "action"}, name
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name


def test_alerts_can_be_left_out_and_added() -> None:
    added = {"alert": "Mine", "expr": "vector(1)"}
    monitoring = {
        "enabled": True,
        "prometheusRule": {"enabled": True, "disabled": ["TaskscopeEventLag"], "extraRules": [added]},
    }
    found = rules(render(with_source(metrics=monitoring, collector={"replicaCount": 1})))
    names = {rule["alert"] for rule in found}
    assert set(alerts()) - names == {"TaskscopeEventLag", "TaskscopeNoStandby"}
    assert added in found


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def boards() -> dict[str, dict[str, Any]]:
    maps = [each for each in of_kind(rendered(MONITORING), "ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]]
    return {each["metadata"]["name"]: json.loads(text) for each in maps for text in each["data"].values()}


def test_dashboards_are_for_the_sidecar() -> None:
    for name in boards():
        metadata = named(rendered(MONITORING), "ConfigMap", name)["metadata"]
        assert metadata["labels"]["grafana_dashboard"] == "1"
        assert metadata["annotations"]["grafana_folder"] == "Taskscope"
    assert set(boards()) == {"taskscope-dashboard-collecting", "taskscope-dashboard-serving"}


def test_panels_have_places_of_their_own() -> None:
    for name, board in boards().items():
        cells = [
            (x, y)
            for panel in board["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), name
        assert max(x for x, _ in cells) < 24, name
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_reads_the_dashboards(tmp_path: Path) -> None:
    found = [text.replace("$__rate_interval", "5m") for board in boards().values() for text in expressions(board)]
    records = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(found)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}), encoding="utf-8")
    done = run_promtool(tmp_path, "check", "rules", "--lint=none", "panels.yaml")
    assert done.returncode == 0, done.stderr


def test_alerts_and_dashboards_name_metrics_that_there_are() -> None:
    texts = [rule["expr"] for rule in alerts().values()] + [text for board in boards().values() for text in expressions(board)]
    used = {
        name for text in texts for name in re.findall(r"\b((?:taskscope|http|process)_[a-z_]+|up)\b(?=\s*[{)\[]|\s*$)", text)
    }
    labels = {"http_response_status_code"}
    assert used - labels <= NAMES
    assert {name for name in NAMES if name.startswith("taskscope_")} <= used, "each of our own metrics is shown somewhere"


def test_monitors_find_the_pods_and_name_the_job_that_rules_ask_for() -> None:
    for kind, component, endpoints in (
        ("ServiceMonitor", "api", "endpoints"),
        ("PodMonitor", "collector", "podMetricsEndpoints"),
    ):
        monitor = named(rendered(MONITORING), kind, f"taskscope-{component}")
        (endpoint,) = monitor["spec"][endpoints]
        assert endpoint["relabelings"][0] == {"targetLabel": "job", "replacement": f"taskscope-{component}"}
        labels = (
            named(rendered(MONITORING), "Service", "taskscope-api")["metadata"]["labels"]
            if kind == "ServiceMonitor"
            else named(rendered(MONITORING), "Deployment", "taskscope-collector")["spec"]["template"]["metadata"]["labels"]
        )
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert monitor["metadata"]["labels"]["release"] == "prometheus"

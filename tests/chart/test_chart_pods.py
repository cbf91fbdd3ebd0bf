"""Every pod meets the standard `restricted`, holds no secret in a variable, and is rolled when its configuration changes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.helm import CHART, WAYS, Manifest, named, of_kind, pods, render, rendered, with_source

BY_WAY = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
COMPONENTS = ("collector", "api", "web")
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
"""What the standard `restricted` allows."""
LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}


def deployment(manifests: Any, component: str) -> Manifest:
    return named(manifests, "Deployment", f"taskscope-{component}")


def container(manifests: Any, component: str) -> dict[str, Any]:
    (found,) = deployment(manifests, component)["spec"]["template"]["spec"]["containers"]
    return dict(found)


@BY_WAY
def test_pods_meet_the_standard_restricted(way: Path) -> None:
    for name, pod in pods(rendered(way)):
        spec = pod["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not [spec[key] for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers") if key in spec], name
        assert all(set(volume) - {"name"} <= VOLUMES for volume in spec.get("volumes", [])), name
        for each in spec["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert not [port for port in each.get("ports", []) if "hostPort" in port], name


@BY_WAY
def test_no_pod_gets_a_token_of_the_api_server_unasked(way: Path) -> None:
    accounts = yaml.safe_load(way.read_text("utf-8")).get("access", {}).get("serviceAccounts", {}).get("enabled", False)
    for name, pod in pods(rendered(way)):
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        has_one = "serviceAccountToken" in yaml.safe_dump(pod["spec"].get("volumes"))
        assert has_one == (accounts and name == "Deployment taskscope-api"), name
    assert all(each["automountServiceAccountToken"] is False for each in of_kind(rendered(way), "ServiceAccount"))


@BY_WAY
def test_no_secret_is_a_variable_and_no_start_waits_for_one_but_the_key_of_sessions(way: Path) -> None:
    for name, pod in pods(rendered(way)):
        text = yaml.safe_dump(pod["spec"])
        assert "secretKeyRef" not in text, name
        assert "secretRef" not in text, name
        if "valkey" not in name:  # its password is made by the chart itself
            found = [each for each in secrets(pod["spec"].get("volumes", [])) if each.get("optional") is not True]
            needed = {item["path"] for each in found for item in each["items"]}
            assert needed <= {"access/session-key"}, name


def secrets(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for each in value for found in secrets(each)]
    if not isinstance(value, dict):
        return []
    return [*([value["secret"]] if isinstance(value.get("secret"), dict) else []), *secrets(list(value.values()))]


@BY_WAY
def test_every_object_has_the_labels_and_pods_are_selected_by_some_of_them(way: Path) -> None:
    for each in rendered(way):
        if each["metadata"]["name"] in ("taskscope-notes", "taskscope-more"):
            continue  # extraObjects
        assert set(each["metadata"]["labels"]) >= LABELS, each["metadata"]["name"]
    for each in workloads(rendered(way)):
        selector = each["spec"]["selector"]["matchLabels"]
        assert selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


@BY_WAY
def test_every_object_is_in_the_releases_namespace_and_no_two_are_the_same(way: Path) -> None:
    seen = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in rendered(way)]
    assert len(seen) == len(set(seen))
    elsewhere = {
        kind for kind, namespace, name in seen if namespace != "watch" and name not in ("taskscope-notes", "taskscope-more")
    }
    assert elsewhere <= {"ClusterRoleBinding"}


@BY_WAY
def test_every_probe_says_what_it_asks(way: Path) -> None:
    paths = {"collector": ("/livez", "/readyz"), "api": ("/livez", "/readyz"), "web": ("/healthz", "/healthz")}
    for component, (lives, ready) in paths.items():
        said = container(rendered(way), component)
        asked = {kind: said[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert asked == {"startupProbe": lives, "readinessProbe": ready, "livenessProbe": lives}
        names = {port["name"] for port in said["ports"]}
        assert {said[kind]["httpGet"]["port"] for kind in asked} <= names


@BY_WAY
def test_a_pod_has_time_to_end(way: Path) -> None:
    for component in ("api", "web"):
        spec = deployment(rendered(way), component)["spec"]["template"]["spec"]
        slept = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] >= slept + 20, "until the clients went elsewhere"


def checksum(manifests: list[Manifest], component: str) -> str:
    return str(deployment(manifests, component)["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


@pytest.mark.parametrize(
    ("changed", "rolled"),
    [
        ({"logLevel": "debug"}, {"collector", "api"}),
        ({"kinds": {"a": ["*a*"]}}, {"collector", "api"}),
        ({"api": {"push": {"windows": 100}}}, {"api"}),
        ({"access": {"session": {"seconds": 600}}}, {"api"}),
        ({"commonAnnotations": {"owner": "me"}}, set()),
    ],
)
def test_a_changed_configuration_rolls_the_pods_that_read_it(changed: dict[str, Any], rolled: set[str]) -> None:
    before, after = render(with_source()), render(with_source(**changed))
    assert {each for each in ("collector", "api") if checksum(before, each) != checksum(after, each)} == rolled


def test_an_upgrade_with_the_same_values_rolls_nothing() -> None:
    first, second = render(with_source()), render(with_source(), upgrade=True)
    for component in COMPONENTS:
        assert deployment(first, component) == deployment(second, component)
    assert named(first, "StatefulSet", "taskscope-valkey") == named(second, "StatefulSet", "taskscope-valkey")


def test_a_new_version_of_the_chart_alone_replaces_no_pod() -> None:
    versions = ("app.kubernetes.io/version", "helm.sh/chart")
    for way in WAYS:
        labels = [each["spec"]["template"]["metadata"]["labels"] for each in workloads(rendered(way))]
        assert not [each for each in labels if set(versions) & set(each)]


def workloads(manifests: Any) -> list[Manifest]:
    return [*of_kind(manifests, "Deployment"), *of_kind(manifests, "StatefulSet")]


def test_there_is_one_template_for_a_workload() -> None:
    having = sorted(path.name for path in (CHART / "templates").rglob("*.*") if "kind: Deployment" in path.read_text("utf-8"))
    assert having == ["_workload.tpl", "scaling.yaml"], "scaling.yaml names it as what it scales"


def test_replicas_are_left_to_the_autoscaler() -> None:
    way = next(way for way in WAYS if way.stem == "ha-values")
    assert "replicas" not in deployment(rendered(way), "api")["spec"]
    assert deployment(rendered(way), "collector")["spec"]["replicas"] == 3
    scaled = named(rendered(way), "HorizontalPodAutoscaler", "taskscope-api")["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (3, 12)
    assert [metric["resource"]["name"] for metric in scaled["metrics"]] == ["cpu", "memory"]


def test_a_drain_leaves_one_of_each() -> None:
    for component in COMPONENTS:
        budget = named(render(with_source()), "PodDisruptionBudget", f"taskscope-{component}")["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"]["matchLabels"]["app.kubernetes.io/component"] == component


def test_pods_of_a_component_are_rather_on_different_nodes_and_zones() -> None:
    for component in COMPONENTS:
        spec = deployment(render(with_source()), component)["spec"]["template"]["spec"]
        (term,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        (spread,) = spec["topologySpreadConstraints"]
        for selector in (term["podAffinityTerm"]["labelSelector"], spread["labelSelector"]):
            assert selector["matchLabels"]["app.kubernetes.io/component"] == component
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"


def test_what_every_pod_gets_and_what_a_component_adds() -> None:
    way = next(way for way in WAYS if way.stem == "ha-values")
    for name, pod in pods(rendered(way)):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}], name
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}, name
        assert pod["spec"]["tolerations"] == [{"key": "monitoring", "operator": "Exists"}], name
        assert pod["spec"]["containers"][0]["image"].startswith("registry.example.org/mirror/taskscope-"), name
        assert pod["metadata"]["labels"]["team"] == "platform", name
    api, web = deployment(rendered(way), "api"), deployment(rendered(way), "web")
    assert api["spec"]["template"]["spec"]["priorityClassName"] == "serving"
    assert web["spec"]["template"]["spec"]["priorityClassName"] == "monitoring"
    assert web["spec"]["template"]["metadata"]["labels"]["tier"] == "front"
    assert container(rendered(way), "api")["image"].endswith("taskscope-api@sha256:" + 4 * "0123456789abcdef")
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.watch:3128"} in container(rendered(way), "api")["env"]
    assert named(rendered(way), "ConfigMap", "taskscope-notes")["data"] == {"of": "watch"}


def test_nobody_can_replace_the_labels_that_pods_are_selected_by() -> None:
    manifests = render(
        with_source(podLabels={"app.kubernetes.io/component": "x"}, commonLabels={"app.kubernetes.io/name": "other"})
    )
    labels = deployment(manifests, "api")["spec"]["template"]["metadata"]["labels"]
    assert (labels["app.kubernetes.io/component"], labels["app.kubernetes.io/name"]) == ("api", "taskscope")


def test_replicas_reach_each_other_by_their_pods_addresses() -> None:
    for address, advertised in (("0.0.0.0", "http://$(POD_IP):5051"), ("::", "http://[$(POD_IP)]:5051")):
        env = {each["name"]: each for each in container(render(with_source(listenAddress=address)), "api")["env"]}
        assert env["POD_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
        assert env["TASKSCOPE_API__ADVERTISE"]["value"] == advertised
        assert list(env).index("POD_IP") < list(env).index("TASKSCOPE_API__ADVERTISE"), "else it would not be replaced"


@pytest.mark.parametrize(
    "values", [{}, {"metrics": {"enabled": True}}, {"otel": {"endpoint": "http://otlp.m:4318"}}], ids=["off", "metrics", "otlp"]
)
def test_telemetry_is_standard_variables_alone_and_none_while_it_is_off(values: dict[str, Any]) -> None:
    for component in ("collector", "api"):
        env = {each["name"]: each.get("value") for each in container(render(with_source(**values)), component)["env"]}
        ours = {name: value for name, value in env.items() if name.startswith("OTEL_")}
        if not values:
            assert ours == {}
            continue
        assert ours["OTEL_SERVICE_NAME"] == f"taskscope-{component}"
        assert ours["OTEL_TRACES_EXPORTER"] == ("otlp" if "otel" in values else "none")
        assert ours["OTEL_METRICS_EXPORTER"] == ("otlp" if "otel" in values else "prometheus")
        assert "k8s.pod.name=$(K8S_POD_NAME)" in str(ours["OTEL_RESOURCE_ATTRIBUTES"])


def test_both_ways_of_metrics_go_together() -> None:
    way = next(way for way in WAYS if way.stem == "monitoring-values")
    env = {each["name"]: each.get("value") for each in container(rendered(way), "api")["env"]}
    assert env["OTEL_METRICS_EXPORTER"] == "otlp,prometheus"
    assert (env["OTEL_EXPORTER_PROMETHEUS_HOST"], env["OTEL_EXPORTER_PROMETHEUS_PORT"]) == ("0.0.0.0", "9464")
    assert env["OTEL_TRACES_SAMPLER_ARG"] == "0.05"
    assert "deployment.environment.name=production" in str(env["OTEL_RESOURCE_ATTRIBUTES"])


def test_the_hook_switches_events_off_and_ends_in_time() -> None:
    job = named(render(with_source()), "Job", "taskscope-events-off")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    assert {"hook-succeeded", "hook-failed"} <= set(job["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(","))
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == (60, 0)
    (said,) = job["spec"]["template"]["spec"]["containers"]
    assert said["command"][-1].startswith("taskscope-collector events off ||"), "a failure keeps nobody from uninstalling"
    assert said["image"] == container(render(with_source()), "collector")["image"]
    assert said["volumeMounts"] == container(render(with_source()), "collector")["volumeMounts"]


def test_names_are_short_enough_and_can_be_chosen() -> None:
    long = render(with_source(), release="a" * 53)
    assert max(len(each["metadata"]["name"]) for each in long) <= 63
    chosen = render(with_source(fullnameOverride="watcher"))
    assert named(chosen, "Deployment", "watcher-api")
    assert named(render(with_source(), release="blue"), "Deployment", "blue-taskscope-api")

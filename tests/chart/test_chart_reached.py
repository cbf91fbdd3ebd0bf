"""Ingress and HTTPRoute lead each path to whom it belongs to, below the base path, without rewriting any."""

from typing import Any

import pytest
from support.helm import Manifest, named, render, with_source

APIS = ("/api", "/socket.io", "/docs", "/openapi.json", "/asyncapi.json")
GATEWAY = [{"name": "public", "namespace": "gateways"}]


def ingress_paths(manifests: list[Manifest]) -> list[tuple[str, str, str]]:
    rules = named(manifests, "Ingress")["spec"]["rules"]
    return [
        (rule.get("host", "*"), path["path"], path["backend"]["service"]["name"])
        for rule in rules
        for path in rule["http"]["paths"]
    ]


def route_paths(manifests: list[Manifest]) -> dict[str, str]:
    rules = named(manifests, "HTTPRoute")["spec"]["rules"]
    assert not [rule for rule in rules if "filters" in rule], "nothing is rewritten"
    return {match["path"]["value"]: rule["backendRefs"][0]["name"] for rule in rules for match in rule["matches"]}


@pytest.mark.parametrize("base", ["", "/monitoring/tasks"])
def test_an_ingress_leads_the_apis_paths_to_it_and_the_rest_to_web(base: str) -> None:
    manifests = render(with_source(basePath=base, ingress={"enabled": True, "hosts": ["a.example", "b.example"]}))
    wanted = [(f"{base}{path}", "taskscope-api") for path in APIS] + [(base or "/", "taskscope-web")]
    assert ingress_paths(manifests) == [(host, *each) for host in ("a.example", "b.example") for each in wanted]


@pytest.mark.parametrize("base", ["", "/monitoring/tasks"])
def test_a_route_leads_them_the_same_way(base: str) -> None:
    manifests = render(with_source(basePath=base, httpRoute={"enabled": True, "parentRefs": GATEWAY}))
    assert route_paths(manifests) == {f"{base}{path}": "taskscope-api" for path in APIS} | {base or "/": "taskscope-web"}


def test_an_ingress_without_a_host_is_for_any() -> None:
    hosts = {host for host, *_ in ingress_paths(render(with_source(ingress={"enabled": True})))}
    assert hosts == {"*"}


def test_one_value_tells_everybody_the_base_path() -> None:
    manifests = render(with_source(basePath="/taskscope"))
    web = named(manifests, "Deployment", "taskscope-web")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "TASKSCOPE_BASE_PATH", "value": "/taskscope"} in web
    assert "base_path: /taskscope" in named(manifests, "ConfigMap")["data"]["taskscope.yaml"]
    arguments = named(manifests, "Pod", "taskscope-test")["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--web") + 1] == "http://taskscope-web:80/taskscope"


def test_backends_are_services_of_that_port() -> None:
    values: dict[str, Any] = {"httpRoute": {"enabled": True, "parentRefs": GATEWAY}, "api": {"service": {"port": 8000}}}
    manifests = render(with_source(**values))
    for rule in named(manifests, "HTTPRoute")["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        assert backend["port"] in [port["port"] for port in named(manifests, "Service", backend["name"])["spec"]["ports"]]
    env = named(manifests, "Deployment", "taskscope-web")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "TASKSCOPE_API_URL", "value": "http://taskscope-api:8000"} in env


def test_services_select_the_pods_of_their_component() -> None:
    manifests = render(with_source())
    for component in ("api", "web"):
        selector = named(manifests, "Service", f"taskscope-{component}")["spec"]["selector"]
        labels = named(manifests, "Deployment", f"taskscope-{component}")["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()

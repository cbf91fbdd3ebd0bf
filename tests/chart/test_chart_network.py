"""What the policies let through is what the design draws, and each is for the pods that it should be for and for no others."""

from pathlib import Path
from typing import Any

import pytest
from support.helm import WAYS, Manifest, of_kind, pods, problems, render, rendered, with_source

ON: dict[str, Any] = {"networkPolicy": {"enabled": True}}
PORTS = {"collector": 5052, "api": 5051, "web": 8080, "valkey": 6379}
Rule = dict[str, Any]


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """As Kubernetes selects: all labels, and all expressions."""
    operators = {"In": lambda value, values: value in values, "NotIn": lambda value, values: value not in values}
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        operators[each["operator"]](labels.get(each["key"]), each["values"]) for each in selector.get("matchExpressions", [])
    )


def labels_of(manifests: Any) -> dict[str, dict[str, str]]:
    """Of each component's pod."""
    found = [pod["metadata"]["labels"] for _, pod in pods(manifests)]
    return {labels["app.kubernetes.io/component"]: labels for labels in found}


def policies_of(manifests: Any, component: str) -> list[Manifest]:
    """Those that are for a component's pods."""
    labels = labels_of(manifests)[component]
    return [each for each in of_kind(manifests, "NetworkPolicy") if matches(each["spec"]["podSelector"], labels)]


def passes(rules: list[Rule], direction: str, labels: dict[str, str], namespace: str | None, port: int) -> bool:
    """Whether a pod with these labels (of our namespace: None, else of another one) is let through by a port."""
    return any(
        (not rule.get(direction) or any(is_peer(peer, labels, namespace) for peer in rule[direction]))
        and any(each["port"] == port for each in rule["ports"])
        for rule in rules
    )


def is_peer(peer: Rule, labels: dict[str, str], namespace: str | None) -> bool:
    if "ipBlock" in peer or ("namespaceSelector" not in peer and namespace is not None):
        return False
    within = "namespaceSelector" not in peer or matches(
        peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace or "watch"}
    )
    return within and matches(peer.get("podSelector", {}), labels)


def may_talk(manifests: Any, one: str, other: str, port: int) -> bool:
    """Whether a connection between two components' pods passes the policies of both."""
    labels = labels_of(manifests)
    out = [rule for policy in policies_of(manifests, one) for rule in policy["spec"]["egress"]]
    into = [rule for policy in policies_of(manifests, other) for rule in policy["spec"]["ingress"]]
    return passes(out, "to", labels[other], None, port) and passes(into, "from", labels[one], None, port)


def addresses(manifests: Any, component: str) -> set[tuple[str, int]]:
    """What a component reaches beside pods of ours: networks and namespaces, with ports; not DNS."""
    found = set()
    for policy in policies_of(manifests, component):
        for rule in policy["spec"]["egress"]:
            for peer in rule["to"]:
                place = peer.get("ipBlock", {}).get("cidr") or peer.get("namespaceSelector", {}).get("matchLabels", {}).get(
                    "kubernetes.io/metadata.name"
                )
                found |= {(place, each["port"]) for each in rule["ports"] if place is not None}
    return {(place, port) for place, port in found if port != 53}


def test_there_are_none_unless_they_are_asked_for() -> None:
    assert of_kind(render(with_source()), "NetworkPolicy") == []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_each_pod_of_ours_has_one_policy(way: Path) -> None:
    manifests = rendered(way)
    if of_kind(manifests, "NetworkPolicy"):
        assert {component: len(policies_of(manifests, component)) for component in labels_of(manifests)} == dict.fromkeys(
            labels_of(manifests), 1
        )


def test_a_policy_is_for_no_pod_of_another_release() -> None:
    ours, theirs = render(with_source(**ON)), render(with_source(**ON), release="other")
    for labels in labels_of(theirs).values():
        assert not [each for each in of_kind(ours, "NetworkPolicy") if matches(each["spec"]["podSelector"], labels)]


ARROWS = {
    ("web", "api"),
    ("api", "api"),
    ("test", "api"),
    ("test", "web"),
    ("api", "valkey"),
    ("collector", "valkey"),
    ("events-off", "valkey"),
}


def test_pods_of_ours_talk_as_the_design_draws_it_and_no_further() -> None:
    manifests = render(with_source(networkPolicy={"enabled": True, "clients": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}))
    components = set(labels_of(manifests))
    found = {
        (one, other) for one in components for other in components & set(PORTS) if may_talk(manifests, one, other, PORTS[other])
    }
    assert found == ARROWS


def test_the_api_reaches_redis_and_never_a_broker() -> None:
    sources = [
        {"name": "a", "engine": "celery", "brokerUrl": "amqp://rabbit.jobs", "resultBackend": "redis://results.jobs:6380/0"},
        {"name": "b", "engine": "rq", "redisUrl": "redis://rq.media.svc.cluster.local/0"},
        {"name": "c", "engine": "rq", "redisUrl": "redis://local-queue/0"},
        {"name": "d", "engine": "celery", "brokerUrl": "amqps://10.1.2.3//;amqp://[fd00::7]:5673//"},
        {"name": "e", "engine": "rq", "redisUrl": "redis+sentinel://s-0.rq,s-1.rq/films"},
    ]
    manifests = render({"sources": sources, "redis": {"url": "rediss://redis.data:6390/0"}, **ON})
    brokers = {
        ("jobs", 5672),
        ("jobs", 6380),
        ("media", 6379),
        ("watch", 6379),
        ("10.1.2.3/32", 5671),
        ("fd00::7/128", 5673),
        ("rq", 26379),
        ("rq", 6379),
    }
    assert addresses(manifests, "collector") == brokers | {("data", 6390)}
    assert addresses(manifests, "events-off") == brokers | {("data", 6390)}
    assert addresses(manifests, "api") == {("data", 6390)}
    assert addresses(manifests, "web") == set()


def test_sentinels_are_reached_each_and_the_servers_beside_them() -> None:
    hosts = "s-0.data:26379,s-1.data,s.other.svc.cluster.local:26380,s-0.s.pods.svc.cluster.local,10.1.2.3,[fd00::7]:26381"
    manifests = render(with_source(redis={"url": f"redis+sentinel://{hosts}/films/0"}, **ON))
    sentinels = {("data", 26379), ("other", 26380), ("pods", 26379), ("10.1.2.3/32", 26379), ("fd00::7/128", 26381)}
    reached_ports = sentinels | {(place, 6379) for place, _ in sentinels}
    assert addresses(manifests, "api") == reached_ports
    assert addresses(manifests, "collector") == reached_ports | {("jobs", 6379)}


def test_a_sentinel_outside_of_the_cluster_has_to_be_named() -> None:
    url = "redis+sentinel://s-0.data,sentinel.example.org/films"
    (found, *others) = problems(with_source(redis={"url": url}, **ON))
    assert "networkPolicy.redis: is empty, and redis.url (Sentinel 1) names an address outside of the cluster" in found
    assert len(others) == 1, "its server"


def test_what_is_configured_is_reached_by_whom_it_is_for() -> None:
    grants = [{"namespace": "a", "name": "b", "role": "viewer"}]
    oidc = {"issuer": "https://id.example.org", "clientId": "taskscope", "publicUrl": "https://tasks.example.org"}
    manifests = render(
        with_source(
            otel={"endpoint": "http://otlp.monitoring:4318"},
            access={"mode": "oidc", "oidc": oidc, "serviceAccounts": {"enabled": True, "grants": grants}},
            networkPolicy={
                "enabled": True,
                "oidc": [{"cidr": "203.0.113.0/24", "ports": [443]}],
                "apiServer": [{"cidr": "172.18.0.2/32", "ports": [6443]}],
            },
        )
    )
    assert addresses(manifests, "api") == {("monitoring", 4318), ("203.0.113.0/24", 443), ("172.18.0.2/32", 6443)}
    assert addresses(manifests, "collector") == {("monitoring", 4318), ("jobs", 6379)}
    assert addresses(manifests, "web") == set()


def test_a_provider_that_is_not_asked_is_not_reached() -> None:
    manifests = render(with_source(networkPolicy={"enabled": True, "oidc": [{"cidr": "203.0.113.0/24", "ports": [443]}]}))
    assert addresses(manifests, "api") == set()


def test_names_are_resolved_by_all_but_valkey() -> None:
    manifests = render(with_source(**ON))
    resolver = {"k8s-app": "kube-dns"}
    able = {
        component
        for component in labels_of(manifests)
        for policy in policies_of(manifests, component)
        if passes(policy["spec"]["egress"], "to", resolver, "kube-system", 53)
    }
    assert able == {"collector", "events-off", "api", "web", "test"}


def reached(manifests: Any, component: str, labels: dict[str, str], namespace: str, port: int) -> bool:
    return any(passes(each["spec"]["ingress"], "from", labels, namespace, port) for each in policies_of(manifests, component))


def test_clients_reach_web_and_api_and_nothing_else() -> None:
    way = next(way for way in WAYS if way.stem == "proxy-values")
    proxy = {"app": "oauth2-proxy"}
    reached_ports = {component for component, port in PORTS.items() if reached(rendered(way), component, proxy, "auth", port)}
    assert reached_ports == {"web", "api"}
    assert not reached(rendered(way), "api", {"app": "other"}, "auth", 5051)
    assert not reached(rendered(way), "api", proxy, "elsewhere", 5051)


def test_metrics_are_read_by_monitoring_alone() -> None:
    way = next(way for way in WAYS if way.stem == "monitoring-values")
    for component in ("api", "collector"):
        assert reached(rendered(way), component, {}, "monitoring", 9464)
        assert not reached(rendered(way), component, {}, "jobs", 9464)
    assert not reached(render(with_source(**ON)), "collector", {}, "monitoring", 9464)


def test_nobody_reaches_a_collector() -> None:
    manifests = render(with_source(networkPolicy={"enabled": True, "clients": []}))
    assert [policy["spec"]["ingress"] for policy in policies_of(manifests, "collector")] == [[]]
    assert reached(manifests, "web", {}, "anywhere", 8080)

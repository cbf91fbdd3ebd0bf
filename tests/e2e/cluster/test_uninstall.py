"""`helm uninstall`, and what it leaves."""

import re
from collections.abc import Callable
from typing import Any

from support.kube.ground import Ground
from support.kube.kubectl import Kubectl
from support.kube.site import Site
from support.waiting import wait_for

DAY = 24 * 3600
BOUNDS = {
    "lease": 60,
    "asks": 60,
    "log": 8 * DAY,
    "meta": 8 * DAY,
    "tasks": 8 * DAY,
    "workers": 8 * DAY,
    "queues": 8 * DAY,
    "health": 8 * DAY,
    "events-off": 8 * DAY,
    "sources": 8 * DAY,
    "replicas-secret": 8 * DAY,
    "rollup": 90 * DAY,
    "used": 400 * DAY,
}
"""Last word of a key -> seconds that it may live, as docs/architecture.md has it."""
SHORT = ("lease", "asks", "answers", "replicas")
"""Keys that are gone a minute later."""


def test_helm_uninstall_leaves_nothing_in_the_cluster_and_switches_all_events_off(
    installed: Any, below: Site, ground: Ground, kubectl: Kubectl, measured: Callable[[str], None]
) -> None:
    site: Site = installed.site
    for one in (below, site):
        assert uninstalled(one) == set()
    cluster_wide = kubectl.run("get", "clusterroles,clusterrolebindings", "-l", site.release.selector, "-o", "name")
    assert cluster_wide == ""
    said = ground.events("redis") | ground.events("rabbitmq")
    assert len(said) == 3
    assert all("already disabled" in answer for answer in said.values()), said
    measured(f"events of {len(said)} workers are off")


def test_no_key_of_ours_stays_in_a_shared_redis_after_its_lifetime(ground: Ground, measured: Callable[[str], None]) -> None:
    wait_for(lambda: not short_lived(ground), seconds=90, what="short-lived keys to go", every=2.0)
    keys = ground.state_keys()
    ours = {key: left for key, left in keys.items() if re.match("(taskscope|below):", key)}
    assert keys.keys() - ours.keys() == {"somebody-elses"}
    assert keys["somebody-elses"] == -1
    assert ours
    wrong = {key: left for key, left in ours.items() if not 0 < left <= 1000 * BOUNDS.get(kind(key), 0)}
    assert wrong == {}
    measured(f"{len(ours)} keys, each with an end: the last in {max(ours.values()) / 1000 / DAY:.0f} days")


def uninstalled(site: Site) -> set[str]:
    """What the release leaves in its namespace."""
    site.release.uninstall()
    running = f"{site.release.selector},app.kubernetes.io/component in (collector, api, web)"
    wait_for(lambda: not site.kubectl.items("pods", "-l", running), seconds=90, what="its pods to end", every=0.5)
    assert not site.release.exists()
    return {name for name in everything(site.kubectl) if not is_known(name)}


def short_lived(ground: Ground) -> list[str]:
    """Keys that live for a minute at most."""
    return [key for key in ground.state_keys() if kind(key) in SHORT]


def kind(key: str) -> str:
    """The word that says what a key is."""
    found = re.search(r"rollup|replicas:|answers:|[a-z-]+$", key)
    assert found, key
    return found[0].rstrip(":")


def everything(kubectl: Kubectl) -> list[str]:
    """`kind/name` of all that is in the namespace, whatever it is."""
    kinds = kubectl.run("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    asked = ",".join(kind for kind in kinds if not kind.startswith(("events", "pods.metrics")))
    return kubectl.run("get", asked, "-o", "name", "--ignore-not-found", "--show-kind").split()


def is_known(name: str) -> bool:
    """What every namespace has, and what was there before."""
    return name in ("configmap/kube-root-ca.crt", "serviceaccount/default") or name.startswith("secret/")

"""Sources that cannot be watched: they say why, and disturb nobody."""

import json
import urllib.request

from support.kube.ground import Ground
from support.kube.kubectl import Kubectl, is_ready
from support.kube.objects import secret
from support.kube.site import Site
from support.waiting import wait_for


def test_health_and_the_collectors_pod_say_which_broker_does_not_exist_and_whose_secret_is_missing(below: Site) -> None:
    wait_for(lambda: _down(below) == {"nowhere", "keyless"}, seconds=30, what="the two sources to be down", every=0.5)
    reasons = {source.name: source.reason or "" for source in below.health().sources}
    assert "the host name cannot be resolved" in reasons["nowhere"]
    assert "/etc/taskscope/secrets/keyless/broker-url" in reasons["keyless"]
    pod = below.pods("collector")[0]["metadata"]["name"]
    said = _readiness(below.kubectl, pod)
    logged = below.kubectl.run("logs", pod)
    for name in ("nowhere", "keyless"):
        assert name in json.dumps(said), said
        assert name in logged


def test_the_other_sources_go_on_and_the_pods_stay_ready(below: Site, ground: Ground) -> None:
    with ground.load("beside-broken", 5, seconds=3):
        pass
    below.assert_shows(ground.ledger("beside-broken"))
    pods = [pod for component in ("collector", "api", "web") for pod in below.pods(component)]
    assert all(is_ready(pod) for pod in pods)
    assert below.restarts() == 0


def test_a_secret_that_comes_later_brings_its_source_up_without_a_restart(below: Site, ground: Ground) -> None:
    below.kubectl.apply([secret("keyless-broker", {"broker-url": ground.broker_url})])
    wait_for(lambda: _down(below) == {"nowhere"}, seconds=150, what="the source to come up", every=1.0)
    assert below.restarts() == 0


def _down(site: Site) -> set[str]:
    return {source.name for source in site.health().sources if source.status == "down"}


def _readiness(kubectl: Kubectl, pod: str) -> object:
    """What the pod answers to its readiness probe."""
    with (
        kubectl.forwarded(f"pod/{pod}", 5052) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer,
    ):
        return json.load(answer)

"""The collector that writes goes under load: its pod is deleted, or its process is killed without a word."""

import time
from collections.abc import Callable

import pytest
from support.kube.crowd import Crowd
from support.kube.ground import Ground
from support.kube.killing import kill
from support.kube.kubectl import Kubectl
from support.kube.site import Site
from support.waiting import wait_for

TASKS = 250.0
"""A second: each has four events (sent, received, started, ended)."""
EVENTS_A_TASK = 4
LOAD_SECONDS = 40.0
BEFORE_SECONDS = 5.0
MOST_SECONDS = 5.0
SOURCE = "archive"
End = Callable[[Kubectl, str], object]


def deleted(kubectl: Kubectl, pod: str) -> None:
    """With grace 0: the pod is gone at once, and its process is told so by SIGTERM."""
    kubectl.run("delete", "pod", pod, "--grace-period=0", "--force")


@pytest.mark.parametrize("end", [deleted, kill], ids=["its pod deleted with grace 0", "its process killed"])
def test_a_standby_writes_within_5_s_when_the_active_collector_ends_at_1000_events_a_second(
    end: End, site: Site, ground: Ground, measured: Callable[[str], None]
) -> None:
    batch = f"failover-{end.__name__}"
    crowd = Crowd(site.ingress.url, site.token(), 5)
    doomed, _ = holder(ground)
    with crowd.watching(), ground.load(batch, TASKS, seconds=LOAD_SECONDS):
        loaded = time.monotonic()
        wait_for(lambda: time.monotonic() > loaded + BEFORE_SECONDS, seconds=60, what="the load to be steady", every=0.2)
        ended, ended_at = time.monotonic(), time.time()
        end(site.kubectl, pod_of(site, doomed))
        wait_for(lambda: holder(ground)[0] not in ("", doomed), seconds=20, what="another to hold the source", every=0.2)
        _, epoch = holder(ground)
        wait_for(lambda: time.monotonic() > ended + 2 * MOST_SECONDS, seconds=60, what="a silence to be over", every=0.2)
        silence = crowd.longest_silence(ended)
    ledger = ground.ledger(batch)
    events = EVENTS_A_TASK * ledger.rate
    assert ledger.unfinished() == []
    reconciled = site.assert_shows(ledger)
    measured(f"{events:.0f} events/s; lease won after {epoch / 1000 - ended_at:.1f} s, news after {silence:.1f} s (≤ 5 s)")
    measured(f"{len(ledger.tasks)} tasks, none lost, none wrong {reconciled:.0f} s after the last ended")
    assert events >= 0.9 * TASKS * EVENTS_A_TASK
    assert silence <= MOST_SECONDS
    assert crowd.problems() == []
    site.wait_settled({"collector": 2})


def holder(ground: Ground) -> tuple[str, int]:
    """Who writes the source (its pod's name and a random part), and since when (epoch milliseconds); "" for nobody."""
    value = ground.state("GET", f"taskscope:{{{SOURCE}}}:lease")
    epoch, _, name = (value or "0:").partition(":")
    return name, int(epoch)


def pod_of(site: Site, holder: str) -> str:
    """The pod of a holder."""
    return next(name for pod in site.pods("collector") if holder.startswith(name := pod["metadata"]["name"]))

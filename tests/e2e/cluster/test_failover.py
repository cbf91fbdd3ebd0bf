"""The collector that writes is killed under load."""

import time
from collections.abc import Callable

from support.kube.crowd import Crowd
from support.kube.ground import Ground
from support.kube.site import Site
from support.waiting import wait_for

TASKS = 250.0
"""A second: each has four events (sent, received, started, ended)."""
EVENTS_A_TASK = 4
LOAD_SECONDS = 30.0
BEFORE_SECONDS = 8.0
MOST_SECONDS = 5.0
SOURCE = "archive"


def test_a_standby_writes_within_5_s_when_the_active_collectors_pod_is_deleted_at_1000_events_a_second(
    site: Site, ground: Ground, measured: Callable[[str], None]
) -> None:
    crowd = Crowd(site.ingress.url, site.token(), 5)
    doomed, _ = holder(site, ground)
    with crowd.watching(), ground.load("failover", TASKS, seconds=LOAD_SECONDS):
        loaded = time.monotonic()
        wait_for(lambda: time.monotonic() > loaded + BEFORE_SECONDS, seconds=60, what="the load to be steady")
        killed, killed_at = time.monotonic(), time.time()
        site.kubectl.run("delete", "pod", doomed, "--grace-period=0", "--force")
        wait_for(lambda: holder(site, ground)[0] != doomed, seconds=20, what="another collector to hold the source", every=0.2)
        successor, epoch = holder(site, ground)
        wait_for(
            lambda: time.monotonic() > killed + 2 * MOST_SECONDS, seconds=60, what="the time in which silence would be seen"
        )
        silence = crowd.longest_silence(killed)
    ledger = ground.ledger("failover")
    events = EVENTS_A_TASK * ledger.rate
    assert ledger.unfinished() == []
    reconciled = site.assert_shows(ledger)
    measured(f"{events:.0f} events/s; lease won after {epoch / 1000 - killed_at:.1f} s, news after {silence:.1f} s (≤ 5 s)")
    measured(f"{len(ledger.tasks)} tasks, none lost, none wrong {reconciled:.0f} s after the last ended")
    assert successor != doomed
    assert events >= 0.9 * TASKS * EVENTS_A_TASK
    assert silence <= MOST_SECONDS
    assert crowd.problems() == []
    site.wait_settled({"collector": 2})


def holder(site: Site, ground: Ground) -> tuple[str, int]:
    """The pod that writes the source, and since when (epoch milliseconds)."""
    value = ground.state("GET", f"taskscope:{{{SOURCE}}}:lease")
    epoch, _, name = (value or "0:").partition(":")
    pods = [pod["metadata"]["name"] for pod in site.pods("collector")]
    gone = name.rpartition("-")[0]
    return next((pod for pod in pods if name.startswith(pod)), gone), int(epoch)

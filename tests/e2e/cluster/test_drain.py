"""A node is emptied, with all replicas of api and web on it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
from support.kube.browser import Browser
from support.kube.crowd import Crowd
from support.kube.ground import Ground
from support.kube.kubectl import Kubectl
from support.kube.site import Site

MOST_SECONDS = 10.0
"""Twice what an upgrade may take: the cluster's own pods have to move, too, such as those that know its names."""
REPLICAS = {"collector": 2, "api": 2, "web": 2}
MOVED = ("api", "web")
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget"


class Asking:
    """Asks the dashboard again and again; each time on a connection of its own, as a new visitor does."""

    def __init__(self, site: Site) -> None:
        self._addresses = [f"{site.ingress.url}/", f"{site.ingress.url}/api/session"]
        self._ended = threading.Event()
        self.answered = 0
        self.failures: list[str] = []

    @contextmanager
    def going_on(self) -> Iterator["Asking"]:
        """Until the context ends."""
        thread = threading.Thread(target=self._ask, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join(30)

    def _ask(self) -> None:
        while not self._ended.wait(0.1):
            for address in self._addresses:
                self._ask_once(address)

    def _ask_once(self, address: str) -> None:
        try:
            status = httpx.get(address, timeout=5).status_code
        except httpx.TransportError as error:
            self.failures.append(f"{address}: {error!r}")
        else:
            self.answered += 1
            if status != 200:
                self.failures.append(f"{address}: {status}")


def test_disruption_budgets_hold_and_the_dashboard_stays_up_when_a_node_with_all_replicas_is_drained(
    site: Site, browser: Browser, ground: Ground, kubectl: Kubectl, nodes: list[str], measured: Callable[[str], None]
) -> None:
    assert len(nodes) > 1, "a node to drain: the cluster has one alone (NODES=2 ../shared/kube/up)"
    target = nodes[-1]
    before = site.restarts()
    with ExitStack() as stack:
        gathered(site, kubectl, target, [node for node in nodes if node != target])
        page = browser.open(f"{site.ingress.url}/#realtime")
        page.sign_in(site.token())
        page.wait_live()
        crowd = stack.enter_context(Crowd(site.ingress.url, site.token(), 10).watching())
        stack.enter_context(ground.load("drained", 20, seconds=200))
        asking = stack.enter_context(Asking(site).going_on())
        begun, begun_at = time.monotonic(), time.time()
        said = stack.enter_context(drained(kubectl, target))
        site.wait_settled(REPLICAS)
        seconds = time.monotonic() - begun
        silences = (crowd.longest_silence(begun), page.longest_silence(begun_at, time.time()))
        where = {pod["spec"]["nodeName"] for component in MOVED for pod in site.pods(component)}
    assert target not in where
    assert REFUSED in said
    assert asking.failures == []
    assert crowd.problems() == []
    page.wait_live()
    page.close()
    ledger = ground.ledger("drained")
    site.assert_shows(ledger)
    measured(f"empty after {seconds:.0f} s; {asking.answered} requests meanwhile, none failed")
    measured(f"{max(silences):.1f} s at most without news in a browser")
    measured(f"{len(ledger.tasks)} tasks, none lost, none wrong")
    assert max(silences) <= MOST_SECONDS, f"viewers and page: {silences}; no task ended for {ledger.longest_pause():.1f} s"
    assert site.restarts() == before


def gathered(site: Site, kubectl: Kubectl, target: str, others: Sequence[str]) -> None:
    """All pods of api and web are on one node: then a drain could take all at once."""
    kubectl.run("cordon", *others)
    try:
        for component in MOVED:
            site.kubectl.run("rollout", "restart", f"deployment/{site.name}-{component}")
        site.wait_ready()
        site.wait_settled(REPLICAS)
    finally:
        kubectl.run("uncordon", *others)
    assert {pod["spec"]["nodeName"] for component in MOVED for pod in site.pods(component)} == {target}


@contextmanager
def drained(kubectl: Kubectl, node: str) -> Iterator[str]:
    """What `kubectl drain` said until the node was empty. It takes pods again when the context ends."""
    options: list[Any] = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=150s"]
    try:
        done: subprocess.CompletedProcess[str] = kubectl.tried("drain", node, *options, seconds=180)
        assert done.returncode == 0, done.stderr
        yield done.stdout + done.stderr
    finally:
        kubectl.run("uncordon", node)

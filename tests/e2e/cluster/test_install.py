"""From `helm install` to a live task in the browser."""

import time
from collections.abc import Callable
from typing import Any

from support.kube.browser import Browser
from support.kube.ground import Ground
from support.kube.kubectl import restarts
from support.kube.namespaces import RESTRICTED
from support.waiting import wait_for

LIVE_SECONDS = 60.0
COMPONENTS = ("collector", "api", "web")
CELERY = {"celery-0@footage", "celery-1@footage", "celery-rabbitmq@footage"}


def test_helm_install_is_ready_and_shows_a_live_task_in_the_browser_within_a_minute(
    browser: Browser, ground: Ground, installed: Any, measured: Callable[[str], None]
) -> None:
    begun = time.monotonic()
    ground.show("first", 2, seconds=30)
    page = browser.open(f"{installed.site.ingress.url}/#realtime")
    page.sign_in(installed.site.token())
    row = page.wait_for_growth(LIVE_SECONDS)
    seconds = installed.ready_seconds + time.monotonic() - begun
    measured(f"all Ready after {installed.ready_seconds:.0f} s, a live task in the browser after {seconds:.0f} s (≤ 60 s)")
    assert "vod_encode" in row.text
    assert page.problems() == []
    page.close()
    assert seconds <= LIVE_SECONDS


def test_all_replicas_are_ready_without_a_restart_where_pod_security_restricted_is_enforced(installed: Any) -> None:
    site = installed.site
    labels = site.kubectl.get("namespace", site.kubectl.namespace)["metadata"]["labels"]
    assert labels.items() >= RESTRICTED.items()
    for component in COMPONENTS:
        pods = site.kubectl.ready_pods(site.release.of(component))
        assert len(pods) == 2, component
        assert [restarts(pod) for pod in pods] == [0, 0], component
        assert all(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] for pod in pods), component


def test_the_sources_are_up_and_their_workers_known(installed: Any, ground: Ground) -> None:  # noqa: ARG001 - its workers
    with installed.site.client() as client:
        wait_for(
            lambda: {source.status for source in client.sources()} == {"up"}, seconds=30, what="sources to be up", every=0.5
        )
        assert {source.name: source.reason for source in client.sources()} == dict.fromkeys(("archive", "newsroom", "media"))
        wait_for(
            lambda: {worker.name for worker in client.workers(engine="celery")} == CELERY, seconds=30, what="workers", every=0.5
        )
        assert [worker.state for worker in client.workers(source="media")] == ["online"]


def test_helm_test_passes(installed: Any) -> None:
    assert "Succeeded" in installed.site.release.test()

"""Taskscope's own Redis goes away, comes back empty, and is full."""

import time
from collections.abc import Callable

from support.kube.browser import Browser
from support.kube.ground import Ground
from support.kube.site import Site
from support.waiting import wait_for

RECOVERY_SECONDS = 60.0


def test_everything_recovers_alone_when_the_pod_of_redis_is_restarted_and_comes_back_empty(
    site: Site, browser: Browser, ground: Ground, measured: Callable[[str], None]
) -> None:
    before = site.restarts()
    page = browser.open(f"{site.ingress.url}/#realtime")
    page.sign_in(site.token())
    page.wait_live()
    with ground.load("redis-restarted", 20, seconds=60):
        begun = time.monotonic()
        ground.kubectl.run("delete", "pod", "-l", "app=state", "--wait=true")
        wait_for(lambda: page.status() != "Live", seconds=15, what="the page to say that it is behind", every=0.1)
        ground.kubectl.rolled_out("deployment/state")
        up = time.monotonic()
        page.wait_live(RECOVERY_SECONDS)
        measured(f"Redis was away for {up - begun:.0f} s; the page was live {time.monotonic() - up:.1f} s later")
    ground.state("SET", "somebody-elses", "value")
    ledger = ground.ledger("redis-restarted")
    site.assert_shows(ledger)
    measured(f"{len(ledger.tasks)} tasks, none lost, none wrong")
    assert {source.status for source in site.health().sources} == {"ok"}
    assert site.restarts() == before
    page.close()


def test_a_full_redis_is_said_by_health_and_page_without_a_restart_and_recovers(
    site: Site, browser: Browser, ground: Ground, measured: Callable[[str], None]
) -> None:
    before = site.restarts()
    page = browser.open(f"{site.ingress.url}/#realtime")
    page.sign_in(site.token())
    page.wait_live()
    with ground.load("redis-full", 10, seconds=90):
        ground.state("CONFIG", "SET", "maxmemory-policy", "noeviction")
        ground.state("CONFIG", "SET", "maxmemory", "1mb")
        try:
            said = wait_for(lambda: _complaint(site), seconds=30, what="health to say that Redis takes nothing", every=0.5)
            wait_for(lambda: page.status() == "Stale", seconds=30, what="the page to say so", every=0.1)
            shown = page.text()
        finally:
            ground.state("CONFIG", "SET", "maxmemory", "0")
        page.wait_live(RECOVERY_SECONDS)
    site.assert_shows(ground.ledger("redis-full"))
    measured(f"health: {said}")
    assert "not current" in shown
    assert site.restarts() == before
    page.close()


def _complaint(site: Site) -> str:
    """Why sources are stale, as health has it."""
    return "; ".join(sorted({source.stale for source in site.health().sources if source.stale}))

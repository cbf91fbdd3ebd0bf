"""Another configuration, and back again, while tasks run and people watch."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from support.kube.browser import Browser, Page
from support.kube.crowd import Crowd
from support.kube.ground import Ground
from support.kube.site import Site
from support.kube.values import merged

BROWSERS = 50
PAGES = 3
"""Of them are real Chromium pages; the others speak the page's protocol (`taskscope_client`)."""
MOST_SECONDS = 5.0
REPLICAS = {"collector": 2, "api": 2, "web": 2}
KINDS = {"vod": ["*vod*"], "small": ["*index*"]}
DEFAULT_KIND = "transcription"
"""Which no task here is of: the api lists it while it is configured, and not longer."""


def test_no_task_is_lost_and_50_browsers_of_which_3_are_chromium_resume_when_a_value_is_changed_and_rolled_back_under_load(
    installed: Any, browser: Browser, ground: Ground, measured: Callable[[str], None]
) -> None:
    site: Site = installed.site
    crowd = Crowd(site.ingress.url, site.token(), BROWSERS - PAGES)
    with loaded(ground), opened(browser, site) as pages, crowd.watching():
        for step, move in {
            "upgrade": lambda: site.release.upgrade(merged(installed.values, {"kinds": KINDS})),
            "rollback": site.release.rollback,
        }.items():
            begun, begun_at, reconnects = time.monotonic(), time.time(), crowd.reconnects()
            move()
            site.wait_ready()
            site.wait_settled(REPLICAS)
            assert (step == "upgrade") == (DEFAULT_KIND not in kinds(site))
            silence = crowd.longest_silence(begun)
            seen = max(page.longest_silence(begun_at, time.time()) for page in pages)
            measured(f"{step}: {time.monotonic() - begun:.0f} s, {max(silence, seen):.1f} s at most without news (≤ 5 s)")
            measured(f"{crowd.reconnects() - reconnects} reconnections, {crowd.snapshots(begun)} of them began anew")
            assert crowd.problems() == []
            assert crowd.reconnects() - reconnects >= len(crowd.viewers)
            assert max(silence, seen) <= MOST_SECONDS
        for page in pages:
            page.wait_live()
            assert page.problems() == []
    ledgers = [ground.ledger(batch) for batch in LOADS]
    assert [ledger.unfinished() for ledger in ledgers] == [[], [], []]
    site.assert_shows(*ledgers)
    measured(f"{sum(len(ledger.tasks) for ledger in ledgers)} tasks, none lost, none wrong")
    assert site.restarts() == 0


LOADS: dict[str, dict[str, Any]] = {
    "upgrade-redis": {"rate": 40},
    "upgrade-rabbitmq": {"rate": 8, "over": "rabbitmq"},
    "upgrade-rq": {"rate": 1, "engine": "rq"},
}


@contextmanager
def loaded(ground: Ground) -> Iterator[None]:
    """Tasks of all three sources."""
    with ExitStack() as stack:
        for batch, load in LOADS.items():
            stack.enter_context(ground.load(batch, seconds=240, **load))
        yield


@contextmanager
def opened(browser: Browser, site: Site) -> Iterator[list[Page]]:
    """Pages that are live."""
    pages = [browser.open(f"{site.ingress.url}/#realtime") for _ in range(PAGES)]
    for page in pages:
        page.sign_in(site.token())
        page.wait_live()
    yield pages
    for page in pages:
        page.close()


def kinds(site: Site) -> set[str]:
    """Those that the api knows."""
    with site.client() as client:
        return {kind.name for kind in client.kinds()}

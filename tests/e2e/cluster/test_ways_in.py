"""The dashboard and the stock Socket.IO client through an Ingress and through an HTTPRoute, at a host and below a path."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.kube.browser import Browser
from support.kube.ground import Ground
from support.kube.names import NAMES_SCRIPT
from support.kube.site import Site, Way
from support.socketio_page import page as socketio_page
from support.waiting import wait_for

WAYS = ("ingress", "route")
PLACES = ("at a host", "below a path")


@pytest.fixture
def names_for_node(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of node that are started now find the site's hosts."""
    monkeypatch.setenv("NODE_OPTIONS", f"--import {NAMES_SCRIPT.as_uri()}")
    monkeypatch.setenv("TASKSCOPE_TEST_NAMES", json.dumps(dict(place.addresses())))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Site:
    """Either release."""
    if request.param == "below a path":
        found: Site = request.getfixturevalue("below")
        return found
    return request.getfixturevalue("installed").site


@pytest.mark.parametrize("way", WAYS)
def test_the_dashboard_shows_live_tasks_in_chromium(way: str, place: Site, browser: Browser, ground: Ground) -> None:
    url = getattr(place, way).url
    page = browser.open(f"{url}/#realtime")
    page.sign_in(place.token())
    ground.show(f"seen-{way}", seconds=15)
    ground.show(f"seen-{way}", engine="rq", seconds=8)
    page.wait_live()
    assert page.wait_for_growth().percent > 0
    assert page.problems() == []
    wrong = [(status, address) for status, address in page.requests() if status >= 400 and "/api/session" not in address]
    assert wrong == []
    beside = [address for _, address in page.requests() if not urlsplit(address).path.startswith(place.ingress.base_path)]
    assert beside == []
    page.close()


@pytest.mark.parametrize("way", WAYS)
def test_an_address_within_the_page_and_the_viewer_of_the_api_open(way: str, place: Site, browser: Browser) -> None:
    url = getattr(place, way).url
    page = browser.open(f"{url}/#tasks?source=media")
    page.sign_in(place.token())
    page.wait_live()
    page.go(f"{url}/docs")
    wait_for(lambda: "/api/tasks/realtime" in page.text(), what="the routes to be listed", every=0.2)
    assert page.problems() == []
    page.close()


@pytest.mark.usefixtures("names_for_node")
@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
@pytest.mark.parametrize("way", WAYS)
async def test_the_stock_socket_io_client_is_told_of_tasks_over_two_replicas(
    way: str, transports: list[str], place: Site, ground: Ground
) -> None:
    through: Way = getattr(place, way)
    assert len(place.kubectl.ready_pods(place.release.of("api"))) == 2
    options: dict[str, Any] = {
        "path": f"{through.base_path}/socket.io",
        "transports": transports,
        "auth": {"token": place.token()},
    }
    batch = f"told-{way}-{'-'.join(transports)}-{place.kubectl.namespace}"
    async with socketio_page(through.url.removesuffix(through.base_path), **options) as it:
        await it.until("rendered")
        ground.show(batch, seconds=4)
        await it.until("rendered", lambda body: batch in str(body["tasks"]))
        if len(transports) == 2:
            await it.until("upgrade")
        assert (it.all("disconnect"), it.all("connect_error")) == ([], [])

"""Our container images: each starts, says that it is well, serves, and ends; and the web alone gives the whole dashboard."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.api import Writing, task
from support.own_images import HARDENED, Network, Running, image, inspected, megabytes_above, network
from support.socketio_page import page
from support.waiting import eventually
from taskscope_api.app import HEADERS, PAGE_HEADERS
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_store import RedisStore
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

pytestmark = [pytest.mark.images, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

COMPONENTS = ("collector", "api", "web")
BASE = "/monitoring/tasks"
MEGABYTES = {"collector": 90, "api": 90, "web": 5}
IDLE_MEGABYTES = {"collector": 90, "api": 100, "web": 15}
STOP_SECONDS = {"collector": 5.0, "api": 5.0, "web": 3.0}
SOURCES = '[{name: archive, engine: celery, broker_url: "redis://redis:6379/1"}, {name: jobs, engine: rq, redis_url: "redis://redis:6379/2"}]'
REDIS = {"TASKSCOPE_REDIS_URL": "redis://redis:6379/0"}
API = {**REDIS, "TASKSCOPE_API__BASE_PATH": BASE, "TASKSCOPE_ACCESS__MODE": "none"}
WRITABLE = ("--tmpfs", "/tmp")  # noqa: S108 - of the container
WEB_OPTIONS = (*WRITABLE, "-p", "127.0.0.1::8080")
ROOT = Path(__file__).parents[2]
PAGE_SCRIPT = Path(__file__).with_name("test_base_path_page.mjs")


class Site:
    """All three, and a Redis; `url` is where the web's port leads, with the path."""

    def __init__(self, network: Network, redis: Running, parts: dict[str, Running]) -> None:
        self.network, self.redis, self.parts = network, redis, parts
        self.origin = f"http://127.0.0.1:{parts['web'].port(8080)}"
        self.url = f"{self.origin}{BASE}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    for component in COMPONENTS:
        image(component)
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(network())
        web_said = {"TASKSCOPE_BASE_PATH": BASE}
        # The web first: it waits for nobody.
        web = stack.enter_context(net.running(image("web"), "web", *HARDENED, *WEB_OPTIONS, environment=web_said))
        redis = stack.enter_context(net.running("valkey/valkey:8", "redis", "-p", "127.0.0.1::6379"))
        api = stack.enter_context(net.running(image("api"), "taskscope-api", *HARDENED, environment=API))
        said = {**REDIS, "TASKSCOPE_SOURCES": SOURCES}
        collector = stack.enter_context(net.running(image("collector"), "collector", *HARDENED, environment=said))
        made = Site(net, redis, {"collector": collector, "api": api, "web": web})
        for part in made.parts.values():
            await eventually(part.is_healthy, seconds=60, what=f"{part.name} to be healthy")
        yield made


# ----------------------------------------------------------------------------------------------------- what they are


@pytest.mark.parametrize("component", COMPONENTS)
async def test_an_image_says_what_it_is_and_is_no_larger_than_it_needs_to_be(component: str) -> None:
    config = inspected(component)["Config"]
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items() if "opencontainers" in name}
    assert labels["title"] == f"taskscope-{component}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert re.fullmatch(r"[0-9a-f]{40}", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])
    assert config["User"] == "10001:10001"
    assert megabytes_above(component) <= MEGABYTES[component]


@pytest.mark.parametrize("component", COMPONENTS)
async def test_it_runs_as_nobody_special_and_writes_nothing(site: Site, component: str) -> None:
    part = site.parts[component]
    assert part.run("id", "-u").stdout.strip() == "10001"
    status = part.run("cat", "/proc/1/status").stdout
    assert re.search(r"CapEff:\s+0+\n", status)
    assert part.run("sh", "-c", "command -v uv gcc cc make; ls -d /uv /workspace").stdout == ""
    assert part.memory() <= IDLE_MEGABYTES[component]


async def test_the_services_run_from_bytecode_that_is_there(site: Site) -> None:
    engines = "taskscope_collector.sources.celery.source, taskscope_collector.sources.rq.source"  # when they are configured
    for component, more in (("collector", engines), ("api", "taskscope_api.app")):
        imports = f"import taskscope_{component}.__main__, {more}"
        seen = site.parts[component].run("python", "-v", "-c", imports)
        compiled = re.findall(r"# code object from '?(/app/[^'\n]+\.py)'?$", seen.stderr, re.MULTILINE)
        assert compiled == [], "these are compiled at each start"


async def test_the_collector_is_ready_and_says_what_it_watches(site: Site) -> None:
    told = json.loads(site.parts["collector"].run("python", "-c", READY).stdout)
    assert told["ready"] is True
    assert set(told["sources"]) == {"archive", "jobs"}


READY = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:5052/readyz').read().decode())"


# ------------------------------------------------------------------------------------------------- the web, and all behind


async def test_the_page_comes_as_the_api_would_send_it_and_its_assets_stay(site: Site) -> None:
    async with httpx.AsyncClient(headers={"Accept-Encoding": "gzip"}) as http:
        index = await http.get(f"{site.url}/")
        assert {name: index.headers[name] for name in {**HEADERS, **PAGE_HEADERS}} == {**HEADERS, **PAGE_HEADERS}
        assert (index.headers["Cache-Control"], "ETag" in index.headers) == ("no-cache", False)
        (script,) = re.findall(r'src="\./(assets/[^"]+\.js)"', index.text)
        asset = await http.get(f"{site.url}/{script}")
        assert (asset.headers["Content-Encoding"], asset.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert {**HEADERS, **PAGE_HEADERS}.items() <= {**dict(asset.headers), **_named(asset)}.items()
        assert (await http.get(f"{site.url}/nothing")).status_code == 404


def _named(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers.get(name, "") for name in {**HEADERS, **PAGE_HEADERS}}


async def test_whoever_asks_elsewhere_is_told_where_it_is(site: Site) -> None:
    async with httpx.AsyncClient() as http:
        for path in ("/", BASE):
            sent = await http.get(f"{site.origin}{path}?x=1")
            assert (sent.status_code, sent.headers["Location"]) == (302, f"{BASE}/?x=1")
        for path in ("/api/tasks", "/socket.io/", f"{BASE}x/"):
            answer = await http.get(f"{site.origin}{path}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
            assert f"{BASE}/" in answer.json()["detail"]
        assert (await http.get(f"{site.origin}/healthz")).text == "ok\n"


async def test_requests_pushes_and_socket_io_go_through_it(site: Site) -> None:
    async with httpx.AsyncClient(timeout=10) as http:
        health = (await http.get(f"{site.url}/api/health")).json()
        assert {source["name"] for source in health["sources"]} >= {"archive", "jobs"}
        described = (await http.get(f"{site.url}/openapi.json")).json()
        assert described["servers"] == [{"url": BASE}]
        assert (await http.get(f"{site.url}/docs/viewer.js")).status_code == 200
        assert (await http.get(f"{site.url}/docs/swagger-ui-bundle.js")).status_code == 200
        async with http.stream("GET", f"{site.url}/api/stream") as told, asyncio.timeout(5):
            lines = told.aiter_lines()
            assert [await anext(lines) for _ in range(3)] == ["retry: 2000", "", "event: connected"]
    socket_url = f"{site.url.replace('http', 'ws', 1)}/api/ws"
    async with connect(socket_url, origin=Origin(site.origin)) as socket, asyncio.timeout(5):
        assert json.loads(await socket.recv())["event"] == "connected"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(socket_url, origin=Origin("https://elsewhere.example")):
            pass
    assert refused.value.response.status_code == 403, "the origin is compared with the host that the browser knows"
    ways: list[dict[str, Any]] = [{}, {"transports": ["polling"]}, {"transports": ["websocket"]}]
    async with contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page(site.origin, path=f"{BASE}/socket.io/", **way)) for way in ways]
        for it in pages:
            await it.until("rendered")
        await pages[0].until("upgrade")


async def test_a_browser_that_knows_the_web_alone_sees_the_whole_dashboard(site: Site) -> None:
    clock = SystemClock()
    store = RedisStore(f"redis://127.0.0.1:{site.redis.port(6379)}/0", clock)
    try:
        writing = await Writing(store, clock, "written").begin()
        await writing.write(*(task(str(number), source="written", updated_at=clock.now()) for number in range(5)))
        seen = await _look(f"{site.origin}/#realtime")
    finally:
        await store.close()
    assert (seen["url"].startswith(f"{site.url}/"), seen["rows"]) == (True, 5)
    assert {path for path in seen["asked"] if not path.startswith(f"{BASE}/")} <= {"/"}
    assert (seen["errors"], seen["wrong"]) == ([], [])


async def _look(url: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "node", PAGE_SCRIPT, ROOT / "services" / "web", url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(90):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(output)
    return seen


async def test_an_api_that_is_away_is_said_and_found_again_at_another_address() -> None:
    with network() as net, net.running(image("web"), "web", *HARDENED, *WEB_OPTIONS) as web:
        await eventually(web.is_healthy, seconds=30)
        url = f"http://127.0.0.1:{web.port(8080)}"
        async with httpx.AsyncClient(timeout=10) as http:
            assert (await http.get(url)).status_code == 200, "the page is there"
            for path in ("/api/tasks", "/socket.io/?EIO=4&transport=polling"):
                away = await http.get(url + path)
                assert (away.status_code, away.headers["Content-Type"]) == (503, "application/problem+json")
                assert (away.json()["type"], away.headers["Retry-After"]) == ("urn:taskscope:problem:api-unavailable", "2")

            async def answers() -> bool:
                return (await http.get(f"{url}/api/health")).status_code == 200

            said = {"TASKSCOPE_ACCESS__MODE": "none"}
            with net.running(image("api"), "taskscope-api", *HARDENED, environment=said):
                await eventually(answers, seconds=40)
            with (
                net.running(image("api"), "in-between"),  # takes the address that the first one had
                net.running(image("api"), "taskscope-api", *HARDENED, environment=said),
            ):
                await eventually(answers, seconds=40)


@pytest.mark.parametrize(
    ("name", "is_first"), [("taskscope-api", True), ("taskscope-api", False), ("taskscope-api.tasks.svc", False)]
)
async def test_a_name_of_kubernetes_is_found_though_nginx_knows_no_search_domains(
    tmp_path: Path, name: str, *, is_first: bool
) -> None:
    (tmp_path / "resolv.conf").write_text(
        "search tasks.svc.cluster.local svc.cluster.local cluster.local\nnameserver 127.0.0.11\noptions ndots:5\n"
    )
    resolving = ("-v", f"{tmp_path / 'resolv.conf'}:/etc/resolv.conf:ro")
    with network() as net, contextlib.ExitStack() as stack:
        api = partial(
            net.running,
            image("api"),
            "taskscope-api.tasks.svc.cluster.local",
            *HARDENED,
            environment={"TASKSCOPE_ACCESS__MODE": "none"},
        )
        if is_first:
            stack.enter_context(api())
        said = {"TASKSCOPE_API_URL": f"http://{name}:5051"}
        web = stack.enter_context(net.running(image("web"), "web", *HARDENED, *WEB_OPTIONS, *resolving, environment=said))
        await eventually(web.is_healthy, seconds=30)
        if not is_first:
            stack.enter_context(api())

        async def answers() -> bool:
            async with httpx.AsyncClient(timeout=10) as http:
                return (await http.get(f"http://127.0.0.1:{web.port(8080)}/api/health")).status_code == 200

        await eventually(answers, seconds=40)


# ------------------------------------------------------------------------------------------------------ wrong values, ends


@pytest.mark.parametrize(
    ("component", "said", "word"),
    [
        ("web", {"TASKSCOPE_BASE_PATH": "/t/"}, "without a / at its end"),
        ("web", {"TASKSCOPE_BASE_PATH": "/;x"}, "/monitoring/tasks"),
        ("web", {"TASKSCOPE_API_URL": "taskscope-api:5051"}, "http://taskscope-api:5051"),
        ("api", {}, "access.mode"),
        ("api", {"TASKSCOPE_ACCESS__MODE": "none", "TASKSCOPE_API__BASE_PATH": "t"}, "/monitoring/tasks"),
        ("collector", {}, "nothing to watch"),
    ],
)
async def test_a_wrong_value_is_said_and_ends_with_2(component: str, said: dict[str, str], word: str) -> None:
    options = (*HARDENED, *WRITABLE)
    with network() as net, net.running(image(component), component, *options, environment=said) as part:
        await eventually(lambda: part.state()["Status"] == "exited", seconds=30)
        assert (part.state()["ExitCode"], word in part.said()) == (2, True), part.said()


async def test_a_web_that_may_write_nothing_at_all_says_what_it_needs() -> None:
    with network() as net, net.running(image("web"), "web", *HARDENED) as web:
        await eventually(lambda: web.state()["Status"] == "exited", seconds=30)
        assert (web.state()["ExitCode"], "cannot be written" in web.said()) == (2, True), web.said()


async def test_events_off_ends_with_0_though_nothing_answers() -> None:
    said = {"TASKSCOPE_REDIS_URL": "redis://nobody.invalid:6379/0", "TASKSCOPE_SOURCES": SOURCES}
    with network() as net:
        part = net.running(image("collector"), "hook", *HARDENED, environment=said, command=("events", "off"))
        with part as hook:
            await eventually(lambda: hook.state()["Status"] == "exited", seconds=60)
            assert (hook.state()["ExitCode"], "not switched off" in hook.said()) == (0, True), hook.said()


@pytest.mark.parametrize("component", ["web", "api", "collector"])
async def test_each_ends_with_0_when_it_is_told_to(site: Site, component: str) -> None:
    """The last test: it takes the site apart."""
    clock = SystemClock()
    began = clock.monotonic()
    assert site.parts[component].stop() == 0, site.parts[component].said()
    assert clock.monotonic() - began < STOP_SECONDS[component]

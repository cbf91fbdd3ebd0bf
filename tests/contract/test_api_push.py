"""The push protocol of docs/architecture.md, over a real server and a real client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from quart import Quart
from support.api import Writing, served, socket, task
from support.waiting import eventually
from taskscope_api import cursors
from taskscope_api.app import create_app
from taskscope_api.hub import MAX_FRAMES, Client
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, Position, State, Worker, WorkerState
from taskscope_shared.settings import Push, Settings
from taskscope_shared.testing import MemoryStore
from websockets.exceptions import ConnectionClosed, InvalidStatus

CLOCK = SystemClock()


class Api:
    def __init__(self, app: Quart, port: int, writing: Writing) -> None:
        self.app, self.port, self.writing = app, port, writing
        self.services = app.extensions["taskscope"]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(5)))
    app = create_app(Settings(), store, CLOCK)
    async with served(app) as port:
        await eventually(lambda: "s" in app.extensions["taskscope"].live.replicas)
        yield Api(app, port, writing)


async def test_joining_gives_joined_room_and_then_a_snapshot_with_everything_the_protocol_names(api: Api) -> None:
    async with socket(api.port) as client:
        await client.send("join_task_monitoring")
        assert await client.receive() == ("joined_room", {"room": "task_monitoring", "status": "joined"})
        event, data = await client.receive()
        assert (event, data["kind"]) == ("task_updates", "snapshot")
        assert set(data) == {"kind", "position", "at", "stale", "summary", "total", "tasks", "workers", "queues", "sources"}
        assert [row["id"] for row in data["tasks"]] == ["4", "3", "2", "1", "0"]
        assert (data["total"], data["stale"], data["summary"]["active"]) == (5, False, 5)
        assert data["sources"][0]["key"] == "s"


async def test_a_change_arrives_as_a_delta_with_everything_the_protocol_names(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join(limit=3)
        await api.writing.write(task("2", state=State.SUCCEEDED, updated_at=2e9), task("9", updated_at=1.5e9))
        data = await client.until(lambda event, data: event == "task_updates" and data["upsert"])
        assert set(data) == {
            "kind",
            "position",
            "at",
            "stale",
            "summary",
            "total",
            "upsert",
            "remove",
            "keys",
            "workers",
            "queues",
            "sources",
        }
        assert ({row["key"] for row in data["upsert"]}, data["remove"], data["total"]) == ({"s/2", "s/9"}, ["s/3"], 6)
        assert (data["workers"], data["queues"], data["sources"]) == (None, None, None)
        assert set(client.tasks) == {"s/2", "s/9", "s/4"}


async def test_a_filter_lets_enter_and_leave(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join(filter={"state": ["failed"]})
        assert client.tasks == {}
        await api.writing.write(task("1", state=State.FAILED))
        await client.until(lambda *_: "s/1" in client.tasks)
        assert (client.total, client.summary["failed"]) == (1, 1)
        await api.writing.write(task("1", state=State.SUCCEEDED))
        await client.until(lambda *_: "s/1" not in client.tasks)
        assert (client.total, client.summary["total"]) == (0, 5)


async def test_fields_leave_out_the_rest_but_key_and_version(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join(fields=["state", "name"], limit=1)
        assert set(client.tasks["s/4"]) == {"key", "version", "state", "name"}


async def test_with_fields_a_task_says_of_those_alone_why_they_are_unknown(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join(limit=1)
        assert {"cpu_seconds", "queue"} <= set(client.tasks["s/4"]["unknown"])
        await client.join(fields=["queue", "unknown"], limit=1)
        assert set(client.tasks["s/4"]["unknown"]) == {"queue"}


async def test_joining_again_replaces_the_subscription(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        await client.join(limit=1)
        assert set(client.tasks) == {"s/4"}
        assert api.services.hub.clients == 1


async def test_leaving_stops_the_updates(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        await client.send("leave_task_monitoring")
        await client.send("request_task_updates")
        data = await client.until(lambda event, _: event == "error")
        assert data["type"] == "urn:taskscope:problem:not-joined"


async def test_a_snapshot_can_be_asked_for(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        await client.send("request_task_updates")
        await client.until(lambda *_: client.kinds.count("snapshot") == 2)


async def test_a_client_that_comes_back_gets_what_it_missed_as_one_delta(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        position, rows = client.position, dict(client.tasks)
    for at in range(3):
        await api.writing.write(task("0", updated_at=1.1e9 + at), removed=["1"])
    await eventually(lambda: "1" not in api.services.live.replicas["s"].tasks)
    async with socket(api.port) as client:
        client.tasks = rows
        await client.join(since=position)
        assert client.kinds == ["delta"]
        assert (set(client.tasks), client.tasks["s/0"]["updated_at"]) == (
            {"s/0", "s/2", "s/3", "s/4"},
            "2004-11-09T11:33:22.000Z",
        )


@pytest.mark.parametrize("token", ["garbage", "", "AAAA", "A" * 50_000])
async def test_what_is_no_token_is_named_and_answered_with_a_snapshot(api: Api, token: str) -> None:
    async with socket(api.port) as client:
        await client.send("join_task_monitoring", {"since": token})
        error = await client.until(lambda event, _: event == "error")
        assert (error["field"], error["type"]) == ("since", "urn:taskscope:problem:invalid-token")
        await client.until(lambda *_: client.kinds == ["snapshot"])


async def test_a_token_of_another_installation_is_named_and_answered_with_a_snapshot(api: Api) -> None:
    token = cursors.token({"s": ("another", Position(1, 1))})
    async with socket(api.port) as client:
        await client.send("join_task_monitoring", {"since": token})
        error = await client.until(lambda event, _: event == "error")
        assert (error["field"], error["type"]) == ("since", "urn:taskscope:problem:foreign-token")
        await client.until(lambda *_: client.kinds == ["snapshot"])


async def test_a_token_is_good_for_another_filter_but_not_for_other_fields(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        await client.join(limit=2, since=client.position)
        assert (client.kinds, set(client.tasks)) == (["snapshot", "delta"], {"s/3", "s/4"})
        await client.join(limit=2, fields=["state"], since=client.position)
        assert client.kinds == ["snapshot", "delta", "snapshot"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", None),
        ("[]", None),
        ('{"event": "nothing"}', "event"),
        ('{"data": {}}', "event"),
        ('{"event": "join_task_monitoring", "data": {"filter": {"stat": []}}}', "filter.stat"),
        ('{"event": "join_task_monitoring", "data": {"sort": "nothing"}}', "sort"),
        ('{"event": "join_task_monitoring", "data": {"limit": 1000}}', "limit"),
    ],
)
async def test_a_wrong_message_is_an_error_that_names_its_member_and_the_connection_goes_on(
    api: Api, text: str, field: Any
) -> None:
    async with socket(api.port) as client:
        await client.connection.send(text)
        event, data = await client.receive()
        assert (event, set(data), data["field"]) == ("error", {"type", "title", "detail", "field"}, field)
        await client.join()
        assert len(client.tasks) == 5


async def test_a_message_in_binary_is_read_like_text(api: Api) -> None:
    async with socket(api.port) as client:
        await client.connection.send(b'{"event": "join_task_monitoring"}')
        await client.until(lambda *_: client.kinds == ["snapshot"])
        await client.connection.send(b"\xff\xfe")
        await client.until(lambda event, _: event == "error")


async def test_equal_subscriptions_share_one_window(api: Api) -> None:
    async with socket(api.port) as first, socket(api.port) as second:
        await first.join(filter={"state": ["running", "failed"]})
        await second.join(filter={"state": ["failed", "running"]}, limit=100)
        assert len(api.services.hub._shown) == 1
        await api.writing.write(task("7"))
        for client in (first, second):
            await client.until(lambda *_, client=client: "s/7" in client.tasks)
        assert first.position == second.position


async def test_workers_are_pushed_when_they_change(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        await api.writing.write(workers=[Worker("w", "s", Engine.CELERY, WorkerState.ONLINE)])
        data = await client.until(lambda event, data: event == "task_updates" and data["workers"])
        assert [row["key"] for row in data["workers"]["upsert"]] == ["s/w"]


async def test_a_window_says_something_every_few_seconds(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        data = await client.until(lambda event, _: event == "task_updates", seconds=10)
        assert (data["kind"], data["upsert"], data["remove"]) == ("delta", [], [])


async def test_a_slow_client_is_told_to_join_again_and_does_not_slow_others(api: Api) -> None:
    async with socket(api.port) as slow, socket(api.port) as quick:
        for client in (slow, quick):
            await client.join(limit=500)
        slow.connection.transport.pause_reading()
        big = "x" * 150
        seen = 0
        while not api.services.hub.cuts:
            seen += 1
            await api.writing.write(
                *(task(str(n), args=big, kwargs=big, result=big, updated_at=1e9 + seen) for n in range(300))
            )
            await quick.until(lambda event, _: event == "task_updates", seconds=20)
        assert api.services.hub.clients == 1
        slow.connection.transport.resume_reading()
        await slow.until(lambda event, _: event == "resync", seconds=20)
        await slow.join(limit=500)
        assert slow.kinds[-1] == "snapshot"


async def test_a_cut_queue_holds_the_resync_alone() -> None:
    client = Client()
    assert all(client.offer("x") for _ in range(MAX_FRAMES))
    assert not client.offer("x")
    frames = client.frames()
    assert '"resync"' in await anext(frames)
    assert client.offer("y")
    assert await anext(frames) == "y"


async def test_a_page_of_another_site_may_not_open_the_socket(api: Api) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with socket(api.port, origin="https://evil.example"):
            pass
    assert caught.value.response.status_code == 403
    assert caught.value.response.headers["Content-Type"] == "application/problem+json"
    async with socket(api.port, origin=f"http://127.0.0.1:{api.port}") as client:
        await client.join()
    async with socket(api.port, origin="http://localhost:5173") as client:
        await client.join()


async def test_a_change_on_an_idle_api_goes_out_at_once_and_the_next_one_waits_for_the_interval(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, loop = api.services.hub, asyncio.get_running_loop()
    async with socket(api.port) as client:
        await client.join()
        await eventually(lambda: hub._next_at < loop.time() and not hub._changed.is_set(), what="the hub to be idle")
        monkeypatch.setattr("taskscope_api.hub.INTERVAL_SECONDS", 3.0)
        before = loop.time()
        await api.writing.write(task("first"))
        await client.until(lambda *_: "s/first" in client.tasks)
        first = loop.time() - before
        await api.writing.write(task("second"))
        await api.writing.write(task("third"))
        await client.until(lambda *_: "s/second" in client.tasks)
        assert "s/third" in client.tasks, "both came with one frame"
        assert first < 2.0 < loop.time() - before


async def test_a_disconnected_client_leaves_nothing_behind(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
    await eventually(lambda: api.services.hub.clients == 0)
    names = {running.get_name() for running in asyncio.all_tasks()}
    assert not names & {"push", "push-receive"}


async def test_who_joins_too_often_is_told_and_in_the_end_closed(api: Api) -> None:
    async with socket(api.port) as client:
        for _ in range(200):
            await client.send("join_task_monitoring", {"limit": 1})
        assert await closed(client) == 1008
    assert set(api.services.sockets.refused) <= {"too-many-joins", "too-many-messages"}
    await nothing_is_left(api)


async def test_a_message_that_is_too_large_closes_the_socket(api: Api) -> None:
    async with socket(api.port) as client:
        await client.join()
        await client.connection.send("x" * 70_000)
        assert await closed(client) == 1009
    await eventually(lambda: api.services.sockets.refused["message-too-large"] == 1)
    await nothing_is_left(api)


async def test_a_socket_whose_rights_end_is_closed_with_4401(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with socket(api.port) as client:
        await client.join()
        monkeypatch.setattr(api.services.access, "holds", lambda _: False)
        assert await closed(client) == 4401
    await nothing_is_left(api)


async def test_more_sockets_than_may_be_are_refused_with_a_problem(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services.sockets, "_limits", Push(connections_per_address=1))
    async with socket(api.port):
        with pytest.raises(InvalidStatus) as caught:
            async with socket(api.port):
                pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Content-Type"] == "application/problem+json"
    async with httpx.AsyncClient() as client:
        push = (await client.get(f"http://127.0.0.1:{api.port}/api/health")).json()["push"]
    assert push["refused"] == {"too-many-connections": 1}
    await nothing_is_left(api)


async def test_a_head_that_comes_too_slowly_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscope_api.http_protocol.HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET /api/tasks HTTP/1.1\r\nHost: x\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:taskscope:problem:request-timeout" in answer
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with asyncio.timeout(10):
        assert await reader.read() == b"", "nothing was begun: nothing is said"
    writer.close()


async def test_a_connection_that_answers_or_pushes_is_not_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscope_api.http_protocol.HEAD_SECONDS", 0.2)
    async with socket(api.port) as client, httpx.AsyncClient() as asking:
        await client.join()
        for _ in range(3):
            assert (await asking.get(f"http://127.0.0.1:{api.port}/livez")).status_code == 200
        await client.until(lambda event, _: event == "task_updates", seconds=10)


async def closed(client: Any) -> int:
    """The code that the server closes the socket with."""
    with pytest.raises(ConnectionClosed) as caught:
        await client.until(lambda *_: False)
    assert caught.value.rcvd is not None
    return int(caught.value.rcvd.code)


async def nothing_is_left(api: Api) -> None:
    """No client, no socket, no task of one."""
    await eventually(lambda: (api.services.hub.clients, api.services.sockets.open) == (0, 0), what="all sockets to be gone")
    await eventually(lambda: not {one.get_name() for one in asyncio.all_tasks()} & {"push", "push-receive"})

"""Socket.IO as the stock client of npm uses it, against a real server in this process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.access import Seeing
from support.api import task
from support.socketio_api import CLOCK, Api, running
from support.socketio_page import ONLY_CONNECT, THREE_LINES, page
from support.socketio_raw import raw
from support.waiting import eventually
from taskscope_api.asked import Scope
from taskscope_api.errors import ApiError
from taskscope_api.principals import Principal, Role
from taskscope_shared.model import State

TRANSPORTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "polling alone": {"transports": ["polling"]},
    "WebSocket alone": {"transports": ["websocket"]},
}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running() as made:
        yield made


def ids(body: dict[str, Any]) -> set[str]:
    return {row["id"] for row in body["tasks"]}


def failed(count: int) -> Any:
    return lambda body: body["summary"]["failed"] == count


# ------------------------------------------------------------------------------------------------------ the three lines


@pytest.mark.parametrize("options", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_three_lines_render_whole_snapshots_when_something_changed_and_each_five_seconds(
    api: Api, options: dict[str, Any]
) -> None:
    async with page(api.url, THREE_LINES, **options) as it:
        first = await it.until("rendered")
        async with raw(api.port) as client:
            body = (await client.http.get("/api/tasks/realtime")).json()
        assert set(first.data) == set(body)
        assert ids(first.data) == ids(body) == {"0", "1", "2", "3", "4", "theirs"}
        connected = await it.until("connected")
        assert connected.data["status"] == "connected"
        assert connected.data["timestamp"].endswith("Z")
        assert (await it.until("joined_room")).data == {"room": "task_monitoring", "status": "joined"}
        written_at = CLOCK.now()
        await api.writing.write(task("1", state=State.FAILED))
        changed = await it.until("rendered", failed(1))
        assert changed.at - written_at < 2.0
        seen = len(it.told)
        again = await it.until("rendered", since=seen)
        assert again.at - changed.at < 5.0
    assert [one.name for one in it.all("disconnect")] == []


async def test_changes_without_end_are_a_snapshot_a_second_and_no_more(api: Api) -> None:
    async with page(api.url) as it:
        await it.until("rendered")
        began, number = CLOCK.now(), 100
        while CLOCK.now() < began + 4.0:
            number += 1
            await api.writing.write(task(str(number), updated_at=CLOCK.now()))
            await asyncio.sleep(0.02)  # the pace of the collector's flushes
        await it.until("rendered", lambda body: str(number) in ids(body))
        times = [one.at for one in it.all("rendered")]
        assert 3 <= len(times) <= times[-1] - times[0] + 2  # both ends count, and one may have been held up on its way


async def test_one_snapshot_is_made_for_all_who_see_the_same(api: Api) -> None:
    snapshots = api.clients.snapshots
    async with page(api.url) as first, page(api.url, transports=["polling"]) as second:
        await asyncio.gather(first.until("rendered"), second.until("rendered"))
        made, sent = snapshots.made, snapshots.sent
        await api.writing.write(task("1", state=State.FAILED))
        await asyncio.gather(first.until("rendered", failed(1)), second.until("rendered", failed(1)))
        assert snapshots.sent - sent >= 2
        assert snapshots.made - made <= 2  # a heartbeat may fall in between
        assert (await api.health())["whole"] == 2


async def test_a_page_that_was_closed_is_forgotten(api: Api) -> None:
    async with page(api.url) as it:
        await it.until("rendered")
        assert (await api.health())["connections"] == 1
        await it.emit("close")
        await eventually(lambda: nobody_is_there(api))


async def nobody_is_there(api: Api) -> bool:
    health = await api.health()
    return (health["connections"], health["whole"]) == (0, 0)


# ------------------------------------------------------------------------------------------------------------- messages


async def test_who_asks_gets_one_snapshot_and_who_left_gets_no_more(api: Api) -> None:
    async with page(api.url, ONLY_CONNECT) as it:
        await it.until("connected")
        await it.emit("request_task_updates", None)
        assert (await it.until("answer")).data == {"status": "sent"}
        await it.until("rendered")
        await it.emit("join_task_monitoring", None)
        await it.until("answer", lambda data: data == {"room": "task_monitoring", "status": "joined"})
        await eventually(lambda: len(it.all("rendered")) >= 2)
        await it.emit("leave_task_monitoring")
        await it.until("answer", lambda data: data == {"status": "left"})
        assert (await api.health())["whole"] == 0


async def test_a_join_with_an_object_gives_the_windows_and_deltas_of_the_websocket(api: Api) -> None:
    async with page(api.url, ONLY_CONNECT) as it:
        await it.until("connected")
        await it.emit("join_task_monitoring", {"filter": {"source": ["s"]}, "limit": 3})
        assert (await it.until("answer")).data["status"] == "joined"
        snapshot = (await it.until("rendered")).data
        assert (snapshot["kind"], [row["id"] for row in snapshot["tasks"]], snapshot["total"]) == (
            "snapshot",
            ["4", "3", "2"],
            5,
        )
        await api.writing.write(task("9", updated_at=2e9))
        delta = (await it.until("rendered", lambda data: data["kind"] == "delta" and data["upsert"])).data
        assert ([row["key"] for row in delta["upsert"]], delta["remove"], delta["total"]) == (["s/9"], ["s/2"], 6)
        seen = len(it.told)
        await it.emit("request_task_updates")
        asked = await it.until("rendered", lambda data: data["kind"] == "snapshot", since=seen)
        assert [row["id"] for row in asked.data["tasks"]] == ["9", "4", "3"]
        await it.emit("join_task_monitoring", {"filter": {"state": ["failed"]}})
        await it.until("rendered", lambda data: data["kind"] == "snapshot" and data["total"] == 0)
        await it.emit("join_task_monitoring")
        await it.until("rendered", lambda data: "finished" in data)
        assert (await api.health())["whole"] == 1


@pytest.mark.parametrize(
    ("message", "kind", "field"),
    [
        (["make_coffee"], "unknown-event", "event"),
        (["join_task_monitoring", {"limit": 0}], "invalid-parameter", "limit"),
        (["join_task_monitoring", {"filter": {"stat": ["x"]}}], "invalid-message", "filter.stat"),
        (["join_task_monitoring", "everything"], "invalid-message", None),
        (["join_task_monitoring", {"since": 7}], "invalid-message", "since"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_message_is_an_error_event_and_the_acknowledgement_says_the_same(
    api: Api, message: list[Any], kind: str, field: str | None
) -> None:
    async with page(api.url, ONLY_CONNECT) as it:
        await it.until("connected")
        await it.emit(*message)
        told, answer = (await it.until("error")).data, (await it.until("answer")).data
        assert told["type"] == answer["type"] == f"urn:taskscope:problem:{kind}"
        assert (told["field"], answer.get("field"), answer["status"]) == (field, field, 400)
        await it.emit("join_task_monitoring", None)
        await it.until("rendered")


async def test_a_flood_of_joins_is_throttled_and_the_connection_goes_on(api: Api) -> None:
    async with page(api.url, ONLY_CONNECT, transports=["websocket"]) as it:
        await it.until("connected")
        for _ in range(60):
            await it.emit("join_task_monitoring")
        told = await it.until("error")
        assert told.data["type"] == "urn:taskscope:problem:too-many-messages"
        await eventually(lambda: len(it.all("answer")) == 60)
        assert (await api.health())["throttled"] >= 20
        assert it.all("disconnect") == []


# --------------------------------------------------------------------------------------------------------------- rights


class Fading:
    """Lets everybody view `s` who says the word, until `over`."""

    modes = ("token",)

    def __init__(self) -> None:
        self.over = False
        self.turned: list[str] = []

    def turned_away(self, scope: Scope, error: ApiError, asking: Principal | None) -> None:
        self.turned.append(f"{error} {scope['path']} {asking}")

    async def principal(self, scope: Scope) -> Principal | None:
        said = dict(scope["headers"]).get(b"authorization", b"")
        return Principal("somebody", Role.VIEWER, frozenset({"s"})) if said == b"Bearer swordfish" else None

    def holds(self, principal: Principal) -> bool:
        return principal.role is Role.VIEWER and not self.over


async def test_a_page_sees_its_own_sources_alone_in_snapshots_and_windows() -> None:
    async with running(Seeing("other")) as api, page(api.url) as it:
        whole = (await it.until("rendered")).data
        assert (ids(whole), whole["summary"]["total"], [row["name"] for row in whole["sources"]]) == (
            {"theirs"},
            1,
            ["other"],
        )
        await it.emit("join_task_monitoring", {})
        window = (await it.until("rendered", lambda data: "kind" in data)).data
        assert (ids(window), window["total"]) == ({"theirs"}, 1)


async def test_who_is_not_known_is_not_connected_and_told_why() -> None:
    async with running(Fading()) as api, page(api.url, auth={"token": "guess"}) as it:
        refused = (await it.until("connect_error")).data
        assert (refused["data"]["status"], refused["data"]["type"]) == (401, "urn:taskscope:problem:unauthenticated")
        assert it.all("connected") == []


async def test_a_token_may_come_as_auth_and_rights_that_end_end_the_connection() -> None:
    access = Fading()
    async with running(access) as api, page(api.url, auth={"token": "swordfish"}) as it:
        assert ids((await it.until("rendered")).data) == {"0", "1", "2", "3", "4"}
        access.over = True
        assert (await it.until("disconnect")).data == "io server disconnect"
        clients = api.clients
        await eventually(lambda: not clients.sessions.by_id)

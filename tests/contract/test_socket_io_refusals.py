"""What Socket.IO does not take: from whom, how much, and what is no packet at all. None of it ends more than its connection."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from support.access import Seeing
from support.api import task
from support.socketio_api import CLOCK, Api, running
from support.socketio_raw import raw
from support.waiting import eventually
from taskscope_api.hub import MAX_FRAMES, Hub
from taskscope_api.limits import MAX_BODY
from taskscope_api.socket_io import clients as watching
from taskscope_api.socket_io import sessions
from taskscope_api.socket_io.packets import MAX_PACKETS
from taskscope_api.socket_io.sessions import MESSAGES_AT_ONCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

FOREIGN = "https://elsewhere.example"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running() as made:
        yield made


def socket(api: Api, query: str = "EIO=4&transport=websocket", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{api.port}/socket.io/?{query}", compression=None, max_size=None, **options)


async def is_well(api: Api) -> bool:
    """Whether a client is connected as ever, and nothing of ours failed."""
    async with raw(api.port) as client:
        packets = await client.connect()
        assert packets[0].startswith("40{")
        await client.send("41")
    return bool((await api.health())["status"] == "ok")


def has_ended(api: Api, session: str) -> bool:
    return session not in api.clients.sessions.by_id


def skips_more(api: Api, than: int) -> bool:
    return api.clients.snapshots.skipped > than


def sends_more(hub: Hub, than: int) -> bool:
    return hub.sent > than


def kind_of(answer: httpx.Response) -> str:
    found: str = answer.json()["type"].removeprefix("urn:taskscope:problem:")
    return found


# -------------------------------------------------------------------------------------------------------------- origins


async def test_a_page_of_another_site_is_refused_on_either_transport(api: Api) -> None:
    async with raw(api.port, Origin=FOREIGN) as client:
        answer = await client.ask()
        assert (answer.status_code, kind_of(answer)) == (403, "foreign-origin")
        assert "access-control-allow-origin" not in answer.headers
    with pytest.raises(InvalidStatus) as caught:
        await socket(api, origin=FOREIGN)
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body)["field"] == "Origin"


async def test_a_page_of_another_site_may_not_speak_on_a_session_either(api: Api) -> None:
    async with raw(api.port) as ours, raw(api.port, Origin=FOREIGN) as theirs:
        await ours.open()
        theirs.sid = ours.sid
        assert (await theirs.send("40")).status_code == 403
        assert (await theirs.ask(sid=ours.sid)).status_code == 403


async def test_who_has_another_clients_session_can_neither_read_nor_speak_on_it_and_does_not_end_it() -> None:
    async with running(Seeing("s", named=True)) as api, raw(api.port, authorization="ada") as ada:
        await ada.connect()
        await ada.emit("join_task_monitoring")
        for headers in ({"authorization": "eve"}, {}):
            async with raw(api.port, **headers) as thief:
                thief.sid = ada.sid
                for answer in (await thief.ask(sid=ada.sid), await thief.send("41")):
                    assert (answer.status_code, answer.json()["code"]) == (400, 1)
            with pytest.raises(InvalidStatus):
                async with socket(api, f"EIO=4&transport=websocket&sid={ada.sid}", additional_headers=headers):
                    pass
        assert (await ada.until("task_updates")).data["tasks"]
        await ada.send("41")
        async with raw(api.port, authorization="eve") as thief:
            thief.sid = ada.sid
            assert (await thief.send("40")).status_code == 400, "she would be let in by the handshake of another"


async def test_a_session_whose_client_was_told_by_auth_is_gone_on_with_without_a_header() -> None:
    async with running(Seeing("s", named=True)) as api, raw(api.port) as client:
        await client.connect({"token": "ada"})
        await client.emit("join_task_monitoring")
        assert (await client.until("task_updates")).data["tasks"]


async def test_a_page_of_our_own_is_served_without_a_word_of_cors(api: Api) -> None:
    async with raw(api.port, Origin=api.url) as client:
        answer = await client.ask()
        assert answer.status_code == 200
        assert [name for name in answer.headers if name.startswith("access-control")] == []
        assert answer.headers["x-request-id"]


# ------------------------------------------------------------------------------------------------------------- requests


NONE: list[tuple[str, dict[str, str], int]] = [
    ("GET", {"transport": "carrier-pigeon"}, 0),
    ("GET", {"transport": "websocket"}, 3),
    ("GET", {"sid": "0123456789abcdef.x"}, 1),
    ("GET", {"sid": "nonsense"}, 1),
    ("POST", {"sid": "../../etc"}, 1),
    ("POST", {}, 2),
    ("GET", {"EIO": "3"}, 5),
    ("GET", {"j": "0"}, 3),
    ("GET", {"x": "y" * 3000}, 3),
]


async def test_a_request_that_is_none_is_answered_in_the_words_of_engine_io(api: Api) -> None:
    async with raw(api.port) as client:
        for method, query, code in NONE:
            answer = await client.ask(method, **query)
            assert (answer.status_code, answer.json()["code"]) == (400, code), query
            assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
        assert (await client.ask(x="ä")).status_code == 200  # a parameter that is nothing to us
    assert await is_well(api)


async def test_other_methods_are_not_allowed_and_options_has_no_body(api: Api) -> None:
    async with raw(api.port) as client:
        answer = await client.ask("DELETE")
        assert (answer.status_code, kind_of(answer), answer.headers["allow"]) == (
            405,
            "method-not-allowed",
            "GET, POST, OPTIONS",
        )
        options = await client.ask("OPTIONS")
        assert (options.status_code, options.content) == (204, b"")


async def test_a_message_that_is_too_large_is_refused_whatever_its_length_was_said_to_be(api: Api) -> None:
    large = "42" + json.dumps(["join_task_monitoring", {"filter": {"q": "x" * MAX_BODY}}])

    async def in_pieces() -> AsyncIterator[bytes]:
        yield large.encode()

    async with raw(api.port) as client:
        await client.connect()
        assert kind_of(await client.send(large)) == "body-too-large"
        unsaid = await client.http.post(
            "/socket.io/", params={"EIO": "4", "transport": "polling", "sid": client.sid}, content=in_pieces()
        )
        assert (unsaid.status_code, kind_of(unsaid)) == (413, "body-too-large")
    async with socket(api) as connection:
        await connection.recv()
        await connection.send(large)
        with pytest.raises(ConnectionClosed) as caught:
            await _silent(connection)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
    assert await is_well(api)


# -------------------------------------------------------------------------------------------------------------- garbage

GARBAGE = [
    "x",
    "",
    "9",
    "4",
    "4x",
    "42",
    "42[",
    "42{}",
    "42[]",
    "42[7]",
    "42[[1],2]",
    '42["connect",{"asgi.scope":{}}]',
    '42["disconnect"]',
    '451-["file",{"_placeholder":true,"num":0}]',
    "44{}",
    "47",
    "bAAEC",
    '42["a",' + "[" * 5000,
    "42" + "1" * 200 + '["a"]',
    "4{}",
    "\x1e\x1e",
    "\x1e".join(["3"] * 17),
    "2",
    "6",
    '0{"sid":"x"}',
    "d=42",
]
"""Of a client that was let in."""


async def test_garbage_ends_its_connection_and_no_other(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    for count, packet in enumerate(GARBAGE, start=1):
        async with raw(api.port) as client:
            await client.connect()
            await client.send(packet)
            await eventually(partial(has_ended, api, client.sid), what=f"the end after {packet!r:.50}")
        assert api.clients.sessions.counts.garbage == count
    assert await is_well(api)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_garbage_ends_a_websocket_and_no_other(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    alone = [packet for packet in GARBAGE if "\x1e" not in packet]  # the others are of several packets: a WebSocket has none
    for count, packet in enumerate(alone, start=1):
        async with socket(api) as connection:
            await connection.recv()
            await connection.send("40")
            await connection.recv()
            await connection.send(packet)
            with pytest.raises(ConnectionClosed):
                await _silent(connection)
        assert api.clients.sessions.counts.garbage == count
    assert await is_well(api)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_what_is_a_packet_but_makes_no_sense_is_let_pass(api: Api) -> None:
    async with raw(api.port) as client:
        await client.connect()
        for packet in ("40/admin,", '42/admin,["x"]', "3", "3probe", "43[]", "431[]", "5", "41"):
            assert (await client.send(packet)).status_code == 200, packet
    assert await is_well(api)


async def test_bytes_are_no_message(api: Api) -> None:
    async with socket(api) as connection:
        await connection.recv()
        await connection.send(b"\x00\x01")
        with pytest.raises(ConnectionClosed):
            await _silent(connection)
    assert await is_well(api)


async def _silent(connection: ClientConnection) -> None:
    """Read until the connection ends."""
    async with asyncio.timeout(15):
        while True:
            await connection.recv()


# --------------------------------------------------------------------------------------------------------------- bounds


async def test_one_connection_too_many_is_told_to_come_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_OF_ADDRESS", 2)
    async with raw(api.port) as first, raw(api.port) as second, raw(api.port) as third:
        await first.open()
        await second.open()
        answer = await third.ask()
        assert (answer.status_code, kind_of(answer)) == (503, "too-many-connections")
        assert answer.headers["retry-after"]
        with pytest.raises(InvalidStatus) as caught:
            await socket(api)
        assert caught.value.response.status_code == 503
        await first.send("1")
        await eventually(lambda: first.sid not in api.clients.sessions.by_id)
        await third.open()
    assert (await api.health())["refused"] == 2


async def test_a_session_on_which_nobody_is_let_in_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "ADMITTED_SECONDS", 0.2)
    async with raw(api.port) as client:
        await client.open()
        await eventually(lambda: not api.clients.sessions.by_id)
        answer = await client.ask(sid=client.sid)
        assert answer.status_code in (200, 400)  # what waited for it, or that nobody knows it


async def test_two_polls_at_once_end_the_session(api: Api) -> None:
    async with raw(api.port) as client:
        await client.connect()
        polls = await asyncio.gather(client.ask(sid=client.sid), client.ask(sid=client.sid))
        assert sorted(answer.status_code for answer in polls) == [200, 400]
        assert client.sid not in api.clients.sessions.by_id


async def test_a_client_that_leaves_in_the_middle_of_a_poll_is_gone(api: Api) -> None:
    async with raw(api.port) as client:
        await client.connect()
        polling = asyncio.create_task(client.ask(sid=client.sid))
        await eventually(lambda: api.clients.sessions.by_id[client.sid].is_polling)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await eventually(lambda: not api.clients.sessions.by_id)


async def test_a_client_that_does_not_poll_is_skipped_and_gets_the_newest_when_it_does(api: Api) -> None:
    async with raw(api.port) as client:
        await client.connect()
        await client.emit("join_task_monitoring")
        snapshots = api.clients.snapshots
        for number in range(10, 13):
            await api.writing.write(task(str(number), updated_at=CLOCK.now()))
            await eventually(partial(skips_more, api, snapshots.skipped))
        queue = api.clients.server.queue(client.sid)
        assert queue is not None
        assert queue.qsize() <= 4  # connected, joined_room, an acknowledgement of nothing, one snapshot
        await client.until("task_updates")
        assert "12" in {row["id"] for row in (await client.until("task_updates")).data["tasks"]}
        assert (await api.health())["skipped"] >= 3


async def test_a_window_of_a_client_that_does_not_poll_is_cut_with_resync_and_counted(api: Api) -> None:
    async with raw(api.port) as client:
        await client.connect()
        await client.emit("join_task_monitoring", {})
        hub = api.clients._services.hub
        number = 0
        while hub.cuts == 0:
            number += 1
            sent = hub.sent
            await api.writing.write(task(str(number), updated_at=CLOCK.now()))
            await eventually(partial(sends_more, hub, sent))
        assert number <= MAX_FRAMES + 2
        queue = api.clients.server.queue(client.sid)
        assert queue is not None
        assert queue.qsize() <= 4
        assert "join again" in (await client.until("resync")).data["reason"]
        await client.emit("join_task_monitoring", {})
        snapshot = await client.until("task_updates")
        assert str(number) in {row["id"] for row in snapshot.data["tasks"]}


async def test_a_client_that_speaks_without_listening_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.1)
    async with raw(api.port) as client:
        await client.connect()
        for _ in range(MAX_PACKETS // 16 + 1):
            await client.send(*['421["leave_task_monitoring"]'] * 16)
        await eventually(lambda: not api.clients.sessions.by_id)
    health = await api.health()
    assert health["overfull"] == 1
    assert health["throttled"] >= MAX_PACKETS - MESSAGES_AT_ONCE


# ------------------------------------------------------------------------------------------------------------------ log


async def test_polls_are_logged_at_debug_and_refusals_are_not_hidden(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "taskscope_api.access")
    async with raw(api.port) as client:
        await client.connect()
        await client.ask(sid="0123456789abcdef.x")
    records = [record for record in caplog.records if record.name == "taskscope_api.access"]
    levels = {(record.levelno, record.__dict__["status"]) for record in records}
    assert levels == {(logging.DEBUG, 200), (logging.INFO, 400)}
    assert {record.__dict__["route"] for record in records} == {"/socket.io/"}
    assert {record.__dict__["principal"] for record in records} >= {"anonymous"}
    assert client.sid not in caplog.text

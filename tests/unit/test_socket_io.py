"""Parts of Socket.IO alone: whom a replica believes, where it says that it is, and what a client may say."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import eventually
from taskscope_api.frames import frame
from taskscope_api.socket_io.address import advertised
from taskscope_api.socket_io.clients import with_token
from taskscope_api.socket_io.engine import COMPLAINT_SECONDS, Complaints, is_message
from taskscope_api.socket_io.neighbours import HEADER, KNOWN_SECONDS, Neighbours
from taskscope_api.socket_io.packets import MAX_PACKETS, MAX_SHARED, Packets, SharedPackets, event_packet
from taskscope_api.socket_io.sessions import MESSAGES_AT_ONCE, Session
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Api, SettingsError, load
from taskscope_shared.testing import MemoryReplicas

URL = "http://10.0.0.1:5051"


async def announced(replicas: MemoryReplicas, clock: ManualClock, url: str | None = URL) -> Neighbours:
    made = Neighbours(replicas, url, clock)
    running = asyncio.create_task(made.run())
    if url is not None:
        await eventually(lambda: made._secrets)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if url is not None:
        await replicas.announce(made.id, url)  # as if it still ran
    return made


def request(query: bytes = b"EIO=4&sid=x", address: str = "192.0.2.7", **fields: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "query_string": query, "headers": [], "client": (address, 4711), **fields}


# ----------------------------------------------------------------------------------------------------------- neighbours


async def test_a_replica_finds_another_by_the_sessions_id_and_not_itself() -> None:
    clock = ManualClock()
    replicas = MemoryReplicas(clock)
    one, other = await announced(replicas, clock), await announced(replicas, clock, "http://10.0.0.2:5051")
    assert one.owner_of(f"{one.id}.abc") is None
    assert one.owner_of(f"{other.id}.abc") == other.id
    assert await one.url_of(other.id) == "http://10.0.0.2:5051"


@pytest.mark.parametrize(
    "session", ["", ".", "x.y", "10.0.0.9:80.x", "0123456789ABCDEF.x", "0123456789abcdef0.x", "../../secret.x"]
)
async def test_what_is_no_id_of_a_replica_is_looked_up_nowhere(session: str) -> None:
    assert Neighbours(MemoryReplicas(ManualClock()), URL, ManualClock()).owner_of(session) is None


async def test_what_was_looked_up_is_forgotten_soon_and_at_once_when_it_does_not_answer() -> None:
    clock = ManualClock()
    replicas = MemoryReplicas(clock)
    one, other = await announced(replicas, clock), await announced(replicas, clock)
    assert await one.url_of(other.id) == URL
    await replicas.withdraw(other.id)
    assert await one.url_of(other.id) == URL
    clock.advance(KNOWN_SECONDS)
    assert await one.url_of(other.id) is None
    await replicas.announce(other.id, URL)
    one.forget(other.id)
    assert await one.url_of(other.id) == URL


async def test_a_signed_request_has_the_address_of_its_client_and_none_other_is_believed() -> None:
    clock = ManualClock()
    replicas = MemoryReplicas(clock)
    one, other = await announced(replicas, clock), await announced(replicas, clock)
    signed = one.signed(request())
    passed_on = request(address="10.0.0.1", headers=[(HEADER, signed)])
    assert other.came_from(passed_on) is True
    assert passed_on["client"] == ("192.0.2.7", 0)
    assert other.came_from(request()) is None
    stranger = await announced(MemoryReplicas(clock), clock)
    forged = (
        [(HEADER, stranger.signed(request()))],
        [(HEADER, b"192.0.2.7")],
        [(HEADER, signed.replace(b"192.0.2.7", b"192.0.2.8"))],
        [(HEADER, b"\xff \xff")],
        [(HEADER, b"")],
    )
    for headers in forged:
        asking = request(headers=headers)
        assert other.came_from(asking) is False
        assert asking["client"] == ("192.0.2.7", 4711)
    assert other.came_from(request(b"EIO=4&sid=y", headers=[(HEADER, signed)])) is False
    assert other.came_from(request(method="POST", headers=[(HEADER, signed)])) is False


async def test_who_is_alone_believes_nobody_and_finds_nobody() -> None:
    alone = Neighbours(None, None, ManualClock())
    await alone.run()
    assert alone.came_from(request(headers=[(HEADER, b"192.0.2.7 0")])) is False
    assert await alone.url_of("0123456789abcdef") is None


# -------------------------------------------------------------------------------------------------------------- address


@pytest.mark.parametrize(
    ("api", "url"),
    [
        (Api(), "http://127.0.0.1:5051"),
        (Api(host="10.0.0.3", port=80), "http://10.0.0.3:80"),
        (Api(host="::1"), "http://[::1]:5051"),
        (Api(host="localhost"), "http://localhost:5051"),
        (Api(port=0), None),
        (Api(port=0, advertise="http://api-0.api:5051/"), "http://api-0.api:5051"),
    ],
    ids=str,
)
def test_a_replica_advertises_where_it_listens_or_what_was_said(api: Api, url: str | None) -> None:
    assert advertised(api) == url


def test_who_listens_everywhere_advertises_an_address_that_others_can_reach() -> None:
    url = advertised(Api(host="0.0.0.0"))
    assert url is None or (url.startswith("http://") and "0.0.0.0" not in url)


@pytest.mark.parametrize("url", ["api:5051", "https://api", "http://user:word@api", "http://api/path", "http://api?x"])
def test_a_url_that_cannot_be_advertised_is_a_problem_of_the_settings(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {"api": {"advertise": url}}, {})
    assert [problem.path for problem in caught.value.problems] == ["api.advertise"]


# ------------------------------------------------------------------------------------------------------------- messages


def test_one_packet_is_shared_by_all_who_get_a_frame_and_few_are_remembered() -> None:
    shared = SharedPackets()
    text = frame("task_updates", {"kind": "delta", "name": 'quo"te'})
    packet = shared.of(text)
    assert packet.encode() == '42["task_updates",{"kind":"delta","name":"quo\\"te"}]'
    assert shared.of(text) is packet
    for number in range(MAX_SHARED):
        shared.of(frame("task_updates", number))
    assert shared.of(text) is not packet


def test_a_queue_has_an_end_but_always_takes_the_one_of_the_connection() -> None:
    queue = Packets()
    packet = event_packet("a", "1")
    for _ in range(MAX_PACKETS):
        queue.put_nowait(packet)
    assert not queue.overfull
    queue.put_nowait(packet)
    queue.put_nowait(None)
    assert (queue.overfull, queue.qsize(), queue.holds(packet), queue.holds(None)) == (True, MAX_PACKETS + 1, True, False)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.dictionaries(st.text(), st.integers())))
def test_whatever_comes_is_a_message_or_not_and_never_an_error(data: object) -> None:
    assert is_message(data) in (True, False)


@pytest.mark.parametrize(
    "data", ["0", '0{"token":"x"}', '2["join_task_monitoring"]', '27["join_task_monitoring",{}]', '2/x,["a"]'], ids=str
)
def test_connects_and_events_with_a_name_are_messages(data: object) -> None:
    assert is_message(data)


@pytest.mark.parametrize("data", ['2["connect",{}]', '2[["connect"]]', '2["disconnect"]', "2", "5", {"a": 1}, b"2"], ids=str)
def test_an_event_without_a_name_or_with_one_of_the_librarys_is_none(data: object) -> None:
    assert not is_message(data)


def test_a_client_may_say_so_much_at_once_and_so_much_in_time() -> None:
    session = Session("x", "192.0.2.7", {}, 100.0)
    assert [session.may_speak(100.0) for _ in range(MESSAGES_AT_ONCE + 1)] == [True] * MESSAGES_AT_ONCE + [False]
    assert [session.may_speak(100.2) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ({"token": "swordfish"}, [(b"authorization", b"Bearer swordfish")]),
        ({"token": "two\nlines"}, []),
        ({"token": "ä"}, []),
        ({"token": 7}, []),
        ({}, []),
        ("swordfish", []),
        (None, []),
    ],
    ids=str,
)
def test_a_token_of_the_client_is_its_authorization(auth: object, headers: list[tuple[bytes, bytes]]) -> None:
    assert with_token(request(), auth)["headers"] == headers


def test_a_header_comes_before_a_token() -> None:
    scope = request(headers=[(b"authorization", b"Bearer its-own")])
    assert with_token(scope, {"token": "another"})["headers"] == [(b"authorization", b"Bearer its-own")]


def test_what_raises_in_the_library_is_logged_once_a_minute_and_nothing_else_of_what_it_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    complaints = Complaints(clock)
    complaints.info("%s: Received packet %s data %s", "a-session", "MESSAGE", "swordfish")
    complaints.error("Invalid session a-session")
    for _ in range(3):
        complaints.exception("message handler error")
    clock.advance(COMPLAINT_SECONDS)
    complaints.exception("message handler error")
    assert complaints.count == 5
    assert len(caplog.records) == 2
    assert "session" not in caplog.text

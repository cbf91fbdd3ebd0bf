"""How many sockets there may be, what each may say, and when one is closed."""

import pytest
from taskscope_api.clients import MAX_CHARACTERS, MAX_FRAMES, Client
from taskscope_api.errors import ApiError
from taskscope_api.frames import frame
from taskscope_api.principals import OpenAccess, Principal, Role
from taskscope_api.sockets import JOIN_SECONDS, MAX_REFUSED, POLICY, RIGHTS_ENDED, SEND_SECONDS, Allowance, Sockets, Watched
from taskscope_api.ws_protocol import wire
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Push

ANYBODY = Principal("anybody", Role.VIEWER)


class Ends:
    """Remembers how a socket was closed."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def __call__(self, code: int, reason: str) -> None:
        self.told.append((code, reason))


class FakeOutlet:
    """`ws_protocol.Outlet`, whose other end reads when the test says so."""

    def __init__(self) -> None:
        self.is_free = True
        self.written = b""
        self.sent_bytes = 0
        self.fault: str | None = None
        self.call = lambda: None

    def write(self, data: bytes) -> None:
        assert self.is_free, "it was told that nothing more is taken"
        self.written += data

    def when_free(self, call: object) -> None:
        self.call = call  # type: ignore[assignment]

    def end(self, code: int, reason: str) -> None:
        self.written += f"{code} {reason}".encode()

    def read(self) -> None:
        self.is_free = True
        self.call()


class Ending(OpenAccess):
    """Rights that end when the test says so."""

    ended: frozenset[str] = frozenset()

    def holds(self, principal: Principal) -> bool:
        return principal.name not in self.ended


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(sockets: Sockets, address: str = "1.2.3.4", asking: Principal = ANYBODY) -> tuple[Watched, Ends]:
    ends = Ends()
    return sockets.enter(Client(), asking, address, ends), ends


def test_sockets_are_few_in_all_and_of_one_address(clock: ManualClock) -> None:
    sockets = Sockets(Push(connections=3, connections_per_address=2), OpenAccess(), clock)
    first, _ = opened(sockets)
    opened(sockets)
    with pytest.raises(ApiError) as of_address:
        opened(sockets)
    opened(sockets, "5.6.7.8")
    with pytest.raises(ApiError) as in_all:
        opened(sockets, "9.9.9.9")
    assert (of_address.value.problem.status, in_all.value.problem.status) == (429, 503)
    assert sockets.refused == {"too-many-connections": 2}
    sockets.leave(first)
    opened(sockets)
    assert sockets.open == 3


def test_ten_joins_at_once_and_then_two_a_second(clock: ManualClock) -> None:
    watched, _ = opened(Sockets(Push(), OpenAccess(), clock))
    for _ in range(10):
        watched.join(clock.monotonic())
    with pytest.raises(ApiError) as caught:
        watched.join(clock.monotonic())
    assert caught.value.problem.type.endswith(":too-many-joins")
    clock.advance(1.0)
    watched.join(clock.monotonic())
    watched.join(clock.monotonic())
    with pytest.raises(ApiError):
        watched.join(clock.monotonic())


def test_who_goes_on_joining_is_closed(clock: ManualClock) -> None:
    watched, ends = opened(Sockets(Push(), OpenAccess(), clock))
    for number in range(10 + MAX_REFUSED):
        assert ends.told == [], number
        if number >= 10:
            with pytest.raises(ApiError):
                watched.join(clock.monotonic())
        else:
            watched.join(clock.monotonic())
    with pytest.raises(ApiError):
        watched.join(clock.monotonic())
    assert ends.told == [(POLICY, "too many joins")]


def test_messages_have_a_rate_too(clock: ManualClock) -> None:
    watched, _ = opened(Sockets(Push(messages_per_second=1), OpenAccess(), clock))
    for _ in range(5):
        watched.hear(clock.monotonic())
    with pytest.raises(ApiError, match="too many messages"):
        watched.hear(clock.monotonic())


def test_an_allowance_never_saves_up_more_than_its_burst() -> None:
    allowance = Allowance(2.0, 0.0)
    assert sum(allowance.take(1e6) for _ in range(50)) == 10


def test_a_socket_whose_rights_ended_is_closed_and_no_other(clock: ManualClock) -> None:
    access = Ending()
    sockets = Sockets(Push(), access, clock)
    first, ends = opened(sockets)
    _, others = opened(sockets, asking=Principal("another", Role.VIEWER))
    first.joined = True
    sockets.look()
    assert ends.told == []
    access.ended = frozenset({"anybody"})
    sockets.look()
    assert ([code for code, _ in ends.told], others.told) == ([RIGHTS_ENDED], [])
    assert sockets.refused == {"rights-ended": 1}


def test_a_socket_that_never_joins_is_closed(clock: ManualClock) -> None:
    sockets = Sockets(Push(), OpenAccess(), clock)
    _, silent = opened(sockets)
    joined, talking = opened(sockets)
    joined.join(clock.monotonic())
    clock.advance(JOIN_SECONDS - 1)
    sockets.look()
    assert silent.told == []
    clock.advance(1)
    sockets.look()
    assert (silent.told, talking.told) == ([(POLICY, "nothing was joined")], [])


def test_a_client_that_takes_nothing_is_closed_and_one_that_is_slow_is_not(clock: ManualClock) -> None:
    sockets = Sockets(Push(), OpenAccess(), clock)
    watched, ends = opened(sockets)
    watched.joined = True
    watched.client.offer("x")
    for _ in range(4):
        sockets.look()
        clock.advance(SEND_SECONDS - 1)
        watched.client.taken += 1
    assert ends.told == []
    sockets.look()
    clock.advance(SEND_SECONDS)
    sockets.look()
    assert ends.told == [(POLICY, "nothing was read")]


def test_frames_are_written_at_once_and_wait_while_nothing_is_taken() -> None:
    outlet = FakeOutlet()
    client = Client(outlet)
    client.offer("a")
    outlet.is_free = False
    client.offer("b")
    client.offer("c")
    assert (outlet.written, client.waiting) == (wire(b"a"), 2)
    outlet.read()
    assert (outlet.written, client.waiting, client.taken) == (wire(b"a") + wire(b"b") + wire(b"c"), 0, 3)


@pytest.mark.parametrize(("text", "count"), [("x", MAX_FRAMES), ("x" * (MAX_CHARACTERS // 4), 4)])
def test_a_client_that_takes_nothing_is_cut_to_one_resync(text: str, count: int) -> None:
    outlet = FakeOutlet()
    client = Client(outlet)
    outlet.is_free = False
    assert all(client.offer(text) for _ in range(count))
    assert not client.offer(text)
    assert (client.waiting, client.cuts) == (1, 1)
    outlet.read()
    assert b'"resync"' in outlet.written
    assert client.offer("y")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_of_the_wire_has_its_length_in_front(size: int) -> None:
    sent = wire(b"x" * size)
    head = len(sent) - size
    assert (sent[0], sent[head:]) == (0x81, b"x" * size)
    assert head == (2 if size < 126 else 4 if size < 65_536 else 10)
    assert int.from_bytes(sent[2:head]) == size if head > 2 else sent[1] == size


def test_a_message_is_encoded_once_for_all() -> None:
    message = frame("event", {"text": "ü"})
    assert message.wire is message.wire
    assert message.wire.endswith(message.encode())

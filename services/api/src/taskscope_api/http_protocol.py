"""uvicorn's HTTP on one connection, but for what it answers to bytes that are no request: a problem, like every other error.

And it does not wait for ever: whoever sends a request's head letter by letter would hold a connection with each.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from taskscope_api.asked import ID_HEADER, SCOPE_KEY, Asked, request_id
from taskscope_api.errors import MEDIA_TYPE, encode, problem
from taskscope_api.limits import MAX_HEADER_BYTES, MAX_URL

MAX_HEAD = MAX_HEADER_BYTES + MAX_URL + 16 * 1024
"""Bytes of a request's first line and headers that are waited for; what fits but is too much gets an answer of `limits`."""


HEAD_SECONDS = 15.0
"""For a request's first line and headers, from its first byte, or from when the connection was made."""


UPGRADES_A_PASS = 8
"""WebSockets that are opened in one pass of the event loop, some 8 ms: what is asked meanwhile waits for a few passes."""


class Upgrades:
    """Opens WebSockets a few at a time: after a restart a thousand browsers come at once, and requests come between them."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_opening = False

    def add(self, opened: Callable[[], None]) -> None:
        """Call it when its turn comes."""
        self._waiting.append(opened)
        if not self._is_opening:
            self._is_opening = True
            asyncio.get_running_loop().call_soon(self._open)

    def _open(self) -> None:
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._open)
        self._is_opening = bool(self._waiting)
        for _ in range(min(UPGRADES_A_PASS, len(self._waiting))):
            self._waiting.popleft()()


class HttpProtocol(H11Protocol):
    """One connection. `upgrades` is shared by all of a server."""

    upgrades: Upgrades
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that has begun, and no longer for one that is there."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._head_timer is None:
            self._await_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The head is there; the WebSocket is opened when its turn comes."""
        self._head_came()
        self.transport.pause_reading()
        self.upgrades.add(partial(self._upgrade, event))

    def _upgrade(self, event: h11.Request) -> None:
        if self.transport.is_closing():
            return
        early = self.conn.trailing_data[0]  # a client should have waited for the answer
        super().handle_websocket_upgrade(event)
        if early and not self.transport.is_closing():
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(early)
        self.transport.resume_reading()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        """The head did not come in time: 408, and close; without a word where nothing came at all."""
        self._head_timer = None
        if self.conn.trailing_data[0] and not self._is_answering():
            why = f"a request's head has to be here within {HEAD_SECONDS:g} s"
            self.transport.write(_answer(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", why))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer and close: 431 for a head that does not end, else 400. Called while what h11 refused is handled."""
        if not self._is_answering():
            error = sys.exc_info()[1]
            self.transport.write(_refusal(str(error) or msg, getattr(error, "error_status_hint", HTTPStatus.BAD_REQUEST)))
        self.transport.close()

    def shutdown(self) -> None:
        """Called when the server ends: answers that have no end of their own end now, others have their time."""
        super().shutdown()
        cycle: RequestResponseCycle | None = self.cycle
        asked: Asked | None = None if cycle is None else cycle.scope.get(SCOPE_KEY)  # type: ignore[assignment]  # a TypedDict without our key
        if asked is not None and asked.end is not None:
            asked.end()

    def _is_answering(self) -> bool:
        """Whether an answer is under way, which another must not break into."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete


def http_protocol() -> type[HttpProtocol]:
    """The protocol of one server."""
    return type("HttpProtocol", (HttpProtocol,), {"upgrades": Upgrades()})


def _refusal(why: str, hint: int) -> bytes:
    detail = f"this is no HTTP request: {why[:200]}"
    if hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return _answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", detail)
    return _answer(HTTPStatus.BAD_REQUEST, "invalid-request", detail)


def _answer(status: HTTPStatus, kind: str, detail: str) -> bytes:
    made = request_id(())
    body = encode(problem(status, kind, detail), made)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        f"{ID_HEADER.lower()}: {made}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body

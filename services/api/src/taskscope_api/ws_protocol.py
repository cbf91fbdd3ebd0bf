"""uvicorn's WebSocket on one connection, with a short way for frames that are ready: the same bytes go to many clients.

A server's frames are not masked, so header and text are one for all who look at a window. They are written to the transport at
once while it takes them; asyncio tells when it does not (`pause_writing`), and then its owner holds them back.
"""

import socket
from asyncio import BaseTransport
from collections.abc import Callable
from typing import Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

OUTLET = "taskscope.outlet"
"""The ASGI scope's extension that is an `Outlet`."""
FAULTS = {CloseCode.MESSAGE_TOO_BIG: "message-too-large", CloseCode.INVALID_DATA: "invalid-text"}
"""Kinds of what a socket is closed for by the protocol itself; anything else is an `invalid-frame`."""
KERNEL_BYTES = 256 * 1024
"""The kernel's buffer of one socket, which would grow to 4 MB and counts as the container's memory: some large frames."""
MAX_FRAGMENTS = 256
"""Of one message: empty ones cost nobody's `ws_max_size`."""


class Outlet(Protocol):
    """Where frames of one WebSocket are written without waiting."""

    @property
    def is_free(self) -> bool:
        """Whether the socket is open and takes more."""
        ...

    def write(self, data: bytes) -> None:
        """Write whole frames of the wire. Never waits; what the kernel does not take is kept, so look at `is_free` before."""
        ...

    def when_free(self, call: Callable[[], None] | None) -> None:
        """Call `call` each time the socket takes more again."""
        ...

    def end(self, code: int, reason: str) -> None:
        """Close the socket now; one that takes nothing is cut."""
        ...

    @property
    def sent_bytes(self) -> int:
        """Of all that was written."""
        ...

    @property
    def fault(self) -> str | None:
        """What the client broke of the protocol, if anything: the kind of a problem."""
        ...


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection; an `Outlet`."""

    fault: str | None = None
    sent_bytes = 0
    _is_paused = False
    _when_free: Callable[[], None] | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Bound what the kernel holds for a client that reads slowly, too."""
        super().connection_made(transport)
        if (connection := transport.get_extra_info("socket")) is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Offer the outlet to the application."""
        super().handle_connect(event)
        if not self.close_sent:  # else the request was refused
            cast("dict[str, Any]", self.scope["extensions"])[OUTLET] = self

    def handle_parser_exception(self) -> None:
        """Remember why the connection ends."""
        close = self.conn.close_sent
        self.fault = "invalid-frame" if close is None else FAULTS.get(CloseCode(close.code), "invalid-frame")
        super().handle_parser_exception()

    def handle_cont(self, event: Frame) -> None:
        """Refuse a message of too many fragments."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        else:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {MAX_FRAGMENTS} fragments")

    def send_receive_event_to_app(self) -> None:
        """Refuse a text that is none; uvicorn would log a traceback, and fail where a close follows."""
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self._fail(CloseCode.INVALID_DATA, "a text has to be UTF-8")
        else:
            super().send_receive_event_to_app()

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        if not self.close_sent and self.conn.state is State.OPEN:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    @property
    def is_free(self) -> bool:
        """Whether the socket is open and takes more."""
        return not self._is_paused and self.handshake_complete and not self.close_sent and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write whole frames."""
        self.sent_bytes += len(data)
        self.transport.write(data)

    def when_free(self, call: Callable[[], None] | None) -> None:
        """Call `call` each time the socket takes more again."""
        self._when_free = call

    def pause_writing(self) -> None:
        """The transport holds as much as it should."""
        self._is_paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._is_paused = False
        super().resume_writing()
        if self._when_free is not None:
            self._when_free()

    def end(self, code: int, reason: str) -> None:
        """Close the socket now, with the code, or cut it when it takes nothing."""
        if self.disconnected or self.close_sent:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.stop_keepalive()
        if not self.is_free:
            self.transport.abort()
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def wire(payload: bytes) -> bytes:
    """A text frame of the wire as a server sends it: final, not masked (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 65_536:
        head = b"\x81\x7e" + size.to_bytes(2)
    else:
        head = b"\x81\x7f" + size.to_bytes(8)
    return head + payload

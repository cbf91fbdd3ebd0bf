"""python-socketio's server, but for what it leaves open: ids that name their replica, queues with an end, garbage that ends
its connection instead of filling the log, and sessions that are told of.
"""

import logging
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

import engineio
import msgspec
import socketio
from engineio.packet import Packet
from taskscope_shared.clock import Clock

from taskscope_api.limits import MAX_BODY
from taskscope_api.socket_io.packets import Packets

logger = logging.getLogger(__name__)

NAMESPACE = "/"
ID_BYTES = 18
COMPLAINT_SECONDS = 60.0
RESERVED = ("connect", "disconnect")
"""Names of handlers that the library would call for events of clients, too."""
BAD = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What the library's decoder raises at what is no packet."""
Environ = dict[str, Any]


class Listener(Protocol):
    """Is told of connections."""

    def came(self, session: str, scope: Mapping[str, Any]) -> None:
        """An Engine.IO session began with the request of that ASGI scope."""
        ...

    def gone(self, session: str) -> None:
        """It ended."""
        ...

    async def admitted(self, session: str) -> None:
        """Its client knows that it is connected."""
        ...

    async def garbage(self, session: str) -> None:
        """Its client sent what is no packet."""
        ...


class Complaints:
    """A logger for the library, whose own lines repeat what clients sent, and the names of their sessions, which are secrets.

    All is counted. What raised in it is told, once a minute, with its traceback.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_at: float | None = None
        self.count = 0

    def info(self, *_: object, **__: object) -> None:
        """Each packet: not told."""

    debug = warning = info

    def error(self, *_: object, **__: object) -> None:
        """A request that the library did not take."""
        self.count += 1

    def exception(self, *_: object, **__: object) -> None:
        """Something raised."""
        self.count += 1
        now = self._clock.monotonic()
        if self._told_at is None or now - self._told_at >= COMPLAINT_SECONDS:
            self._told_at = now
            logger.error("python-socketio failed (%d complaints so far)", self.count, exc_info=True)  # noqa: LOG014 - the library calls this while it handles what was raised


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # it has no types
    """Engine.IO, the layer of transports and sessions."""

    replica = ""

    def generate_id(self) -> str:
        """A session's name: that of its replica, and what nobody can guess."""
        return f"{self.replica}.{secrets.token_urlsafe(ID_BYTES)}"

    def create_queue(self, *_: object, **__: object) -> Packets:
        """For one client."""
        return Packets()

    async def end(self, session: str) -> None:
        """Close the session for good, without waiting for its client to take notice."""
        socket = self.sockets.get(session)
        if socket is not None:
            await socket.close(wait=False, abort=False)
            socket.queue.put_nowait(None)  # ends the writer of a WebSocket, which closes it


class Server(socketio.AsyncServer):  # type: ignore[misc]  # it has no types
    """Socket.IO, the layer of namespaces and events. Handlers run one after the other for each client."""

    def __init__(self, replica: str, clock: Clock, listener: Listener) -> None:
        self.complaints = Complaints(clock)
        super().__init__(
            async_mode="asgi",
            async_handlers=False,
            logger=self.complaints,
            engineio_logger=self.complaints,
            cors_allowed_origins=[],  # our own check comes before
            http_compression=False,
            max_http_buffer_size=MAX_BODY,
        )
        self.eio.replica = replica
        self._listener = listener

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _handle_eio_connect(self, eio_sid: str, environ: Environ) -> None:
        """Keep of the request what tells who asked: all else of it would be held as long as the session."""
        scope = environ["asgi.scope"]
        await super()._handle_eio_connect(eio_sid, {"asgi.scope": scope})
        self._listener.came(eio_sid, scope)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        self._listener.gone(eio_sid)

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        """Hand one message on, unless it is none that we take: there are no attachments here."""
        if is_message(data):
            try:
                await super()._handle_eio_message(eio_sid, data)
            except BAD:
                await self._listener.garbage(eio_sid)
        else:
            await self._listener.garbage(eio_sid)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: object) -> None:
        await super()._handle_connect(eio_sid, namespace, data)
        if self.sid_of(eio_sid) is not None and (namespace or NAMESPACE) == NAMESPACE:
            await self._listener.admitted(eio_sid)

    def sid_of(self, session: str) -> str | None:
        """The Socket.IO id of the session's client; None while it has none."""
        sid: str | None = self.manager.sid_from_eio_sid(session, NAMESPACE)
        return sid if sid is not None and self.manager.is_connected(sid, NAMESPACE) else None

    def session_of(self, sid: str) -> str | None:
        """The session of a Socket.IO id."""
        session: str | None = self.manager.eio_sid_from_sid(sid, NAMESPACE)
        return session

    def queue(self, session: str) -> Packets | None:
        """What waits for the client."""
        socket = self.eio.sockets.get(session)
        return None if socket is None else socket.queue

    async def send(self, session: str, packet: Packet) -> None:
        """Queue a packet for the client."""
        if session in self.eio.sockets:
            await self.eio.send_packet(session, packet)


def is_message(data: object) -> bool:
    """Whether it is a Socket.IO packet of a kind that clients send here. What the library would stumble over is not."""
    if isinstance(data, bytes | int) or not data:  # attachments, and what was JSON by chance
        return False
    if not isinstance(data, str):
        return False
    kind = data[0]
    if kind in "013":  # connect, disconnect, an acknowledgement of what was never asked
        return True
    if kind != "2":
        return False
    return is_event(data[1:])


def is_event(text: str) -> bool:
    """Whether it is `[namespace,][id][name, ...]` with a name that clients may use."""
    start = text.find("[")
    if start < 0:
        return False
    try:
        decoded = msgspec.json.decode(text[start:])
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(decoded, list) and bool(decoded) and isinstance(decoded[0], str) and decoded[0] not in RESERVED

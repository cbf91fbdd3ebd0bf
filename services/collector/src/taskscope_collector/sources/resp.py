"""A small asyncio connection to a Redis-like server: `asyncio.BufferedProtocol` over `hiredis.Reader`.

Replies come back in the order of the commands; whatever the server sends unasked (pub/sub messages in both protocols, RESP3
pushes) goes to `on_push` at once, in the reader, so `on_push` must be quick and never wait. redis-py is not used here because
its pub/sub path costs four times as much for a message.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import hiredis
from taskscope_shared.redis_spans import asking
from taskscope_shared.tracing import ongoing

from taskscope_collector.sources.resp_sentinels import located
from taskscope_collector.sources.resp_url import RespAddress

logger = logging.getLogger(__name__)

Argument = str | bytes | int | float
OnPush = Callable[[list[Any]], None]

CLIENT_NAME = "taskscope"
READ_BYTES = 4 * 1024 * 1024
"""Read at once: a socket is read once in each turn of the loop, whose turns get longer under load."""
FEED_BYTES = 16 * 1024
"""Given to the parser at once: it moves all that it still holds after each message."""
GATHERED_BYTES = range(16 * 1024, 256 * 1024)
"""A read of messages that brought so much is followed by a pause, in which the next ones gather: many small reads, each of
which wakes the whole process, cost a sixth of its time at 30,000 events a second. More than that, and there is no time to wait:
the server cuts who reads too slowly."""
PAUSE_SECONDS = 0.01
_NOTHING = object()
_MESSAGES = frozenset({b"message", b"pmessage", b"smessage"})
_CONFIRMATIONS = frozenset({b"subscribe", b"psubscribe", b"ssubscribe", b"unsubscribe", b"punsubscribe", b"sunsubscribe"})
_SUBSCRIPTIONS = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"})


# Its stub knows tuples of one element alone.
_pack: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]


class RespError(Exception):
    """The server refused a command; the message is the server's own, its first word the code (`NOPERM`, `WRONGTYPE`, ...)."""

    @property
    def code(self) -> str:
        """The first word of the message."""
        return str(self).partition(" ")[0]


class _Pending:
    """Replies that are still to come for one call: `left` of them, and as confirmations if it (un)subscribes."""

    __slots__ = ("confirms", "future", "left", "replies")

    def __init__(self, future: asyncio.Future[list[Any]], left: int, *, confirms: bool) -> None:
        self.future = future
        self.left = left
        self.confirms = confirms
        self.replies: list[Any] = []


class RespConnection(asyncio.BufferedProtocol):
    """One TCP, TLS or unix connection to a Redis-like server."""

    def __init__(self, on_push: OnPush | None = None, timeout_seconds: float = 5.0) -> None:
        self._on_push = on_push
        self._timeout = timeout_seconds
        self._reader = hiredis.Reader(protocolError=hiredis.ProtocolError, replyError=RespError, notEnoughData=_NOTHING)
        self._room = bytearray(READ_BYTES)
        self._pending: deque[_Pending] = deque()
        self._transport: asyncio.Transport | None = None
        self._subscribed = False
        self._closing = False
        self._address: tuple[str | None, int | None] = (None, None)
        self._cause: BaseException | None = None
        self._ended = asyncio.Event()
        self.bytes_received = 0
        self.push_failures = 0

    @classmethod
    async def open(
        cls, url: str, *, protocol: Literal[2, 3] = 2, on_push: OnPush | None = None, timeout_seconds: float = 5.0
    ) -> Self:
        """Connect, authenticate and select the database of `url`; Sentinels are asked for the primary first.

        Raises ValueError for a wrong address, OSError (ConnectionError and TimeoutError are some) when the server does not
        answer, RespError when it refuses.
        """
        connection = cls(on_push, timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds):
                address = await located(url)
                await connection._connect(address)
                await connection._introduce(address, protocol)
        except BaseException:
            connection._abort()
            raise
        return connection

    async def execute(self, *args: Argument, timeout_seconds: float | None = None) -> Any:  # noqa: ANN401 - RESP has no types
        """Run one command; for a subscription the last confirmation is returned.

        Raises RespError (the server said so), ConnectionError, TimeoutError after `timeout_seconds` (default: that of the
        connection); a reply that comes later is dropped.
        """
        replies = await self._asked([args], timeout_seconds)
        reply = replies[-1]
        if isinstance(reply, RespError):
            raise reply
        return reply

    async def pipeline(self, commands: Sequence[Sequence[Argument]], *, timeout_seconds: float | None = None) -> list[Any]:
        """Run many commands in one round trip; what the server refuses stands as a RespError in its place.

        Not for subscriptions. Raises ConnectionError and TimeoutError.
        """
        if not commands:
            return []
        return await self._asked(commands, timeout_seconds)

    async def _asked(self, commands: Sequence[Sequence[Argument]], timeout_seconds: float | None) -> list[Any]:
        tracer = ongoing()
        if tracer is None:
            return await self._wait(self._send(commands), timeout_seconds)
        host, port = self._address
        with asking(tracer, str(commands[0][0]).upper(), len(commands), host, port):
            return await self._wait(self._send(commands), timeout_seconds)

    async def closed(self) -> None:
        """Return once `close` ended the connection; raise ConnectionError when something else did."""
        await self._ended.wait()
        if self._cause is not None and not self._closing:
            raise ConnectionError(str(self._cause)) from self._cause

    async def close(self) -> None:
        """End the connection; calls that wait raise ConnectionError. May be called again."""
        self._closing = True
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(1.0):
                await self._ended.wait()
        except TimeoutError:
            self._transport.abort()

    # ------------------------------------------------------------------------------------------------ opening

    async def _connect(self, address: RespAddress) -> None:
        loop = asyncio.get_running_loop()
        self._address = (address.path, None) if address.path is not None else (address.host, address.port)
        if address.path is not None:
            await loop.create_unix_connection(lambda: self, address.path)
            return
        await loop.create_connection(lambda: self, address.host, address.port, ssl=address.ssl_context())

    async def _introduce(self, address: RespAddress, protocol: Literal[2, 3]) -> None:
        login: list[str] = []
        if address.password is not None:
            login = [address.username or "default", address.password]
        if protocol == 3:
            await self.execute("HELLO", 3, *(["AUTH", *login] if login else []))
        elif login:
            # A server older than 6, or one with requirepass alone, knows no user: AUTH takes the password alone then.
            await self.execute("AUTH", *(login if address.username else login[1:]))
        if address.db:
            await self.execute("SELECT", address.db)
        else:
            # Also finds out at once that a password is missing (NOAUTH); CLIENT itself may be forbidden (NOPERM).
            await self.execute("PING")
        await self.pipeline([("CLIENT", "SETNAME", CLIENT_NAME)])

    # ------------------------------------------------------------------------------------------------ commands

    def _send(self, commands: Sequence[Sequence[Argument]]) -> _Pending:
        transport = self._transport
        if transport is None or self._ended.is_set() or transport.is_closing():
            raise ConnectionError(str(self._cause or "the connection is closed"))
        confirms = str(commands[0][0]).upper() in _SUBSCRIPTIONS
        left = max(1, len(commands[0]) - 1) if confirms else len(commands)
        pending = _Pending(asyncio.get_running_loop().create_future(), left, confirms=confirms)
        if confirms:
            self._subscribed = True
        self._pending.append(pending)
        transport.write(b"".join([_pack(tuple(command)) for command in commands]))
        return pending

    async def _wait(self, pending: _Pending, timeout_seconds: float | None) -> list[Any]:
        async with asyncio.timeout(self._timeout if timeout_seconds is None else timeout_seconds):
            return await pending.future

    # ------------------------------------------------------------------------------------------------ protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio.BufferedProtocol)."""
        self._transport = transport  # type: ignore[assignment] # create_connection makes asyncio.Transport

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """Where to read to (asyncio.BufferedProtocol)."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take what the socket had (asyncio.BufferedProtocol)."""
        self.bytes_received += nbytes
        reader = self._reader
        try:
            for at in range(0, nbytes, FEED_BYTES):
                reader.feed(self._room, at, min(FEED_BYTES, nbytes - at))  # type: ignore[arg-type] # its stub: str or bytes
                while (reply := reader.gets()) is not _NOTHING:
                    self._take(reply)
        except hiredis.ProtocolError as error:
            self._cause = ConnectionError(f"not the Redis protocol: {error}")
            self._abort()
        else:
            if nbytes in GATHERED_BYTES and self._subscribed and self._transport is not None:
                self._transport.pause_reading()
                asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._transport.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits (asyncio.BufferedProtocol)."""
        self._cause = self._cause or exc or ConnectionResetError("the server closed the connection")
        self._ended.set()
        error = ConnectionError(str(self._cause))
        for pending in self._pending:
            if not pending.future.done():
                pending.future.set_exception(error)
        self._pending.clear()

    def _take(self, reply: Any) -> None:  # noqa: ANN401 - RESP has no types
        if isinstance(reply, list) and (self._subscribed or isinstance(reply, hiredis.PushNotification)) and reply:
            kind = reply[0]
            if kind in _MESSAGES or (isinstance(reply, hiredis.PushNotification) and kind not in _CONFIRMATIONS):
                self._push(reply)
                return
            if kind in _CONFIRMATIONS and not (self._pending and self._pending[0].confirms):
                self._push(reply)
                return
        self._answer(reply)

    def _push(self, message: list[Any]) -> None:
        if self._on_push is None:
            return
        try:
            self._on_push(message)
        except Exception:
            # One message that nobody could take must not end the connection.
            if not self.push_failures:
                logger.exception("a push could not be taken; further ones on this connection are only counted")
            self.push_failures += 1

    def _answer(self, reply: Any) -> None:  # noqa: ANN401 - RESP has no types
        if not self._pending:
            self._cause = ConnectionError("a reply to no command")
            self._abort()
            return
        pending = self._pending[0]
        pending.replies.append(reply)
        pending.left -= 1
        # A refused subscription is one error, however many channels it named.
        if pending.left <= 0 or (pending.confirms and isinstance(reply, RespError)):
            self._pending.popleft()
            if not pending.future.done():
                pending.future.set_result(pending.replies)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

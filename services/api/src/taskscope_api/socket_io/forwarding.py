"""Passes a request on to the replica that has its session, and the answer back: HTTP by httpcore, WebSockets by websockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import httpcore
import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from taskscope_api.asked import ID_HEADER, SCOPE_KEY
from taskscope_api.errors import ApiError
from taskscope_api.front import Headers, Receive, Send
from taskscope_api.socket_io.neighbours import HEADER, Neighbours
from taskscope_api.socket_io.refusals import unknown_session

MAX_REQUESTS = 512
"""That are passed on at a time: most are long polls."""
MAX_SOCKETS = 512
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 60.0
"""A long poll is answered within 45 s."""
IDLE_SECONDS = 30.0
MAX_IDLE = 32
MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of a message from another replica: a snapshot with every worker and queue."""
SEND_SECONDS = 30.0
RESTARTING = 1012

_OF_A_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_PASSED_ON = _OF_A_CONNECTION | {b"content-length", b"expect", HEADER, ID_HEADER.lower().encode()}
_FAULTS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)


class Counts(msgspec.Struct):
    """Since the start."""

    requests: int = 0
    sockets: int = 0
    failed: int = 0
    refused: int = 0


class Forwarding:
    """Connections to other replicas."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=MAX_REQUESTS, max_keepalive_connections=MAX_IDLE, keepalive_expiry=IDLE_SECONDS
        )
        self._requests = self._sockets = 0
        self._pipes: set[asyncio.Event] = set()
        self.counts = Counts()

    def ways_to_end(self) -> list[Callable[[], None]]:
        """One for each WebSocket that is passed on and was not let go yet."""
        return [pipe.set for pipe in self._pipes if not pipe.is_set()]

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    # ------------------------------------------------------------------------------------------------------------- HTTP

    async def request(self, replica: str, scope: Mapping[str, Any], body: bytes, send: Send) -> None:
        """Let the replica answer. Raises `EngineError` when it is not there any more."""
        url = await self._url(replica)
        if self._requests >= MAX_REQUESTS:
            self._refuse("requests")
        self._requests += 1
        try:
            await self._answered(f"{url}{_target(scope)}", scope, body, send)
        except _UnansweredError:
            self.counts.failed += 1
            self._neighbours.forget(replica)
            raise unknown_session() from None
        finally:
            self._requests -= 1

    async def _answered(self, url: str, scope: Mapping[str, Any], body: bytes, send: Send) -> None:
        limits = {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": ANSWER_SECONDS, "write": CONNECT_SECONDS}
        headers = [*_passed_on(scope, _NOT_PASSED_ON), (b"content-length", b"%d" % len(body)), *self._ours(scope)]
        async with contextlib.AsyncExitStack() as stack:
            answering = self._pool.stream(scope["method"], url, headers=headers, content=body, extensions={"timeout": limits})
            try:
                answer = await stack.enter_async_context(answering)
            except _FAULTS:
                raise _UnansweredError from None
            self.counts.requests += 1
            await _give(answer, send)

    # ------------------------------------------------------------------------------------------------------- WebSockets

    async def socket(self, replica: str, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Be a pipe between the client and the replica. Raises `EngineError` when that is not there any more."""
        url = await self._url(replica)
        if self._sockets >= MAX_SOCKETS:
            self._refuse("WebSockets")
        self._sockets += 1
        try:
            await self._piped(f"ws{url.removeprefix('http')}{_target(scope)}", scope, receive, send)
        except _UnansweredError:
            self.counts.failed += 1
            self._neighbours.forget(replica)
            raise unknown_session() from None
        finally:
            self._sockets -= 1

    async def _piped(self, url: str, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        passed = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._socket_headers(scope)]
        try:
            other = await connect(
                url,
                additional_headers=passed,
                user_agent_header=None,
                compression=None,
                proxy=None,
                open_timeout=CONNECT_SECONDS,
                close_timeout=CONNECT_SECONDS,
                max_size=MAX_MESSAGE,
                max_queue=2,
            )
        except (OSError, TimeoutError, websockets.exceptions.WebSocketException):
            raise _UnansweredError from None
        self.counts.sockets += 1
        let_go = asyncio.Event()
        self._pipes.add(let_go)
        try:
            async with other:
                await receive()  # websocket.connect
                await send({"type": "websocket.accept"})
                await _pipe(other, receive, send, let_go)
        finally:
            self._pipes.discard(let_go)

    def _socket_headers(self, scope: Mapping[str, Any]) -> Headers:
        taken = _NOT_PASSED_ON | {b"host"}
        kept = [header for header in _passed_on(scope, taken) if not header[0].startswith(b"sec-websocket-")]
        return [*kept, *self._ours(scope)]

    # ------------------------------------------------------------------------------------------------------------- both

    async def _url(self, replica: str) -> str:
        url = await self._neighbours.url_of(replica)
        if url is None:
            raise unknown_session()
        return url

    def _refuse(self, what: str) -> None:
        self.counts.refused += 1
        raise ApiError(503, "too-many-connections", f"too many {what} are passed on to other replicas already: try later")

    def _ours(self, scope: Mapping[str, Any]) -> Headers:
        return [(HEADER, self._neighbours.signed(scope)), (ID_HEADER.lower().encode(), scope[SCOPE_KEY].id.encode())]


class _UnansweredError(Exception):
    """The other replica did not begin to answer."""


def _target(scope: Mapping[str, Any]) -> str:
    """Path and query; the path is ours, whatever the client's was."""
    return f"{scope['path']}?{scope['query_string'].decode('latin-1')}"


def _passed_on(scope: Mapping[str, Any], without: Iterable[bytes]) -> Headers:
    return [(name, value) for name, value in scope["headers"] if name not in without]


async def _give(answer: httpcore.Response, send: Send) -> None:
    kept = [(name.lower(), value) for name, value in answer.headers]
    left_out = _OF_A_CONNECTION | {ID_HEADER.lower().encode(), b"date", b"server"}
    headers = [header for header in kept if header[0] not in left_out]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for chunk in _chunks(answer):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunks(answer: httpcore.Response) -> AsyncIterator[bytes]:
    async for chunk in answer.aiter_stream():
        yield chunk


async def _pipe(other: ClientConnection, receive: Receive, send: Send, let_go: asyncio.Event) -> None:
    """Both ways, until one of them ends, or the client is let go."""
    ways = [asyncio.create_task(each) for each in (_up(other, receive), _down(other, send), let_go.wait())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    with contextlib.suppress(OSError, RuntimeError):  # the client has gone, or was told already
        await send({"type": "websocket.close", "code": RESTARTING})


async def _up(other: ClientConnection, receive: Receive) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        try:
            await other.send(text if text is not None else message.get("bytes") or b"")
        except websockets.exceptions.ConnectionClosed:
            return


async def _down(other: ClientConnection, send: Send) -> None:
    try:
        async for message in other:
            async with asyncio.timeout(SEND_SECONDS):
                kind = "text" if isinstance(message, str) else "bytes"
                await send({"type": "websocket.send", kind: message})
    except (OSError, websockets.exceptions.ConnectionClosed):  # TimeoutError is an OSError
        return

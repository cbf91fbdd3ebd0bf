"""Where requests of Socket.IO come in: what is none is refused, what is another replica's is passed on, the rest the library's.

An ASGI application around another, below `front.Front`: ids, limits, the access log and problems are those of every request.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from taskscope_api.asked import SCOPE_KEY
from taskscope_api.base_path import below
from taskscope_api.errors import ApiError, Problem
from taskscope_api.front import Application, Headers, Message, Receive, Send
from taskscope_api.limits import MAX_BODY
from taskscope_api.origins import Origins
from taskscope_api.socket_io import refusals
from taskscope_api.socket_io.clients import Clients
from taskscope_api.socket_io.forwarding import Forwarding
from taskscope_api.socket_io.neighbours import Neighbours
from taskscope_api.socket_io.refusals import EngineError
from taskscope_api.whole_answers import answer, refuse

PATH = "/socket.io/"
PATHS = frozenset({PATH, "/socket.io"})
"""The second is what `addTrailingSlash: false` asks for."""
METHODS = "GET, POST, OPTIONS"
TRANSPORTS = ("polling", "websocket")
MAX_PACKETS = 16
"""Packets of one POST: what the library takes."""
SEND_SECONDS = 30.0
"""A client that takes nothing for so long is disconnected."""
RETRY_SECONDS = b"5"
_QUERY = re.compile(rb"[!\"$-~]{0,2048}")
"""What a URL can hold, without #."""
_PACKET = re.compile(r"[1345]|2probe$")
"""What clients send: close, pong, message, upgrade, and the probe before that."""

Scope = MutableMapping[str, Any]


class Wanted(NamedTuple):
    """What the query says."""

    session: str | None
    transport: str


class Door:
    """The application around `app`."""

    def __init__(
        self, app: Application, clients: Clients, neighbours: Neighbours, forwarding: Forwarding, origins: Origins
    ) -> None:
        self._app = app
        self._clients = clients
        self._neighbours = neighbours
        self._forwarding = forwarding
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of Socket.IO, or let the other application do it."""
        if scope["type"] == "lifespan" or below(scope) not in PATHS:
            await self._app(scope, receive, send)
            return
        scope[SCOPE_KEY].route = PATH
        try:
            await self._serve(scope, receive, send)
        except ApiError as error:
            await _refuse(scope, receive, send, error.problem)
        except EngineError as error:
            await _complain(scope, receive, send, error)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "OPTIONS":
            await answer(scope, receive, send, HTTPStatus.NO_CONTENT, [(b"allow", METHODS.encode())])
            return
        passed_on = self._neighbours.came_from(scope)
        if not passed_on:  # the replica that passed it on has looked at where it came from
            self._origins.check(_as_socket(scope), borrowed=False)
        wanted = _wanted(scope)
        if wanted.session is None:
            await self._begin(scope, wanted, receive, send)
        elif wanted.session in self._clients.sessions.by_id:
            await self._go_on(wanted.session, scope, receive, send)
        else:
            owner = None if passed_on is not None else self._neighbours.owner_of(wanted.session)
            if owner is None:
                raise refusals.unknown_session()
            await self._pass_on(owner, scope, receive, send)

    async def _begin(self, scope: Scope, wanted: Wanted, receive: Receive, send: Send) -> None:
        is_socket = scope["type"] == "websocket"
        if scope.get("method", "GET") != "GET":
            raise refusals.bad_handshake()
        if is_socket != (wanted.transport == "websocket"):
            raise refusals.bad_request()
        if (refused := self._clients.sessions.refusal(scope)) is not None:
            await _refuse(scope, receive, send, refused)
        elif is_socket:
            await self._socket(scope, receive, send)
        else:
            await self._handle(scope, receive, send)

    async def _go_on(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._clients.sessions.by_id[session]
        if not await self._clients.is_theirs(found, scope) or session not in self._clients.sessions.by_id:
            raise refusals.unknown_session()
        principal = found.principal
        scope[SCOPE_KEY].principal = None if principal is None else principal.name
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["method"] == "POST":
            await self._post(session, scope, receive, send)
        else:
            await self._poll(session, scope, receive, send)

    # ------------------------------------------------------------------------------------------------------- transports

    async def _poll(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for packets. A client has one poll at a time; one that leaves in its middle may have lost some: that ends it."""
        found = self._clients.sessions.by_id[session]
        if found.is_polling:
            await self._clients.server.eio.end(session)
            raise refusals.bad_request()
        found.is_polling = True

        async def send_last(message: Message) -> None:
            found.is_polling = False  # the client may ask again as soon as it has the answer
            await send(message)

        try:
            first = await receive()
            if first["type"] == "http.request":
                await _while_there(self._handle(scope, _replayed(first), send_last), receive, self._ending(session))
            else:
                await self._clients.server.eio.end(session)
        finally:
            found.is_polling = False

    def _ending(self, session: str) -> Callable[[], Awaitable[None]]:
        async def end() -> None:
            await self._clients.server.eio.end(session)

        return end

    async def _post(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if not _are_packets(body):
            await self._clients.garbage(session)
            raise refusals.bad_request()
        headers = [header for header in scope["headers"] if header[0] not in (b"content-length", b"transfer-encoding")]
        whole = {**scope, "headers": [*headers, (b"content-length", b"%d" % len(body))]}
        await self._handle(whole, _replayed({"type": "http.request", "body": body, "more_body": False}), send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_packet() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not _is_packet(message.get("text")):
                self._clients.sessions.counts.garbage += 1
                return {"type": "websocket.disconnect", "code": 1003}
            return message

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        with contextlib.suppress(OSError):  # TimeoutError is one, and so is what servers raise when the client is gone
            await self._handle(scope, receive_packet, send_in_time)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._clients.server.handle_request(scope, receive, send)

    async def _pass_on(self, owner: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._forwarding.socket(owner, scope, receive, send)
            return
        body = await _body(receive)
        await _while_there(self._forwarding.request(owner, scope, body, send), receive)


async def _while_there(
    answering: Awaitable[None], receive: Receive, on_leaving: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Answer; when the client leaves first, stop, or let `on_leaving` see to it that the answer ends."""
    answer = asyncio.ensure_future(answering)
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            if on_leaving is None:
                return
            await on_leaving()
        await answer
    finally:
        for task in (answer, leaving):
            task.cancel()
        await asyncio.gather(answer, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replayed(message: Message) -> Receive:
    async def receive() -> Message:
        return message

    return receive


async def _body(receive: Receive) -> bytes:
    """The request's body. Raises `ApiError` when it is too large, whatever its length was said to be."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise refusals.bad_request()  # nobody hears it
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > MAX_BODY:
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", f"a body may have {MAX_BODY} bytes")
    return b"".join(parts)


# ---------------------------------------------------------------------------------------------------------------- checks


def _wanted(scope: Mapping[str, Any]) -> Wanted:
    """What the query says. Raises `EngineError` for what no client of Socket.IO 3 or 4 asks."""
    query = scope["query_string"]
    if not _QUERY.fullmatch(query):
        raise refusals.bad_request()
    if scope.get("method", "GET") not in ("GET", "POST"):
        raise ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", f"{METHODS} are allowed here")
    given = parse_qs(query.decode())
    transport = given.get("transport", ["polling"])[0]
    if transport not in TRANSPORTS:
        raise refusals.unknown_transport()
    if given.get("EIO") != ["4"]:
        raise refusals.unsupported_version()
    if "j" in given:  # JSONP: an answer that another site's page could run as a script
        raise refusals.bad_request()
    if scope["type"] == "http" and transport == "websocket":
        raise refusals.bad_request()
    return Wanted(given.get("sid", [None])[0], transport)


def _is_packet(text: object) -> bool:
    return isinstance(text, str) and _PACKET.match(text) is not None


def _are_packets(body: bytes) -> bool:
    try:
        packets = body.decode().split("\x1e")
    except UnicodeDecodeError:
        return False
    return len(packets) <= MAX_PACKETS and all(map(_is_packet, packets)) and not body.startswith(b"d=")


def _as_socket(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """As what it is a part of: a page of another site may not even poll."""
    return {name: value for name, value in scope.items() if name != "method"}


# --------------------------------------------------------------------------------------------------------------- answers


async def _refuse(scope: Mapping[str, Any], receive: Receive, send: Send, refused: Problem) -> None:
    await refuse(scope, receive, send, refused, _beside(refused.status))


async def _complain(scope: Mapping[str, Any], receive: Receive, send: Send, error: EngineError) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *_beside(error.status)]
    await answer(scope, receive, send, error.status, headers, error.body)


def _beside(status: int) -> Headers:
    """What goes with an answer of that status."""
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return [(b"allow", METHODS.encode())]
    waits = status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    return [(b"retry-after", RETRY_SECONDS)] if waits else []

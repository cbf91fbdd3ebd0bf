"""What every request passes first and every answer last: id, limits, common headers, access log, a problem for any error.

Below Quart, since not every answer comes from a route, and since a request costs a tenth of what hooks of Quart would take.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from taskscope_shared.clock import Clock

from taskscope_api import access_log
from taskscope_api.asked import ID_HEADER, SCOPE_KEY, Asked, request_id
from taskscope_api.errors import MEDIA_TYPE, UNFORESEEN, Problem, encode
from taskscope_api.limits import refusal
from taskscope_api.ws_protocol import OUTLET

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


Headers = list[tuple[bytes, bytes]]

NOT_SHOWN = (b"application/json", b"application/problem+json")
"""What no browser makes a page of; a policy for pages would cost a tenth of writing the answer's head."""
ID_NAME = ID_HEADER.lower().encode()


def _encoded(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class Front:
    """An ASGI application around another.

    `headers` go with every answer that does not set them itself, and `page_headers` with those that a browser may show.
    """

    def __init__(self, app: Application, clock: Clock, headers: Mapping[str, str], page_headers: Mapping[str, str]) -> None:
        self._app = app
        self._clock = clock
        self._headers = _encoded(headers)
        self._page_headers = _encoded({**headers, **page_headers})

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or serve one WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        asked = scope[SCOPE_KEY] = Asked(request_id(scope["headers"]), self._clock.monotonic())
        answering = _Answering(send, asked.id, scope, self._headers, self._page_headers)
        try:
            await self._serve(scope, receive, answering, asked)
        finally:
            outlet = scope.get("extensions", {}).get(OUTLET)
            sent = answering.bytes if outlet is None else answering.bytes + outlet.sent_bytes
            access_log.record(asked, scope, answering.status, sent, self._clock.monotonic() - asked.began)

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, answering: "_Answering", asked: Asked) -> None:
        is_request = scope["type"] == "http"
        if is_request and scope["path"] == "*" and scope["method"] == "OPTIONS":  # of the server, not of a route
            await answering.whole(HTTPStatus.NO_CONTENT, [], b"")
        elif is_request and (refused := refusal(scope)) is not None:
            await answering.refuse(refused, asked)
        else:
            try:
                await self._app(scope, receive if is_request else _with_text(receive), answering.send)
            except Exception:  # the boundary of a request: what Quart does not turn into an answer itself
                if answering.begun or not is_request:
                    raise
                logger.exception("a request failed", extra={"request_id": asked.id})
                await answering.refuse(UNFORESEEN, asked)


def _with_text(receive: Receive) -> Receive:
    """Messages of a WebSocket, of which an empty one in binary has a text, too: Quart stumbles over one that has none."""

    async def received() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive" and not message.get("bytes"):
            message.setdefault("text", "")
        return message

    return received


class _Answering:
    """Sends an answer with the common headers, and remembers what was sent."""

    def __init__(self, send: Send, id_: str, scope: Mapping[str, Any], headers: Headers, page_headers: Headers) -> None:
        self._send = send
        self._id = (ID_NAME, id_.encode())
        self._headers = headers
        self._page_headers = page_headers
        self._bodiless = scope.get("method") == "HEAD"
        self.status = access_log.CLIENT_LEFT
        self.begun = False
        self.bytes = 0

    async def send(self, message: Message) -> None:
        """Pass one ASGI message on."""
        kind = message["type"]
        if kind == "http.response.start" or kind == "websocket.http.response.start":
            self.begun, self.status = True, int(message["status"])
            message["headers"] = self._completed(message.get("headers", []))
        elif kind == "websocket.accept":
            self.begun, self.status = True, int(HTTPStatus.SWITCHING_PROTOCOLS)
            message["headers"] = self._completed(message.get("headers", []))
        elif kind == "http.response.body" and not self._bodiless:
            self.bytes += len(message.get("body", b""))
        elif kind == "websocket.send":
            self.bytes += len(message.get("text") or message.get("bytes") or b"")
        elif kind == "websocket.close" and not self.begun:
            self.begun, self.status = True, int(HTTPStatus.FORBIDDEN)
        await self._send(message)

    def _completed(self, headers: Headers) -> Headers:
        there = dict(headers)
        common = self._headers if there.get(b"content-type", b"").startswith(NOT_SHOWN) else self._page_headers
        return [*headers, *(header for header in common if header[0] not in there), self._id]

    async def refuse(self, refused: Problem, asked: Asked) -> None:
        """A problem as the whole answer; the connection ends, since a body that nobody reads may follow."""
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store"), (b"connection", b"close")]
        await self.whole(refused.status, headers, encode(refused, asked.id))

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """An answer of one piece."""
        if status != HTTPStatus.NO_CONTENT:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": int(status), "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

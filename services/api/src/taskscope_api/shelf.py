"""Gives what is kept, before a route is looked for: the realtime page's body is asked for by everybody, all the time.

Below Quart, which takes four times as long to come to the same answer (`tests/bench/lists.py`). What is not kept is made there.
"""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from taskscope_api import compression, conditional, staleness
from taskscope_api.asked import SCOPE_KEY, Asked
from taskscope_api.errors import ApiError
from taskscope_api.front import Application, Headers, Receive, Send
from taskscope_api.kept import Kept, KeptAnswers
from taskscope_api.live_view import LiveView
from taskscope_api.principals import Access, Principal, identified, varies


class Shelf:
    """An ASGI application around another."""

    def __init__(self, app: Application, kept: KeptAnswers, access: Access, live: LiveView) -> None:
        self._app = app
        self._kept = kept
        self._access = access
        self._live = live
        self._vary = ", ".join(filter(None, (varies(access), "Accept-Encoding"))).encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer from what is kept, or let the application do it."""
        if scope["type"] != "http" or scope["method"] != "GET" or not self._kept.keeps(scope["path"]):
            await self._app(scope, receive, send)
            return
        asking = await self._asking(scope)
        found = None if asking is None else self._kept.find(scope, asking)
        if found is None or asking is None:
            await self._app(scope, receive, send)
        else:
            await self._give(found, scope, asking, send)

    async def _asking(self, scope: MutableMapping[str, Any]) -> Principal | None:
        """Who asks; None where the application has to say what is wrong with that."""
        try:
            return await identified(scope, self._access)
        except ApiError:
            return None

    async def _give(self, found: Kept, scope: MutableMapping[str, Any], asking: Principal, send: Send) -> None:
        asked: Asked = scope[SCOPE_KEY]
        asked.route, asked.principal = found.route, asking.name
        wanted = dict(scope["headers"])
        headers = [
            (b"etag", found.tag.encode()),
            (b"cache-control", found.cache_control.encode()),
            (b"vary", self._vary),
        ]
        if (stale := staleness.told(self._live, asking)) is not None:
            headers.append((staleness.HEADER.lower().encode(), stale.encode()))
        if conditional.holds(_text(wanted.get(b"if-none-match")), found.tag):
            await _send(send, HTTPStatus.NOT_MODIFIED, headers, b"")
            return
        body = found.body.data
        if len(body) >= compression.MIN_BYTES and compression.wanted(_text(wanted.get(b"accept-encoding"))):
            body = await found.body.packed()
            headers.append((b"content-encoding", compression.CODING.encode()))
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await _send(send, HTTPStatus.OK, headers, body)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


async def _send(send: Send, status: HTTPStatus, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})

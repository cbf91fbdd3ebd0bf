"""Answers of one piece, for what is answered below Quart; to a WebSocket's handshake, too."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from taskscope_api.asked import SCOPE_KEY
from taskscope_api.errors import MEDIA_TYPE, Problem, encode
from taskscope_api.front import Headers, Receive, Send


async def answer(
    scope: Mapping[str, Any], receive: Receive, send: Send, status: int, headers: Headers, body: bytes = b""
) -> None:
    """Send it. `headers` are all but its length."""
    prefix = "http" if scope["type"] == "http" else "websocket.http"
    if prefix != "http":
        await receive()  # websocket.connect
    headers = headers if status == HTTPStatus.NO_CONTENT else [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": f"{prefix}.response.start", "status": int(status), "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body, "more_body": False})


async def refuse(scope: Mapping[str, Any], receive: Receive, send: Send, refused: Problem, headers: Headers = []) -> None:  # noqa: B006 - is not changed
    """A problem as the answer. Nobody may keep it."""
    kind = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    await answer(scope, receive, send, refused.status, [*kind, *headers], encode(refused, scope[SCOPE_KEY].id))

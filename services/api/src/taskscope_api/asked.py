"""What is known of one request beside what it asks: its id, and who asked which route. Kept in the ASGI scope."""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import msgspec
from quart import has_request_context, has_websocket_context, request, websocket

Scope = Mapping[str, Any]
"""Of an ASGI request or WebSocket: `headers` (pairs of bytes), `client`, `path`, `method` and so on."""
SCOPE_KEY = "taskscope"
ID_HEADER = "X-Request-Id"
_ID_NAME = ID_HEADER.lower().encode()
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:@=+/-]{1,128}")
"""What proxies make (UUIDs, hex, base64, `1-67891233-abcdef`), and nothing that could break a line of a log or a header."""


class Asked(msgspec.Struct):
    """`id` is the request's; `route` its template and `principal` a name, as soon as they are known.

    `end` ends an answer that has no end of its own; None for all others.
    """

    id: str
    began: float
    route: str | None = None
    principal: str | None = None
    end: Callable[[], None] | None = None


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id that the request brought, if it is well formed, else a new one."""
    for name, value in headers:
        if name == _ID_NAME and _WELL_FORMED.fullmatch(value):
            return value.decode()
    return secrets.token_hex(8)


def header(scope: Scope, name: bytes) -> str | None:
    """The last header of that name (lower case); None where it is not there."""
    found = None
    for each, value in scope["headers"]:
        if each == name:
            found = value
    return None if found is None else found.decode("latin-1")


def bearer(scope: Scope) -> str | None:
    """What follows `Authorization: Bearer`; None without it. Other schemes are for proxies, and none of ours."""
    scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def asked() -> Asked | None:
    """Of the request or WebSocket that is being handled; None outside of one."""
    if has_request_context():
        scope: MutableMapping[str, Any] = request.scope  # type: ignore[assignment]  # a TypedDict without our key
    elif has_websocket_context():
        scope = websocket.scope  # type: ignore[assignment]  # as above
    else:
        return None
    return scope.get(SCOPE_KEY)

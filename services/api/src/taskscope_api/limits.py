"""How much a request may bring, and that its URL is text: judged from its first lines, before anything else is done for it."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from taskscope_api.errors import Problem, problem

MAX_URL = 16 * 1024
"""Bytes of path and query."""
MAX_PARAMETERS = 256
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
"""Bytes of all names and values."""
MAX_BODY = 64 * 1024
"""Bytes of a request's body: no route takes a larger one."""

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def refusal(scope: Mapping[str, Any]) -> Problem | None:
    """Why this request (an ASGI scope) is not answered; None where nothing is wrong with it."""
    path, query, headers = scope.get("raw_path") or b"", scope["query_string"], scope["headers"]
    if len(path) + len(query) > MAX_URL:
        return problem(HTTPStatus.REQUEST_URI_TOO_LONG, "url-too-long", f"path and query may have {MAX_URL} bytes")
    return _of_headers(headers) or _of_body(headers) or _of_path(scope["path"], path) or (_of_query(query) if query else None)


def _of_headers(headers: list[tuple[bytes, bytes]]) -> Problem | None:
    if len(headers) <= MAX_HEADERS and sum(len(name) + len(value) for name, value in headers) <= MAX_HEADER_BYTES:
        return None
    detail = f"a request may have {MAX_HEADERS} headers with {MAX_HEADER_BYTES} bytes together"
    return problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", detail)


def _of_body(headers: list[tuple[bytes, bytes]]) -> Problem | None:
    for name, value in headers:
        if name == b"content-length" and not (value.isdigit() and len(value) < 10 and int(value) <= MAX_BODY):
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", f"a body may have {MAX_BODY} bytes")
    return None


def _of_path(path: str, raw: bytes) -> Problem | None:
    if not path.startswith(("/", "http://", "https://")):
        return problem(HTTPStatus.BAD_REQUEST, "invalid-path", "a path begins with /")
    if b"%" in raw and (wrong := _not_text(raw)):
        return problem(HTTPStatus.BAD_REQUEST, "invalid-path", f"the path {wrong}")
    return None


def _of_query(query: bytes) -> Problem | None:
    if query.count(b"&") >= MAX_PARAMETERS:
        return problem(HTTPStatus.BAD_REQUEST, "too-many-parameters", f"a query may have {MAX_PARAMETERS} parameters")
    if query.isascii() and b"%" not in query:
        return None
    for part in query.split(b"&"):
        if wrong := _not_text(part):
            field = unquote_to_bytes(part.partition(b"=")[0]).decode(errors="replace")[:200]
            return problem(HTTPStatus.BAD_REQUEST, "invalid-parameter", f"the parameter {field!r} {wrong}", field=field)
    return None


def _not_text(raw: bytes) -> str | None:
    if _BROKEN_ESCAPE.search(raw):
        return "has a % that two hexadecimal digits do not follow: write %25 for a %"
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return "is not UTF-8 once its % escapes are resolved"
    return None

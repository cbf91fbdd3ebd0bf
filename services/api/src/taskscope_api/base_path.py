"""Everything below one path of a site that has other things, too: `api.base_path`. No proxy has to rewrite anything.

Below `front.Front`: ids, limits, the access log and problems are those of every request.
"""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from taskscope_api.asked import header
from taskscope_api.errors import problem
from taskscope_api.front import Application, Receive, Send
from taskscope_api.whole_answers import answer, refuse

PROBES = frozenset({"/livez", "/readyz"})
"""Answered at the root, too: a kubelet knows no prefix."""

Scope = MutableMapping[str, Any]


def below(scope: Scope) -> str:
    """The request's path without what everything is served below."""
    path = str(scope["path"])
    if not path.startswith("/"):
        path = urlsplit(path).path  # the whole URL, as proxies are asked
    return path.removeprefix(scope.get("root_path") or "")


class BasePath:
    """The application around `app` that serves it below `prefix`, as `/monitoring/tasks`."""

    def __init__(self, app: Application, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer what is below the prefix; whoever asks elsewhere is told where it is."""
        path = "" if scope["type"] == "lifespan" else below(scope)
        if path.startswith(f"{self._prefix}/"):
            scope["root_path"] = self._prefix  # ASGI: `path` begins with it
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan" or path in PROBES:
            await self._app(scope, receive, send)
        elif path in ("/", self._prefix) and _is_browser(scope):
            query = scope["query_string"]
            there = f"{self._prefix}/".encode() + (b"?" + query if query else b"")
            await answer(scope, receive, send, HTTPStatus.FOUND, [(b"location", there), (b"cache-control", b"no-store")])
        else:
            detail = f"Taskscope is served below {self._prefix}/ here: api.base_path says so"
            await refuse(scope, receive, send, problem(HTTPStatus.NOT_FOUND, "not-found", detail))


def _is_browser(scope: Scope) -> bool:
    """Whether a person's browser looks for a page."""
    return scope.get("method") in ("GET", "HEAD") and "text/html" in (header(scope, b"accept") or "")

"""Answers that are asked for again and again are made once for each change of the live view, and at most every 50 ms.

A body of 250 tasks takes 4 ms to make: ten pages that look at it would take a core between them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import NamedTuple

from quart import Response, request
from quart.wrappers.response import DataBody

from taskscope_api import conditional
from taskscope_api.asked import Scope
from taskscope_api.compression import KeptBody
from taskscope_api.live_view import LiveView
from taskscope_api.principals import Principal, Role, principal

FRESH_SECONDS = 0.05
"""As old an answer may be though something changed: what a window of the WebSocket waits for, too."""
MAX_ANSWERS = 64
MAX_BYTES = 16 * 1024 * 1024
"""Of all bodies; each is kept once as it is and once compressed."""

Key = tuple[str, bytes, Role, frozenset[str] | None, bool, tuple[tuple[str, str], ...]]
"""Path, query, who may ask it, and what is said of staleness: that is never told late."""
View = Callable[..., Awaitable[Response]]


class Kept(NamedTuple):
    """A body, its tag, which version of the live view it shows, and when it was made (the loop's time)."""

    body: KeptBody
    route: str
    tag: str
    cache_control: str
    version: int
    made_at: float


class KeptAnswers:
    """Bodies by path, query and scope, while the live view is as it was or they are fresh."""

    def __init__(self, live: LiveView) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._live = live
        self._paths = frozenset[str]()
        self._version = 0
        self.made = 0
        live.listen(self._notice)

    def _notice(self, tasks: bool) -> None:  # noqa: ARG002, FBT001 - a listener of the live view
        self._version += 1

    def __call__(self, view: View) -> View:
        """Keep what this route answers. Under `requires`: what is kept is of a scope."""

        @wraps(view)
        async def answered(*args: object, **kwargs: object) -> Response:
            key = self._key(request.scope, principal())
            found = self._find(key)
            if found is None:
                version = self._version
                response = await view(*args, **kwargs)
                if response.status_code != HTTPStatus.OK or not isinstance(response.response, DataBody):
                    return response
                found = self._keep(key, version, response.response.data, response.headers["Cache-Control"])
            return _answer(found)

        return answered

    def keeps(self, path: str) -> bool:
        """Whether anything is kept of that path."""
        return path in self._paths

    def find(self, scope: Scope, asking: Principal) -> Kept | None:
        """What the same route answered to somebody with the same rights, if that still holds."""
        return self._find(self._key(scope, asking))

    def _key(self, scope: Scope, asking: Principal) -> Key:
        stale = tuple(self._live.stale.items())
        return (scope["path"], scope["query_string"], asking.role, asking.sources, self._live.store_lost, stale)

    def _find(self, key: Key) -> Kept | None:
        found = self._kept.get(key)
        if found is None or found.version == self._version or _now() - found.made_at <= FRESH_SECONDS:
            return found
        del self._kept[key]
        return None

    def _keep(self, key: Key, version: int, data: bytes, cache_control: str) -> Kept:
        self.made += 1
        route = str(request.url_rule)
        made = self._kept[key] = Kept(KeptBody(data), route, conditional.tag(data), cache_control, version, _now())
        held = sum(one.body.size for one in self._kept.values())
        while len(self._kept) > MAX_ANSWERS or (held > MAX_BYTES and len(self._kept) > 1):
            _, oldest = self._kept.popitem(last=False)
            held -= oldest.body.size
        self._paths = frozenset(one[0] for one in self._kept)
        return made


def _now() -> float:
    return asyncio.get_running_loop().time()


def _answer(kept: Kept) -> Response:
    length = str(len(kept.body.data))
    headers = {"ETag": kept.tag, "Cache-Control": kept.cache_control, "Content-Length": length}
    response = Response(headers=headers, content_type="application/json")
    response.response = kept.body
    return response

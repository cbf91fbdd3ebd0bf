"""Which pages may act in their visitor's name: a browser sends cookies, and passes a proxy, for every page that asks it to."""

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from taskscope_api.addresses import Addresses
from taskscope_api.asked import Scope, header
from taskscope_api.errors import ApiError
from taskscope_api.exposure import is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing, and another site's page cannot read what they answer."""


class Origins:
    """Tells our own pages from others. `allowed` are other origins that are ours, too.

    With `loopback`, every page of this machine is ours while the api is reached over loopback: there is nothing that a page of
    another port could borrow.
    """

    def __init__(self, addresses: Addresses, allowed: Iterable[str] = (), *, loopback: bool = False) -> None:
        self._addresses = addresses
        self._allowed = frozenset(origin.lower() for origin in allowed)
        self._loopback = loopback

    def check(self, scope: Scope, *, borrowed: bool) -> None:
        """Let a request pass that a page of ours sent, or that could do no harm from another.

        `borrowed`: what it says of who asks is what a browser adds by itself, so that a page has to be named.
        Raises `ApiError`: 403 `foreign-origin`.
        """
        if scope.get("method", "WEBSOCKET") in SAFE_METHODS:
            return
        origin = header(scope, b"origin")
        if header(scope, b"sec-fetch-site") == "same-origin" or (origin is None and not borrowed):
            return
        if origin is None:
            detail = "this needs an Origin header, since a cookie or a proxy said who asks; an API token needs none"
            raise ApiError(HTTPStatus.FORBIDDEN, "foreign-origin", detail, field="Origin")
        if not self._is_ours(origin.lower(), self._addresses.host(scope).lower()):
            what = "do this" if "method" in scope else "open this socket"
            detail = f"a page of {origin[:200]} may not {what}: api.allowed_origins lists those that may"
            raise ApiError(HTTPStatus.FORBIDDEN, "foreign-origin", detail, field="Origin")

    def _is_ours(self, origin: str, host: str) -> bool:
        if origin in self._allowed:
            return True
        try:
            page, ours = urlsplit(origin), urlsplit(f"//{host}")
        except ValueError:
            return False
        if not page.netloc:
            return False
        return page.netloc == host or (self._loopback and is_loopback(page.hostname or "") and is_loopback(ours.hostname or ""))

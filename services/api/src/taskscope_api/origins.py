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
RESERVED = (".localhost", ".local", ".internal", ".test", ".home.arpa")
"""Names that the public DNS has none of (RFC 2606, 6761, 6762, 8375)."""


class Origins:
    """Tells our own pages from others. `allowed` are other origins that are ours, too.

    With `loopback`, every page of this machine is ours while the api is reached over loopback: there is nothing that a page of
    another port could borrow. With `private`, nobody said that all who reach it may see everything: it is this machine's alone.
    """

    def __init__(
        self, addresses: Addresses, allowed: Iterable[str] = (), *, loopback: bool = False, private: bool = False
    ) -> None:
        self._addresses = addresses
        self._allowed = frozenset(origin.lower() for origin in allowed)
        self._loopback = loopback
        self._private = private
        self._hosts = frozenset(filter(None, (urlsplit(origin).hostname for origin in self._allowed)))

    def check_host(self, scope: Scope) -> None:
        """Let a request pass that was sent to an address, or to a name that no other site can have.

        A site may let its own name lead to this machine (DNS rebinding): its page is then one of ours, as browsers see it.
        Raises `ApiError`: 403 `foreign-host`.
        """
        if not self._private or self._is_ours_alone(host := self._addresses.host(scope).lower()):
            return
        detail = (
            f"nobody is asked who they are here, so that no site's page may use the name {host[:200]!r} for this machine: "
            "ask 127.0.0.1 or localhost, list the name's origin in api.allowed_origins, or set access.mode"
        )
        raise ApiError(HTTPStatus.FORBIDDEN, "foreign-host", detail, field="Host")

    def _is_ours_alone(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        is_address = ":" in name or name.rpartition(".")[2].isdigit()
        return is_address or "." not in name or name.endswith(RESERVED) or name in self._hosts

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
        if not self._is_ours(origin.lower(), self._addresses.host(scope).lower(), secure=self._addresses.is_secure(scope)):
            what = "do this" if "method" in scope else "open this socket"
            detail = f"a page of {origin[:200]} may not {what}: api.allowed_origins lists those that may"
            raise ApiError(HTTPStatus.FORBIDDEN, "foreign-origin", detail, field="Origin")

    def _is_ours(self, origin: str, host: str, *, secure: bool) -> bool:
        if origin in self._allowed:
            return True
        try:
            page, ours = urlsplit(origin), urlsplit(f"//{host}")
        except ValueError:
            return False
        if not page.netloc:
            return False
        if page.netloc == host:
            return page.scheme == "https" or not secure  # a page that was sent in the clear may be anybody's
        return self._loopback and is_loopback(page.hostname or "") and is_loopback(ours.hostname or "")

"""Mode `proxy`: a proxy that knows its users says in headers who asks. Nobody else is believed."""

from collections.abc import Callable

from taskscope_shared import settings_access as configured
from taskscope_shared.clock import Clock

from taskscope_api.access.grants import Grants
from taskscope_api.access.refused import RefusedError
from taskscope_api.addresses import Networks, peer_of
from taskscope_api.asked import Scope
from taskscope_api.principals import Principal

KIND = "proxy"
MAX_TEXT = 256
"""Characters of a user's id or name."""
MAX_GROUPS = 1000


class ProxyHeaders:
    """Believes the headers of requests that come from the proxy's addresses; `ignored` is told of others that have them."""

    mode = KIND
    borrowed = True

    def __init__(
        self, proxy: configured.Proxy, grants: Grants, clock: Clock, ignored: Callable[[Scope], None] = lambda _: None
    ) -> None:
        self._addresses = Networks(proxy.addresses)
        self._user, self._groups, self._name = (
            name.lower().encode() for name in (proxy.user_header, proxy.groups_header, proxy.name_header)
        )
        self._seconds = proxy.seconds
        self._grants = grants
        self._clock = clock
        self._ignored = ignored

    async def identify(self, scope: Scope) -> Principal | None:
        """Whom the proxy names. Raises `RefusedError` for a name that is none, and for one without any right."""
        user = _single(scope, self._user)
        if not user:
            return None
        peer = peer_of(scope)
        if peer is None or peer not in self._addresses:
            self._ignored(scope)
            return None
        ends = self._clock.now() + self._seconds
        name = _single(scope, self._name)
        return self._grants.principal(
            user, self._groups_of(scope), credential=f"{KIND}:{user}", name=name or None, expires_at=ends
        )

    def _groups_of(self, scope: Scope) -> list[str]:
        """Between commas, in any number of headers."""
        texts = (_decoded(value) for each, value in scope["headers"] if each == self._groups)
        groups = [part.strip() for text in texts for part in text.split(",") if part.strip()]
        return groups[:MAX_GROUPS]


def _single(scope: Scope, name: bytes) -> str | None:
    """The header's text. Raises `RefusedError` where it is there twice: nobody says which one is the proxy's own."""
    found = [value for each, value in scope["headers"] if each == name]
    if not found:
        return None
    text = _decoded(found[0]).strip()
    if len(found) > 1 or len(text) > MAX_TEXT or (text and not text.isprintable()):
        detail = f"{name.decode()} has to be there once, with at most {MAX_TEXT} printable characters"
        raise RefusedError("invalid-proxy-header", detail, counts=False)
    return text


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")

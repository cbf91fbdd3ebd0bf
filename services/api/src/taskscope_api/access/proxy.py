"""Mode `proxy`: a proxy that knows its users says in headers who asks. Nobody else is believed."""

from collections.abc import Callable

import msgspec
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
MAX_KNOWN = 1000
"""People whose rights are remembered by what the proxy says of them; who came first is forgotten first."""

Headers = tuple[tuple[bytes, bytes], ...]


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
        self._names = frozenset({self._user, self._groups, self._name})
        self._known: dict[Headers, Principal] = {}
        self._seconds = proxy.seconds
        self._grants = grants
        self._clock = clock
        self._ignored = ignored

    async def identify(self, scope: Scope) -> Principal | None:
        """Whom the proxy names. Raises `RefusedError` for a name that is none, and for one without any right."""
        said = tuple((name, value) for name, value in scope["headers"] if name in self._names)
        if not said or not _single(said, self._user):
            return None
        if not self._is_the_proxy(scope):
            self._ignored(scope)
            return None
        found = self._known.get(said) or self._remember(said, self._named(said))
        return msgspec.structs.replace(found, expires_at=self._clock.now() + self._seconds)

    def _is_the_proxy(self, scope: Scope) -> bool:
        peer = peer_of(scope)
        return peer is not None and peer in self._addresses

    def _named(self, said: Headers) -> Principal:
        user, name = _single(said, self._user) or "", _single(said, self._name)
        return self._grants.principal(user, self._groups_of(said), credential=f"{KIND}:{user}", name=name or None)

    def _remember(self, said: Headers, found: Principal) -> Principal:
        """The same headers come with each request of somebody, and grants do not change while a process runs."""
        self._known[said] = found
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return found

    def _groups_of(self, said: Headers) -> list[str]:
        """Between commas, in any number of headers."""
        texts = (_decoded(value) for each, value in said if each == self._groups)
        groups = [part.strip() for text in texts for part in text.split(",") if part.strip()]
        return groups[:MAX_GROUPS]


def _single(said: Headers, name: bytes) -> str | None:
    """The header's text. Raises `RefusedError` where it is there twice: nobody says which one is the proxy's own."""
    found = [value for each, value in said if each == name]
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

"""Where a request came from, as far as it can be believed: proxies say so in headers, and so may anybody."""

import ipaddress
from collections.abc import Iterable

from taskscope_api.asked import Scope, header

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_HOPS = 16
"""Addresses of `X-Forwarded-For` that are looked at, from its end."""
SECURE = {"https", "wss"}


class Networks:
    """Addresses and networks, as they are configured."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in texts)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)

    def __bool__(self) -> bool:
        return bool(self._networks)


class Addresses:
    """Reads scopes. The `trusted` alone are believed what they forward: each adds the one before it to the end of the list."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = Networks(trusted)

    def client(self, scope: Scope) -> str:
        """The address that a request came from: the last one that no trusted proxy has. Empty where there is none."""
        peer = peer_of(scope)
        if not self._trusted or peer is None or peer not in self._trusted:
            return _peer_text(scope) if peer is None else str(peer)
        forwarded = (header(scope, b"x-forwarded-for") or "").split(",")[-MAX_HOPS:]
        for text in reversed(forwarded):
            hop = _address(text.strip())
            if hop is None:
                break
            peer = hop
            if peer not in self._trusted:
                break
        return str(peer)

    def is_secure(self, scope: Scope) -> bool:
        """Whether the client speaks TLS, as far as is known."""
        said = self._forwarded(scope, b"x-forwarded-proto") or scope.get("scheme", "http")
        return said.lower() in SECURE

    def host(self, scope: Scope) -> str:
        """Host and port as the client knows them; empty where it says none."""
        return self._forwarded(scope, b"x-forwarded-host") or header(scope, b"host") or ""

    def _forwarded(self, scope: Scope, name: bytes) -> str | None:
        """What the nearest proxy says, if it is trusted."""
        if not self._trusted or (peer := peer_of(scope)) is None or peer not in self._trusted:
            return None
        return (header(scope, name) or "").rpartition(",")[2].strip() or None


def peer_of(scope: Scope) -> Address | None:
    """The address at the other end of the connection; None where it has none (a unix socket)."""
    return _address(_peer_text(scope))


def _peer_text(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def _address(text: str) -> Address | None:
    """The address; one of IPv4 in a coat of IPv6 without it. With a port, as some proxies write it, too."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found

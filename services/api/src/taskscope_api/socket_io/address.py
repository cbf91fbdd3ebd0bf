"""At which URL other replicas reach this one."""

import ipaddress
import socket

from taskscope_shared.settings import Api

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that nobody has (RFC 5737, RFC 3849): the way to them begins at the address by which others know this machine."""


def advertised(api: Api) -> str | None:
    """As configured, else by the address that is listened on; None where that cannot be known."""
    if api.advertise is not None:
        return api.advertise.rstrip("/")
    if api.port == 0:
        return None
    host = _own_address(api.host)
    return None if host is None else f"http://{f'[{host}]' if ':' in host else host}:{api.port}"


def _own_address(host: str) -> str | None:
    try:
        listening = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host  # a name
    if not listening.is_unspecified:
        return str(listening)
    families = (socket.AF_INET,) if listening.version == 4 else (socket.AF_INET6, socket.AF_INET)
    return next((found for family in families if (found := _towards(family)) is not None), None)


def _towards(family: socket.AddressFamily) -> str | None:
    """The own address on the way out. Nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None

"""What follows when somebody is not let in: it is counted, written down, and answered."""

import ipaddress
from http import HTTPStatus

from taskscope_api.access.audit import Audit
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.throttle import Throttle
from taskscope_api.addresses import Addresses
from taskscope_api.asked import Scope
from taskscope_api.errors import PROBLEM_TYPE, ApiError
from taskscope_api.principals import Principal

NEIGHBOURS = 64
"""Bits of an IPv6 address that one customer has at least: what follows them costs nothing to change."""


class Failures:
    """Of all modes of one app."""

    def __init__(self, throttle: Throttle, audit: Audit, addresses: Addresses) -> None:
        self.throttle = throttle
        self.audit = audit
        self._addresses = addresses

    def refused(self, scope: Scope, refused: RefusedError, mode: str | None, modes: tuple[str, ...]) -> ApiError:
        """What the caller is told of what was wrong: 401 or 403, or 429 after too much of it."""
        self.audit.refused(refused.kind, scope, mode, credential=refused.credential)
        if refused.counts and (wait := self.throttle.failed(*self._keys(scope, refused.credential))):
            detail = "too many wrong tokens came from this address, or for this id; right ones are taken all the time"
            return ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too-many-failures", detail, retry_after_seconds=wait)
        told = modes if refused.status == HTTPStatus.UNAUTHORIZED else ()
        return ApiError(refused.status, refused.kind, refused.detail, modes=told)

    def turned_away(self, scope: Scope, error: ApiError, asking: Principal | None, mode: str | None = None) -> None:
        """Write down that somebody, or nobody known, did not get what they wanted."""
        self.audit.refused(error.problem.type.removeprefix(PROBLEM_TYPE), scope, mode, asking)

    def _keys(self, scope: Scope, credential: str | None) -> list[str]:
        keys = [f"address {_neighbourhood(self._addresses.client(scope))}"]
        return keys if credential is None else [*keys, credential]


def _neighbourhood(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, NEIGHBOURS), strict=False)) if found.version == 6 else address

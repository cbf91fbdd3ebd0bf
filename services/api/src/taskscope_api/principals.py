"""Who asks: the one place where a request or a subscription gets its principal, with its roles and sources."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import wraps
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from quart import g, has_websocket_context, request, websocket
from quart.wrappers.base import BaseRequestWebsocket

from taskscope_api.errors import ApiError

ROLE_ATTRIBUTE = "_taskscope_role"
ANSWER_SECONDS = 10.0
"""Until an answer has to begin. What is in memory takes milliseconds; what is asked of Redis may meet a server that hangs."""


class Role(StrEnum):
    """What may be done, each including those before it. `public` needs no principal (probes, the page's own files)."""

    PUBLIC = "public"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Principal(msgspec.Struct, frozen=True):
    """Somebody with what they may do, and the sources they may see (None: all of them)."""

    name: str
    role: Role
    sources: frozenset[str] | None = None

    def may_see(self, source: str) -> bool:
        """Whether the source is within the principal's scope."""
        return self.sources is None or source in self.sources


class Access(Protocol):
    """Tells who asks."""

    def principal(self, request: BaseRequestWebsocket) -> Principal | None:
        """Who sent the request or opened the socket; None when nobody known did."""
        ...


class OpenAccess:
    """Mode `none`: everybody views everything."""

    def principal(self, request: BaseRequestWebsocket) -> Principal | None:  # noqa: ARG002 - it does not matter who asks
        """A viewer of all sources."""
        return Principal("anonymous", Role.VIEWER)


View = Callable[..., Awaitable[Any]]


def requires(role: Role, access: Access) -> Callable[[View], View]:
    """Declare a route's role. Every route has exactly one of these; `principal()` then says who asks."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def checked(*args: object, **kwargs: object) -> object:
            if role is not Role.PUBLIC:
                g.principal = _admit(role, access)
            return await (view(*args, **kwargs) if has_websocket_context() else _in_time(view(*args, **kwargs)))

        setattr(checked, ROLE_ATTRIBUTE, role)
        return checked

    return decorate


async def _in_time(answering: Awaitable[Any]) -> object:
    """What the route answers. Raises `ApiError` when it takes too long: nothing hangs, whatever it waits for."""
    limit = asyncio.timeout(ANSWER_SECONDS)
    try:
        async with limit:
            return await answering
    except TimeoutError:
        if not limit.expired():
            raise
        detail = f"this took more than {ANSWER_SECONDS:g} s; /api/health says how what it needs is"
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "took-too-long", detail) from None


def principal() -> Principal:
    """Who asks, in a route that is not public."""
    found: Principal = g.principal
    return found


def _admit(role: Role, access: Access) -> Principal:
    asking = access.principal(websocket if has_websocket_context() else request)
    if asking is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "unauthenticated", "say who you are")
    order = list(Role)
    if order.index(asking.role) < order.index(role):
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"this takes the role {role}; {asking.name} has {asking.role}")
    return asking

"""Who asks: the one place where a request or a subscription gets its principal, with its roles and sources."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from enum import StrEnum
from functools import wraps
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from quart import g, has_websocket_context, request, websocket

from taskscope_api.asked import SCOPE_KEY, Scope
from taskscope_api.errors import ApiError
from taskscope_api.origins import Origins

IDENTIFIED = "taskscope.identified"
"""Where a scope holds its principal, None, or the `ApiError` that looking for it ended with."""
ROLE_ATTRIBUTE = "_taskscope_role"
ANSWER_SECONDS = 10.0
"""Until an answer has to begin. What is in memory takes milliseconds; what is asked of Redis may meet a server that hangs."""


class Role(StrEnum):
    """What may be done, each including those before it. `public` needs no principal (probes, the page's own files)."""

    PUBLIC = "public"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


RANKS = {role: rank for rank, role in enumerate(Role)}


class Principal(msgspec.Struct, frozen=True):
    """Somebody with what they may do, and the sources they may see (None: all of them).

    `expires_at` (epoch seconds) is when their rights end by themselves, `credential` what they were known by: an id, never a
    secret.
    """

    name: str
    role: Role
    sources: frozenset[str] | None = None
    expires_at: float | None = None
    credential: str | None = None

    def may_see(self, source: str) -> bool:
        """Whether the source is within the principal's scope."""
        return self.sources is None or source in self.sources

    def may(self, role: Role) -> bool:
        """Whether the principal has the role at least."""
        return RANKS[self.role] >= RANKS[role]


class Access(Protocol):
    """Tells who asks."""

    @property
    def modes(self) -> tuple[str, ...]:
        """How one may say who one is: `none`, `token`, `session`, `proxy`, `oidc`, `service_account`."""
        ...

    async def principal(self, scope: Scope) -> Principal | None:
        """Who sent the request or opened the socket, by its ASGI scope; None when nobody known did.

        Raises `ApiError` for what was said of who asks and is wrong.
        """
        ...

    def turned_away(self, scope: Scope, error: ApiError, asking: Principal | None) -> None:
        """Learn that somebody (None: nobody known) was not let in, for the audit log."""
        ...

    def holds(self, principal: Principal) -> bool:
        """Whether the principal still has these rights. Asked each second for each open socket: nothing is waited for."""
        ...


class OpenAccess:
    """Mode `none`: everybody views everything."""

    modes = ("none",)

    def __init__(self, origins: Origins | None = None) -> None:
        self._origins = origins

    async def principal(self, scope: Scope) -> Principal | None:
        """A viewer of all sources. Raises `ApiError` for a page of another site, which may not ask in its visitor's name."""
        if self._origins is not None:
            self._origins.check_host(scope)
            self._origins.check(scope, borrowed=False)
        return Principal("anonymous", Role.VIEWER)

    def turned_away(self, scope: Scope, error: ApiError, asking: Principal | None) -> None:
        """Nobody is, but for a role that nobody has."""

    def holds(self, principal: Principal) -> bool:  # noqa: ARG002 - as above
        """Always."""
        return True


View = Callable[..., Awaitable[Any]]


def requires(role: Role, access: Access) -> Callable[[View], View]:
    """Declare a route's role. Every route has exactly one of these; `principal()` then says who asks."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def checked(*args: object, **kwargs: object) -> object:
            handled = websocket if has_websocket_context() else request
            scope: MutableMapping[str, Any] = handled.scope  # type: ignore[assignment]  # TypedDicts without our key
            noted = scope.get(SCOPE_KEY)
            if noted is not None and handled.url_rule is not None:
                noted.route = handled.url_rule.rule  # also of a request whose client leaves before its answer begins
            if role is not Role.PUBLIC:
                g.principal = await admitted(scope, role, access)
                if noted is not None:
                    noted.principal = g.principal.name
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


def varies(access: Access) -> str | None:
    """The headers by which answers differ because of who asks, for `Vary`; None where nobody is asked who they are."""
    return None if access.modes == OpenAccess.modes else "Authorization, Cookie"


def principal() -> Principal:
    """Who asks, in a route that is not public."""
    found: Principal = g.principal
    return found


def unauthenticated(modes: tuple[str, ...]) -> ApiError:
    """The 401 for nobody known."""
    return ApiError(HTTPStatus.UNAUTHORIZED, "unauthenticated", f"say who you are, by one of: {', '.join(modes)}", modes=modes)


async def admitted(scope: MutableMapping[str, Any], role: Role, access: Access) -> Principal:
    """Who asks, with the role at least. Raises `ApiError`: 401 for nobody known, 403 for too little."""
    asking = await identified(scope, access)
    if asking is None:
        error = unauthenticated(access.modes)
    elif asking.may(role):
        return asking
    else:
        error = ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"this takes the role {role}; {asking.name} has {asking.role}")
    access.turned_away(scope, error, asking)
    raise error


async def identified(scope: MutableMapping[str, Any], access: Access) -> Principal | None:
    """Who asks, looked up once for each request: a failure counts once, too. Raises `ApiError`."""
    if IDENTIFIED not in scope:
        try:
            scope[IDENTIFIED] = await access.principal(scope)
        except ApiError as error:
            scope[IDENTIFIED] = error
    found: Principal | ApiError | None = scope[IDENTIFIED]
    if isinstance(found, ApiError):
        raise found
    return found

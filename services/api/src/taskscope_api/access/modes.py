"""The modes of access put together: who asks is told by the first authenticator that knows."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskscope_shared.clock import Clock

from taskscope_api.access.failures import Failures
from taskscope_api.access.jwt_verifier import is_jwt
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.sessions import MODE as SESSION
from taskscope_api.asked import Scope, bearer
from taskscope_api.errors import ApiError
from taskscope_api.origins import Origins
from taskscope_api.principals import Principal


class Authenticator(Protocol):
    """One way to say who one is.

    `mode` is its name for users; `borrowed`: a browser adds what it goes by to each request by itself, so that other sites'
    pages could borrow it.
    """

    @property
    def mode(self) -> str: ...  # noqa: D102 - above

    @property
    def borrowed(self) -> bool: ...  # noqa: D102 - above

    async def identify(self, scope: Scope) -> Principal | None:
        """Who asks; None: nothing was said that this one understands. Raises `RefusedError` for what was said and is wrong."""
        ...


class Standing(Protocol):
    """Knows whether the rights of some credentials may have changed."""

    def holds(self, principal: Principal) -> bool:
        """Whether they are the same. Nothing is waited for."""
        ...


class Modes:
    """`principals.Access` by several authenticators, in their order.

    `standing` has who watches credentials of a kind: the part of `Principal.credential` before the first colon.
    """

    def __init__(
        self,
        authenticators: Sequence[Authenticator],
        standing: Mapping[str, Standing],
        origins: Origins,
        failures: Failures,
        clock: Clock,
    ) -> None:
        ordered = [each for each in authenticators if not each.borrowed] + [each for each in authenticators if each.borrowed]
        self._authenticators = tuple(ordered)
        self._standing = standing
        self._origins = origins
        self._failures = failures
        self._clock = clock
        self.modes = tuple(dict.fromkeys(each.mode for each in authenticators if each.mode != SESSION))

    async def principal(self, scope: Scope) -> Principal | None:
        """See `principals.Access`. Raises `ApiError`: 401, 403, 429."""
        for each in self._authenticators:
            try:
                found = await each.identify(scope)
            except RefusedError as refused:
                raise self._failures.refused(scope, refused, each.mode, self.modes) from None
            if found is not None:
                self._check_origin(scope, found, each)
                self._failures.audit.admitted(scope, each.mode, found)
                return found
        if (token := bearer(scope)) is not None:
            of_others = ": a JWT, but of no issuer that is configured" if is_jwt(token) else ""
            unknown = RefusedError("unknown-token", f"the Authorization header holds no token that is known here{of_others}")
            raise self._failures.refused(scope, unknown, None, self.modes)
        return None

    def _check_origin(self, scope: Scope, found: Principal, by: Authenticator) -> None:
        try:
            self._origins.check(scope, borrowed=by.borrowed)
        except ApiError as error:
            self._failures.turned_away(scope, error, found, by.mode)
            raise

    def turned_away(self, scope: Scope, error: ApiError, asking: Principal | None) -> None:
        """See `principals.Access`."""
        self._failures.turned_away(scope, error, asking)

    def holds(self, principal: Principal) -> bool:
        """See `principals.Access`."""
        if principal.expires_at is not None and self._clock.now() >= principal.expires_at:
            return False
        watching = self._standing.get((principal.credential or "").partition(":")[0])
        return watching is None or watching.holds(principal)

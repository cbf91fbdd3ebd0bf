"""The modes of access put together: who asks is told by the first authenticator that knows."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskscope_shared.clock import Clock

from taskscope_api.access.refused import RefusedError
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


class Failures(Protocol):
    """What is done about failures: counted, written down, and answered."""

    def refused(self, scope: Scope, refused: RefusedError, modes: tuple[str, ...]) -> ApiError:
        """What the caller is told: the 401 or 403, or a 429 after too many."""
        ...

    def foreign(self, scope: Scope, error: ApiError, principal: Principal) -> None:
        """A page of another site wanted something in this name."""
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
        self._bearers = [each for each in authenticators if not each.borrowed]
        self._borrowed = [each for each in authenticators if each.borrowed]
        self._standing = standing
        self._origins = origins
        self._failures = failures
        self._clock = clock
        self.modes = tuple(dict.fromkeys(each.mode for each in authenticators))

    async def principal(self, scope: Scope) -> Principal | None:
        """See `principals.Access`. Raises `ApiError`: 401, 403, 429."""
        try:
            for each in self._bearers:
                if (found := await each.identify(scope)) is not None:
                    self._check(scope, found, borrowed=False)
                    return found
            for each in self._borrowed:
                if (found := await each.identify(scope)) is not None:
                    self._check(scope, found, borrowed=True)
                    return found
            _nobody_took_it(scope)
        except RefusedError as refused:
            raise self._failures.refused(scope, refused, self.modes) from None
        return None

    def _check(self, scope: Scope, found: Principal, *, borrowed: bool) -> None:
        try:
            self._origins.check(scope, borrowed=borrowed)
        except ApiError as error:
            self._failures.foreign(scope, error, found)
            raise

    def holds(self, principal: Principal) -> bool:
        """See `principals.Access`."""
        if principal.expires_at is not None and self._clock.now() >= principal.expires_at:
            return False
        watching = self._standing.get((principal.credential or "").partition(":")[0])
        return watching is None or watching.holds(principal)


def _nobody_took_it(scope: Scope) -> None:
    if bearer(scope) is not None:
        raise RefusedError("unknown-token", "the Authorization header holds no token that this installation knows")

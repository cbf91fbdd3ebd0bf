"""JWTs in `Authorization: Bearer`: of people and services whom the provider knows, and of the cluster's service accounts."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus

import msgspec
from taskscope_shared.clock import Clock

from taskscope_api.access.jwks import KeysUnavailableError
from taskscope_api.access.jwt_verifier import Claims, InvalidTokenError, UntimelyTokenError, Verifier, is_jwt, issuer_of
from taskscope_api.access.refused import RefusedError
from taskscope_api.asked import Scope, bearer
from taskscope_api.errors import ApiError
from taskscope_api.principals import Principal

KNOWN_SECONDS = 60.0
"""How long a token is not looked at again: a key that its provider withdrew ends its tokens within this."""
MAX_KNOWN = 10_000

Worth = Callable[[Claims], Principal]
"""What a token's claims are worth here. Raises `RefusedError`."""


class Known(msgspec.Struct, frozen=True):
    """Whose a token is, by which mode, until when that needs no second look."""

    mode: str
    principal: Principal
    until: float


class KnownTokens:
    """Tokens of all issuers that were looked at lately, by their hash: a request costs a look at this alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, token: str) -> Known | None:
        """What is known of it, if that still counts."""
        known = self._known.get(_digest(token))
        return known if known is not None and self._clock.now() < known.until else None

    def add(self, token: str, mode: str, found: Principal) -> None:
        """Remember it for a minute, or until it ends."""
        until = min(found.expires_at or 0.0, self._clock.now() + KNOWN_SECONDS)
        digest = _digest(token)
        self._known[digest] = Known(mode, found, until)
        self._known.move_to_end(digest)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


def _digest(token: str) -> bytes:
    return sha256(token.encode("latin-1")).digest()


class JwtBearers:
    """Tokens of `issuer`; those of others are left to others. `leeway_seconds` is how long one is taken after its end."""

    borrowed = False

    def __init__(
        self, mode: str, issuer: str, verifier: Verifier, worth: Worth, known: KnownTokens, *, leeway_seconds: float = 0.0
    ) -> None:
        self.mode = mode
        self._issuer = issuer
        self._verifier = verifier
        self._worth = worth
        self._known = known
        self._leeway = leeway_seconds

    async def identify(self, scope: Scope) -> Principal | None:
        """See `modes.Authenticator`. Raises `ApiError` (503) where the issuer's keys cannot be had."""
        if (token := bearer(scope)) is None:
            return None
        if (known := self._known.find(token)) is not None:
            return known.principal if known.mode == self.mode else None
        if not is_jwt(token) or issuer_of(token) != self._issuer:
            return None
        found = await self._looked_at(token)
        self._known.add(token, self.mode, found)
        return found

    async def _looked_at(self, token: str) -> Principal:
        try:
            claims = await self._verifier.verify(token)
        except InvalidTokenError as error:
            detail = f"the token of {self._issuer} is not accepted: {error}"
            raise RefusedError("invalid-token", detail, counts=not isinstance(error, UntimelyTokenError)) from None
        except KeysUnavailableError as error:
            detail = (
                f"whether the token is good cannot be told: the keys of {self._issuer} cannot be had ({error}); try again soon"
            )
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "provider-unavailable", detail) from None
        return msgspec.structs.replace(self._worth(claims), expires_at=float(claims["exp"]) + self._leeway)

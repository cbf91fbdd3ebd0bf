"""Checks a JWT: its form, its signature, and what every one of them has to claim.

The algorithm is chosen by what is allowed and by the key, never by the token alone: `none` and secrets (HS256) are not among
them.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode
from taskscope_shared.clock import Clock
from taskscope_shared.settings_access import ALGORITHMS

from taskscope_api.access.jwks import MAX_KEY_ID, Keys, UnknownKeyError

MAX_TOKEN = 16 * 1024
MAX_HEADER = 4 * 1024
MAX_SIGNATURE = 2 * 1024
"""Of a token's parts, in characters."""
TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
MAX_TIME = 250_000_000_000
"""No time of a token is later (the year 9892): what comes after can be written in no answer."""
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
"""What a logout token has among its events: it looks like an identity, and is none (Back-Channel Logout 1.0 §2.4)."""

Claims = dict[str, Any]


class InvalidTokenError(Exception):
    """The token says nothing about who sent it; the message says why, and repeats nothing of it."""


class UntimelyTokenError(InvalidTokenError):
    """It has expired, or is not valid yet: nothing that somebody guessed."""


class Header(msgspec.Struct, frozen=True):
    """What a token's header says that counts here."""

    algorithm: str
    key_id: str | None


class Verifier:
    """Checks tokens of one issuer for one of the audiences, with its keys."""

    def __init__(
        self,
        issuer: str,
        audiences: Collection[str],
        keys: Keys,
        clock: Clock,
        *,
        algorithms: Collection[str] = ALGORITHMS,
        leeway_seconds: float = 60.0,
    ) -> None:
        self._issuer = issuer
        self._audiences = list(audiences)
        self._keys = keys
        self._clock = clock
        self._algorithms = frozenset(algorithms) & frozenset(ALGORITHMS)
        self._leeway = leeway_seconds
        self._registry = jws.JWSRegistry(algorithms=sorted(self._algorithms), strict_check_header=False)
        self._registry.max_header_length = MAX_HEADER
        self._registry.max_signature_length = MAX_SIGNATURE

    async def verify(self, token: str) -> Claims:
        """What the token claims. Raises `InvalidTokenError`, or `KeysUnavailableError` when it cannot be told."""
        header = _header(token, self._algorithms)
        claims = _payload(token)  # looked at before its signature, so that a foreign one costs the provider nothing
        self._check(claims)
        try:
            key = await self._keys.find(header.key_id, header.algorithm)
        except UnknownKeyError as error:
            raise InvalidTokenError(f"it was signed with a key that cannot be found: {error}") from None
        try:
            jws.deserialize_compact(token, key.public, registry=self._registry)
        except (JoseError, ValueError, TypeError):
            raise InvalidTokenError("its signature is wrong") from None
        self._check(claims)  # again: the keys may have taken seconds
        return claims

    def _check(self, claims: Claims) -> None:
        wanted = JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=int(self._leeway),
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "values": self._audiences},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            wanted.validate(claims)
        except ExpiredTokenError:
            raise UntimelyTokenError("it has expired") from None
        except MissingClaimError as error:
            raise InvalidTokenError(f"it does not say {error.description or 'all it has to'}") from None
        except InvalidClaimError as error:
            raise _wrong(str(error)) from None
        except (OverflowError, ValueError, TypeError):
            raise InvalidTokenError("its times are none") from None
        if claims["exp"] > MAX_TIME:
            raise InvalidTokenError("its times are none")
        events = claims.get("events")
        if isinstance(events, dict) and LOGOUT in events:
            raise InvalidTokenError("it is a logout token")


def issuer_of(token: str) -> str | None:
    """The issuer that a token names, unchecked: tells whose verifier has to look at it."""
    try:
        found = _payload(token).get("iss")
    except InvalidTokenError:
        return None
    return found if isinstance(found, str) else None


def is_jwt(token: str) -> bool:
    """Whether it has the form of one."""
    return token.startswith("eyJ") and token.count(".") == 2


def _wrong(said: str) -> InvalidTokenError:
    for part, meaning in (
        ("'iss'", "it is of another issuer"),
        ("'aud'", "it is for another audience"),
        ("'sub'", "its subject is none"),
    ):
        if part in said:
            return InvalidTokenError(meaning)
    for part, meaning in (("not yet valid", "it is not valid yet"), ("in the future", "it was issued in the future")):
        if part in said:
            return UntimelyTokenError(meaning)
    return InvalidTokenError("one of its claims is wrong")


def _header(token: str, algorithms: frozenset[str]) -> Header:
    if len(token) > MAX_TOKEN:
        raise InvalidTokenError(f"it has more than {MAX_TOKEN // 1024} KB")
    if token.count(".") != 2:
        raise InvalidTokenError("it is no signed JWT")
    header = _part(token, 0)
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise InvalidTokenError("it is signed with an algorithm that is not allowed")
    if not (key_id is None or (isinstance(key_id, str) and len(key_id) <= MAX_KEY_ID)):
        raise InvalidTokenError("its key id is none")
    if "crit" in header or "b64" in header:
        raise InvalidTokenError("it asks for extensions of JWTs that are not known here")
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in TYPES):
        raise InvalidTokenError("it is another kind of JWT")
    return Header(algorithm, key_id)


def _payload(token: str) -> Claims:
    if len(token) > MAX_TOKEN or token.count(".") != 2:
        raise InvalidTokenError("it is no signed JWT")
    return _part(token, 1)


def _part(token: str, index: int) -> dict[str, Any]:
    try:
        found = json.loads(urlsafe_b64decode(token.split(".")[index].encode("ascii")), object_pairs_hook=_once)
    except (ValueError, TypeError, RecursionError):
        raise InvalidTokenError("it is no JWT") from None
    if not isinstance(found, dict):
        raise InvalidTokenError("it is no JWT")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: of two equal ones, others may read the other one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def shown(claims: Mapping[str, Any], name: str) -> str | None:
    """A claim that is text which people may read: at most 256 characters, none of them unprintable."""
    value = claims.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable() else None

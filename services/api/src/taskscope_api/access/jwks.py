"""A provider's public keys: fetched when they are needed, kept, and asked for anew when one is not known.

A key set is read again each 5 minutes, in the background. A token with an unknown key id asks for it at once, but not within
10 s of the last time: a flood of random ids costs the provider a request each 10 s. While the provider is away, the keys that
are known are used on for an hour.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from taskscope_shared.clock import Clock

from taskscope_api.access.remote import RemoteError

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
AGAIN_SECONDS = 10.0
"""Between two requests for the key set, whoever asks."""
ABSENT_SECONDS = 2.0
"""The same while no keys are known at all."""
OLD_SECONDS = 3600.0
"""How long keys are used that could not be read again."""
MAX_KEYS = 100
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
MAX_KEY_ID = 256

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: Mapping[str, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA", "Ed25519"}),
    "Ed448": frozenset({"EdDSA", "Ed448"}),
}


class KeysUnavailableError(Exception):
    """No keys are known that a signature could be checked with; the message says why."""


class UnknownKeyError(Exception):
    """The provider has no such key, as far as is known."""


class Key(msgspec.Struct, frozen=True):
    """A public key with the algorithms that it is for."""

    id: str | None
    algorithms: frozenset[str]
    public: PublicKey


class Keys:
    """The keys that `fetch` (a JWK set; raises `RemoteError`) tells."""

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, Any]]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self.reason: str | None = None
        """Why they could not be read the last time."""

    async def find(self, key_id: str | None, algorithm: str) -> Key:
        """The key of that id for that algorithm; without an id the only one there is.

        Raises `UnknownKeyError`, or `KeysUnavailableError` when it cannot be told.
        """
        if (found := self._known(key_id, algorithm)) is not None:
            if self._age() > FRESH_SECONDS:
                self._refresh()
            return found
        if (fetching := self._refresh()) is not None:
            await asyncio.shield(fetching)
        if (found := self._known(key_id, algorithm)) is not None:
            return found
        if self._age() > OLD_SECONDS:
            raise KeysUnavailableError(self.reason or "its keys were not read yet")
        raise UnknownKeyError("its provider has no such key")

    def begin(self) -> None:
        """Read them in the background, before somebody needs them."""
        self._refresh()

    async def close(self) -> None:
        """Fetch nothing any more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _known(self, key_id: str | None, algorithm: str) -> Key | None:
        if self._age() > OLD_SECONDS:
            return None
        fitting = [key for key in self._keys if algorithm in key.algorithms and (key_id is None or key.id == key_id)]
        return fitting[0] if len(fitting) == 1 else None

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock.monotonic() - self._read_at

    def _refresh(self) -> "asyncio.Task[None] | None":
        """The request that is on its way, or a new one; None when the last one was just now."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        now = self._clock.monotonic()
        pause = ABSENT_SECONDS if self._age() > OLD_SECONDS else AGAIN_SECONDS
        if self._tried_at is not None and now - self._tried_at < pause:
            return None
        self._tried_at = now
        self._fetching = asyncio.create_task(self._read(), name="read a provider's keys")
        return self._fetching

    async def _read(self) -> None:
        try:
            keys = tuple(_usable(await self._fetch()))
        except RemoteError as error:
            self._failed(str(error))
        except Exception as error:  # the boundary of a task that nobody may wait for; the reason is shown
            logger.exception("a provider's keys could not be read")
            self._failed(type(error).__name__)
        else:
            if keys:
                self._keys, self._read_at, self.reason = keys, self._clock.monotonic(), None
            else:
                self._failed("there is no key in its key set that can be used")

    def _failed(self, reason: str) -> None:
        if reason != self.reason:
            logger.warning("a provider's keys cannot be read: %s", reason)
        self.reason = reason


def _usable(found: Mapping[str, Any]) -> Iterator[Key]:
    keys = found.get("keys")
    for described in keys[:MAX_KEYS] if isinstance(keys, list) else ():
        if isinstance(described, dict) and (key := _key(described)) is not None:
            yield key


def _key(described: dict[str, Any]) -> Key | None:
    """The key, if it is a public one for signatures; a secret one, or one that is too short, is as if it were not there."""
    kind, key_id, algorithm = described.get("kty"), described.get("kid"), described.get("alg")
    if not all(value is None or isinstance(value, str) for value in (kind, key_id, algorithm)):
        return None
    made = _KINDS.get(kind or "")
    if made is None or described.get("use", "sig") != "sig" or len(key_id or "") > MAX_KEY_ID:
        return None
    try:
        if "verify" not in described.get("key_ops", ["verify"]):
            return None
        public = made.import_key({name: described[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in described})
        algorithms = _ALGORITHMS.get("RSA" if kind == "RSA" else str(described.get("crv")), frozenset())
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, RSAKey) and not MIN_RSA_BITS <= public.public_key.key_size <= MAX_RSA_BITS:
        return None
    fitting = algorithms if algorithm is None else algorithms & {algorithm}
    return Key(key_id, fitting, public) if fitting else None

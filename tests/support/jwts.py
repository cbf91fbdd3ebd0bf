"""Tokens and keys that a test makes itself."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import json_b64encode, urlsafe_b64encode
from taskscope_api.access.remote import RemoteError

SigningKey = RSAKey | ECKey | OKPKey
ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


def rsa_key(kid: str = "one", bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"}, private=True)


def ec_key(kid: str = "one", curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid}, private=True)


def okp_key(kid: str = "one") -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid}, private=True)


def signed(key: SigningKey, claims: Mapping[str, Any] | bytes, algorithm: str = "RS256", **header: Any) -> str:
    """A JWT; `header` is added to alg and kid (a kid of None leaves it out)."""
    whole = {"alg": algorithm, "kid": key.kid, **header}
    raw = claims if isinstance(claims, bytes) else json.dumps(dict(claims)).encode()
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    registry.max_header_length = 100_000
    protected = {name: value for name, value in whole.items() if value is not None}
    return jws.serialize_compact(protected, raw, key, registry=registry)


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token whose signature is whatever it is said to be."""
    parts = (json_b64encode(dict(header)), json_b64encode(dict(claims)), urlsafe_b64encode(signature))
    return b".".join(parts).decode()


class KeySet:
    """Stands where a provider's key set is fetched from: counts requests, and may be away."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.extra: list[Any] = []
        self.away: str | None = None
        self.requests = 0
        self.gate: asyncio.Event | None = None

    async def fetch(self) -> dict[str, Any]:
        self.requests += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.away is not None:
            raise RemoteError(self.away)
        return {"keys": [*self.extra, *(key.as_dict(private=False) for key in self.keys)]}

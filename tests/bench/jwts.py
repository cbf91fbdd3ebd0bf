"""Apps that know who asks by a provider or a cluster, for the figures of `identity.py`, and what a JWT costs that comes for the first time."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from taskscope_api.app import create_app
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

Key = RSAKey | ECKey

ISSUER, CLUSTER = "https://id.example.org", "https://kubernetes.default.svc.cluster.local"
GROUPS = 50
ACCESS = {
    "mode": "oidc",
    "oidc": {"issuer": ISSUER, "client_id": "taskscope", "public_url": "https://tasks.example.org"},
    "grants": [{"group": f"g{number}", "role": "viewer", "sources": [f"s{number}"]} for number in range(GROUPS)],
    "session": {"key": "k" * 64},
    "service_accounts": {"issuer": CLUSTER, "grants": [{"namespace": "jobs", "name": "*", "role": "viewer"}]},
}


class Known(NamedTuple):
    """A way to say who one is: its name, the app that knows it, and the headers."""

    name: str
    app: Any
    headers: list[tuple[bytes, bytes]]


def provider_jwt() -> Known:
    """A person in many groups, whose JWT was looked at before."""
    app, key = _app()
    return Known(f"JWT of the provider, {GROUPS} groups", app, _bearer(person(key, 0)))


def service_account() -> Known:
    """A service account, whose token was looked at before."""
    app, key = _app()
    bound = {"namespace": "jobs", "serviceaccount": {"name": "worker", "uid": "1"}}
    claims = {"iss": CLUSTER, "sub": "system:serviceaccount:jobs:worker", "kubernetes.io": bound}
    return Known("service account beside the provider", app, _bearer(_signed(key, claims)))


def provider_session() -> Known:
    """A browser that signed in at the provider."""
    app, _ = _app()
    found = app.extensions["taskscope"].identity
    session = found.sessions.begin("oidc", "ada", "ada", [f"g{number}" for number in range(GROUPS)])
    scope = {"type": "http", "headers": [], "client": ("127.0.0.1", 1)}
    cookie = found.sessions.cookie(session, scope).partition(";")[0]
    return Known(f"session of the provider, {GROUPS} groups", app, [(b"cookie", cookie.encode())])


WAYS: list[Callable[[], Known]] = [provider_jwt, service_account, provider_session]


async def first_time(kind: type[Key], algorithm: str, tokens: int = 1_000) -> float:
    """Microseconds of processor time for a JWT that nobody looked at before."""
    app, key = _app(kind, algorithm)
    access = app.extensions["taskscope"].access
    scopes = [{"type": "http", "method": "GET", "headers": _bearer(person(key, number, algorithm))} for number in range(tokens)]
    await access.principal(scopes[0])
    began = time.process_time()
    for scope in scopes[1:]:
        await access.principal(scope)
    return (time.process_time() - began) / (tokens - 1) * 1e6


def person(key: Key, number: int, algorithm: str = "RS256") -> str:
    """A JWT of a person."""
    groups = [f"g{each}" for each in range(GROUPS)]
    return _signed(
        key, {"iss": ISSUER, "sub": "42", "preferred_username": "ada", "groups": groups, "jti": str(number)}, algorithm
    )


def _app(kind: type[Key] = RSAKey, algorithm: str = "RS256") -> tuple[Any, Key]:
    """In mode oidc, with service accounts; it has the keys of both from here."""
    parameters: Any = {"kid": "one", "alg": algorithm}
    key: Key = ECKey.generate_key("P-256", parameters) if kind is ECKey else RSAKey.generate_key(2048, parameters)
    clock = SystemClock()
    app = create_app(Settings.model_validate({"access": ACCESS}), MemoryStore(clock), clock)

    async def fetch() -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    for provider in app.extensions["taskscope"].identity.providers:
        provider.keys._fetch = fetch
    return app, key


def _signed(key: Key, claims: dict[str, Any], algorithm: str = "RS256") -> str:
    now = int(time.time())
    return jwt.encode({"alg": algorithm, "kid": "one"}, {"aud": "taskscope", "exp": now + 36_000, "iat": now, **claims}, key)


def _bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]

"""What it costs to tell who asks by a JWT or by a session of the provider: `.venv/bin/python tests/bench/jwts.py`.

The whole of `Modes.principal`, as each request pays it: origin, audit and all, with oidc and service accounts both on.
Processor time, since machines are shared.
"""

import asyncio
import gc
import statistics
import time
from typing import Any

from support.jwts import KeySet, SigningKey, ec_key, rsa_key, signed
from taskscope_api.access.identity import Identity, identity_of
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Settings

ISSUER, CLUSTER = "https://id.example.org", "https://kubernetes.default.svc.cluster.local"
ROUNDS, REQUESTS = 7, 2_000
GRANTS = [{"group": "platform", "role": "viewer"}, {"user": "ada", "role": "operator"}]
ACCESS = {
    "mode": "oidc",
    "oidc": {"issuer": ISSUER, "client_id": "taskscope", "public_url": "https://tasks.example.org"},
    "grants": GRANTS,
    "session": {"key": "a-key-of-the-bench-with-32-characters"},
    "service_accounts": {"issuer": CLUSTER, "grants": [{"namespace": "jobs", "name": "*", "role": "viewer"}]},
}


def identity(key: SigningKey) -> Identity:
    """As an api has it, with keys that are read from here."""
    made = identity_of(Settings.model_validate({"access": ACCESS}), SystemClock())
    for each in made.access._authenticators:  # type: ignore[attr-defined]
        if hasattr(each, "_verifier"):
            each._verifier._keys._fetch = KeySet(key).fetch
    return made


def token(key: SigningKey, algorithm: str, number: int, issuer: str = ISSUER) -> str:
    """One of a person, or of a service account."""
    now = int(time.time())
    person = {"sub": "42", "preferred_username": "ada", "groups": ["platform", *(f"group-{n}" for n in range(30))]}
    bound = {"namespace": "jobs", "serviceaccount": {"name": "worker", "uid": "1"}}
    account = {"sub": "system:serviceaccount:jobs:worker", "kubernetes.io": bound}
    whose = person if issuer == ISSUER else account
    return signed(
        key, {"iss": issuer, "aud": "taskscope", "exp": now + 3600, "iat": now, "jti": str(number), **whose}, algorithm
    )


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """A request as a browser or a service sends it."""
    usual = [(b"host", b"tasks.example.org"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    return {"type": "http", "method": "GET", "path": "/api/tasks", "headers": [*usual, *headers], "client": ("127.0.0.1", 1)}


async def microseconds(made: Identity, asked: dict[str, Any]) -> float:
    """The median of the rounds, for a request."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REQUESTS):
            assert await made.access.principal(asked) is not None
        rounds.append((time.process_time() - began) / REQUESTS * 1e6)
    return statistics.median(rounds)


def bringing(token_: str) -> dict[str, Any]:
    """A request with this token."""
    return scope((b"authorization", f"Bearer {token_}".encode()))


async def of_the_provider(algorithm: str, key: SigningKey) -> list[list[str]]:
    """JWTs with signatures of that kind."""
    made = identity(key)
    known = await microseconds(made, bringing(token(key, algorithm, 0)))
    fresh = [bringing(token(key, algorithm, number)) for number in range(1, REQUESTS)]
    began = time.process_time()
    for one in fresh:
        assert await made.access.principal(one) is not None
    first = (time.process_time() - began) / len(fresh) * 1e6
    return [
        [f"JWT, {algorithm}, checked before", f"{known:.1f} µs"],
        [f"JWT, {algorithm}, for the first time", f"{first:.1f} µs"],
    ]


async def measured() -> list[list[str]]:
    """A row for each way."""
    key = rsa_key()
    made = identity(key)
    rows = [*await of_the_provider("RS256", key), *await of_the_provider("ES256", ec_key())]
    account = bringing(token(key, "RS256", 0, CLUSTER))
    rows.append(["service account, checked before", f"{await microseconds(made, account):.1f} µs"])
    assert made.sessions is not None
    cookie = made.sessions.cookie(made.sessions.begin("oidc", "ada", "ada", ["platform"]), scope()).partition(";")[0]
    session = scope((b"cookie", cookie.encode()))
    rows.append(["session of the provider", f"{await microseconds(made, session):.1f} µs"])
    return rows


if __name__ == "__main__":
    gc.disable()
    for way, cost in asyncio.run(measured()):
        print(f"{way:40} {cost}")

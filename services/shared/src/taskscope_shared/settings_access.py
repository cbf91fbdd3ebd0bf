"""Who may see what, as it is configured. `docs/security.md` says the same to users."""

from typing import Literal, get_args

from pydantic import Field

from taskscope_shared.settings_base import Secret, SecretFile, Strict

RoleName = Literal["viewer", "operator", "admin"]
ModeName = Literal["none", "token", "proxy", "oidc"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
"""Whoever checks such a signature could not have made it. Secrets (HS256) and `none` cannot be configured."""
CLUSTER_KEYS = "https://kubernetes.default.svc/openid/v1/jwks"


class Tokens(Strict):
    """The file that holds the tokens' hashes. It is read anew when it changes."""

    file: str


class Grant(Strict):
    """What members of `group`, or `user`, may do, and at which sources (None: at all)."""

    group: str | None = None
    user: str | None = None
    role: RoleName
    sources: tuple[str, ...] | None = None


class DefaultGrant(Strict):
    """What whoever signed in may do whom no grant fits."""

    role: RoleName = "viewer"
    sources: tuple[str, ...] | None = None


class Proxy(Strict):
    """The proxies whose word counts (addresses or networks), and the headers by which they say who asks."""

    addresses: tuple[str, ...] = ()
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    name_header: str = "X-Forwarded-Preferred-Username"
    seconds: float = Field(default=3600.0, ge=60, le=7 * 24 * 3600)


class Oidc(Strict):
    """The company's provider of identities (OpenID Connect), and this installation as its client.

    `public_url` is where browsers reach Taskscope: the provider sends them back there. `username_claim` (None:
    preferred_username, else email, else sub) and `groups_claim` may name a member of a claim: `realm_access.roles`.
    `audience` (None: `client_id`) is whom tokens of services have to be for. `ca_file` holds the certificates that the
    provider is trusted by (None: the system's).
    """

    issuer: str
    client_id: str
    client_secret: Secret | None = None
    public_url: str
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    username_claim: str | None = None
    groups_claim: str = "groups"
    audience: str | None = None
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    ca_file: str | None = None
    leeway_seconds: float = Field(default=60.0, ge=0, le=300)


class ServiceAccountGrant(Strict):
    """What a service account may do; `namespace` and `name` may hold `*` for any text."""

    namespace: str
    name: str
    role: RoleName
    sources: tuple[str, ...] | None = None


class ServiceAccounts(Strict):
    """Tokens of the cluster's service accounts: who made them, for whom they have to be, and what they are worth.

    `jwks_url` is where the cluster's keys are (None: where the issuer's discovery document says). The cluster's own API
    server wants to know who asks: `token_file`, by default that of the pod, as `ca_file` is.
    """

    issuer: str
    audience: str = "taskscope"
    jwks_url: str | None = CLUSTER_KEYS
    ca_file: str | None = None
    token_file: str | None = None
    grants: tuple[ServiceAccountGrant, ...] = ()
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    leeway_seconds: float = Field(default=60.0, ge=0, le=300)


class Session(Strict):
    """How browsers stay signed in: `key` signs their cookies, `seconds` is how long one lasts."""

    key: Secret | None = None
    seconds: float = Field(default=12 * 3600.0, ge=60, le=30 * 24 * 3600)


class Throttle(Strict):
    """Failures within `seconds` that one address, and one token id, may have before more are told to wait."""

    failures: int = Field(default=20, ge=1, le=10_000)
    seconds: float = Field(default=60.0, ge=1, le=3600)


class Access(Strict):
    """Who may see what. Without a mode: everybody on loopback, and nothing is served elsewhere."""

    mode: ModeName | None = None
    tokens: Tokens | None = None
    grants: tuple[Grant, ...] = ()
    default: DefaultGrant | None = None
    proxy: Proxy | None = None
    oidc: Oidc | None = None
    service_accounts: ServiceAccounts | None = None
    session: Session = Session()
    throttle: Throttle = Throttle()


__all__ = [
    "ALGORITHMS",
    "Access",
    "Algorithm",
    "CLUSTER_KEYS",
    "DefaultGrant",
    "Grant",
    "ModeName",
    "Oidc",
    "Proxy",
    "RoleName",
    "Secret",
    "SecretFile",
    "ServiceAccountGrant",
    "ServiceAccounts",
    "Session",
    "Throttle",
    "Tokens",
]

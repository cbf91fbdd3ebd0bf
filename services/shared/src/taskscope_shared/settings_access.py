"""Who may see what, as it is configured. `docs/security.md` says the same to users."""

from typing import Literal

from pydantic import Field

from taskscope_shared.settings_base import Secret, SecretFile, Strict

RoleName = Literal["viewer", "operator", "admin"]
ModeName = Literal["none", "token", "proxy", "oidc"]


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
    """The company's provider of identities."""


class ServiceAccounts(Strict):
    """Tokens of the cluster's service accounts."""


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
    "Access",
    "DefaultGrant",
    "Grant",
    "ModeName",
    "Oidc",
    "Proxy",
    "RoleName",
    "Secret",
    "SecretFile",
    "ServiceAccounts",
    "Session",
    "Throttle",
    "Tokens",
]

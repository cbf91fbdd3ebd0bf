"""What can be wrong with `access.oidc` and `access.service_accounts`, that no type tells."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from taskscope_shared.settings_problems import NAME, Problem

_ISSUER = "https://id.example.org/realms/company, as the provider's discovery document says it"
_CLUSTER = "https://kubernetes.default.svc.cluster.local; kubectl get --raw /.well-known/openid-configuration says it"


def check_oidc(oidc: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of `access.oidc`."""
    yield from _address("access.oidc.issuer", oidc.get("issuer"), _ISSUER)
    public = oidc.get("public_url")
    if isinstance(public, str) and "${" not in public and not _is_site(public):
        yield Problem("access.oidc.public_url", "is not where browsers find this", "https://tasks.example.org, or with a path")
    if oidc.get("client_id") == "":
        yield Problem("access.oidc.client_id", "is empty", "as it is registered at the provider")
    scopes = oidc.get("scopes")
    if isinstance(scopes, list | tuple) and "openid" not in scopes:
        yield Problem("access.oidc.scopes", "does not hold openid", "[openid, profile, email]")
    yield from _algorithms("access.oidc", oidc)


def check_service_accounts(access: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of `access.service_accounts`, which work beside every mode but none."""
    accounts = access.get("service_accounts")
    if not isinstance(accounts, Mapping):
        return
    path = "access.service_accounts"
    if access.get("mode") == "none":
        yield Problem(path, "counts beside a mode that asks who somebody is", "access.mode: token, proxy or oidc")
    yield from _address(f"{path}.issuer", accounts.get("issuer"), _CLUSTER)
    yield from _address(f"{path}.jwks_url", accounts.get("jwks_url"), "https://kubernetes.default.svc/openid/v1/jwks")
    if accounts.get("audience") == "":
        yield Problem(f"{path}.audience", "is empty", "taskscope")
    yield from _algorithms(path, accounts)
    grants = accounts.get("grants")
    if not grants:
        yield Problem(
            f"{path}.grants", "is missing: without any, no account has a right", "[{namespace: jobs, name: '*', role: viewer}]"
        )
    for index, grant in enumerate(grants if isinstance(grants, list | tuple) else ()):
        if isinstance(grant, Mapping):
            yield from _grant(f"{path}.grants[{index}]", grant)


def _grant(path: str, grant: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("namespace", "name"):
        if grant.get(name) == "":
            yield Problem(f"{path}.{name}", "is empty", "* stands for any")
    sources = grant.get("sources")
    if isinstance(sources, list | tuple):
        if not sources:
            yield Problem(f"{path}.sources", "names no source", "leave it out for all of them")
        for index, name in enumerate(sources):
            if isinstance(name, str) and not NAME.fullmatch(name):
                yield Problem(f"{path}.sources[{index}]", "cannot be the name of a source", "patterns are not taken here")


def _algorithms(path: str, holder: Mapping[str, Any]) -> Iterator[Problem]:
    algorithms = holder.get("algorithms")
    if isinstance(algorithms, list | tuple) and not algorithms:
        yield Problem(f"{path}.algorithms", "is empty: no token could be checked", "leave it out, or [RS256, ES256]")


def _address(path: str, value: object, example: str) -> Iterator[Problem]:
    """Whoever could change what is read there could make tokens: so TLS, but for a server of this machine."""
    if not isinstance(value, str) or "${" in value:
        return
    parts = _split(value)
    if parts is None or parts.query or parts.fragment or parts.username is not None:
        yield Problem(path, "is not an address", example)
    elif parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        yield Problem(path, "is reached without TLS: whoever is in between could be anybody", example)


def _is_site(value: str) -> bool:
    parts = _split(value)
    return parts is not None and not parts.query and not parts.fragment and parts.username is None


def _split(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        return None
    return None if wrong or any(character.isspace() for character in value) else parts


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

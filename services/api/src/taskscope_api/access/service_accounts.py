"""Service accounts of the cluster: their tokens are JWTs of the API server, for an audience that they were asked for."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from taskscope_shared import settings_access as configured
from taskscope_shared.clock import Clock

from taskscope_api.access.grants import Rights, highest
from taskscope_api.access.jwt_bearers import JwtBearers, KnownTokens
from taskscope_api.access.jwt_verifier import Claims, Verifier
from taskscope_api.access.provider import Provider
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.remote import Remote
from taskscope_api.principals import Principal
from taskscope_api.wildcards import Wildcards

MODE = "service_account"
KIND = "service-account"
POD = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where Kubernetes puts a pod's own token and the cluster's CA."""
CLUSTER_HOSTS = ("kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "kubernetes.default", "kubernetes")
PREFIX = "system:serviceaccount:"


class Account(msgspec.Struct, frozen=True):
    """A service account."""

    namespace: str
    name: str


class _Granted(msgspec.Struct, frozen=True):
    namespace: Wildcards
    name: Wildcards
    rights: Rights


class ServiceAccounts:
    """What service accounts may do: of several grants that fit, as `grants.Grants` says."""

    def __init__(self, grants: tuple[configured.ServiceAccountGrant, ...]) -> None:
        self._granted = [
            _Granted(
                Wildcards([grant.namespace]),
                Wildcards([grant.name]),
                Rights.of(configured.DefaultGrant(role=grant.role, sources=grant.sources)),
            )
            for grant in grants
        ]

    def principal(self, claims: Claims) -> Principal:
        """Whose token it is, with their rights. Raises `RefusedError`: 401 for no service account, 403 without a right."""
        account = account_of(claims)
        if account is None:
            raise RefusedError("invalid-token", "the token is of the cluster, but not of a service account")
        shown = f"{account.namespace}/{account.name}"
        fitting = [
            granted.rights
            for granted in self._granted
            if granted.namespace.match(account.namespace) and granted.name.match(account.name)
        ]
        if not fitting:
            detail = f"the service account {shown} was given no right to see anything here"
            raise RefusedError("no-grant", detail, credential=f"{KIND}:{shown}", status=HTTPStatus.FORBIDDEN, counts=False)
        rights = highest(fitting)
        return Principal(f"{PREFIX}{account.namespace}:{account.name}", rights.role, rights.sources, None, f"{KIND}:{shown}")


def account_of(claims: Mapping[str, Any]) -> Account | None:
    """The account that both the subject and the claim `kubernetes.io` name; None where they do not agree."""
    kubernetes = claims.get("kubernetes.io")
    described = kubernetes.get("serviceaccount") if isinstance(kubernetes, Mapping) else None
    name = described.get("name") if isinstance(described, Mapping) else None
    namespace = kubernetes.get("namespace") if isinstance(kubernetes, Mapping) else None
    if not isinstance(name, str) or not isinstance(namespace, str) or claims.get("sub") != f"{PREFIX}{namespace}:{name}":
        return None
    return None if ":" in namespace or ":" in name else Account(namespace, name)


def service_accounts(settings: configured.ServiceAccounts, clock: Clock, known: KnownTokens) -> tuple[JwtBearers, Provider]:
    """What knows the tokens of the cluster, and where its keys come from."""
    home = urlsplit(settings.jwks_url or settings.issuer).hostname
    inside = home in CLUSTER_HOSTS
    remote = Remote(
        settings.ca_file or (f"{POD}/ca.crt" if inside else None),
        token_file=settings.token_file or (f"{POD}/token" if inside else None),
        token_host=home,
        trust_env=settings.jwks_url is None,
    )
    cluster = Provider(settings.issuer, remote, clock, jwks_url=settings.jwks_url)
    verifier = Verifier(
        settings.issuer,
        [settings.audience],
        cluster.keys,
        clock,
        algorithms=settings.algorithms,
        leeway_seconds=settings.leeway_seconds,
    )
    worth = ServiceAccounts(settings.grants).principal
    return JwtBearers(MODE, settings.issuer, verifier, worth, known, leeway_seconds=settings.leeway_seconds), cluster

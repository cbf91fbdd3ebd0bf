"""Mode `oidc`: who asks is told by the company's provider, in a JWT, or when a browser signs in there."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.settings_access import Oidc

from taskscope_api.access.grants import Grants
from taskscope_api.access.jwt_bearers import JwtBearers, KnownTokens
from taskscope_api.access.jwt_verifier import Claims, Verifier
from taskscope_api.access.people import People
from taskscope_api.access.provider import Provider
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.remote import Remote
from taskscope_api.access.sessions import MAX_KNOWN, Session
from taskscope_api.access.sign_in import SignIn
from taskscope_api.principals import Principal

KIND = "oidc"
MAX_GROUPS_CHARACTERS = 2_500
"""Of the groups that a session remembers; a browser drops a cookie of more than 4 KB."""


class Worth:
    """What people are worth here, whether a JWT names them or a session."""

    def __init__(self, oidc: Oidc, grants: Grants) -> None:
        self._people = People(oidc)
        self._grants = grants
        self._of_sessions: OrderedDict[tuple[str, tuple[str, ...]], Principal] = OrderedDict()

    def of_claims(self, claims: Claims) -> Principal:
        """See `jwt_bearers.Worth`."""
        user = self._people.user(claims)
        if user is None:
            raise RefusedError("invalid-token", "the token says no name by which anybody is known here")
        return self._principal(user, self._people.groups(claims) or ())

    def of_session(self, session: Session) -> Principal:
        """See `sessions.Judge`."""
        key = (session.id, session.groups)
        found = self._of_sessions.get(key)
        if found is None:
            found = self._of_sessions[key] = self._principal(*key)
            if len(self._of_sessions) > MAX_KNOWN:
                self._of_sessions.popitem(last=False)
        return found

    def remembered(self, user: str, groups: Sequence[str]) -> tuple[str, ...]:
        """The groups that a session of theirs has to hold. Raises `RefusedError` for too many, or without any right."""
        self._principal(user, groups)
        relevant = self._grants.relevant(groups)
        if sum(len(group.encode()) + 3 for group in relevant) > MAX_GROUPS_CHARACTERS:
            detail = f"{user} is in {len(relevant)} groups that have rights here: no cookie holds so many"
            raise RefusedError("too-many-groups", detail, credential=f"{KIND}:{user}", counts=False)
        return relevant

    def _principal(self, user: str, groups: Sequence[str]) -> Principal:
        return self._grants.principal(user, groups, credential=f"{KIND}:{user}")


class OidcMode(msgspec.Struct, frozen=True):
    """What belongs to the mode."""

    bearers: JwtBearers
    sign_in: SignIn
    worth: Worth
    provider: Provider


def oidc_mode(oidc: Oidc, grants: Grants, keys: Sequence[str], clock: Clock, known: KnownTokens) -> OidcMode:
    """As configured; `keys` sign what belongs to signing in."""
    provider = Provider(oidc.issuer, Remote(oidc.ca_file), clock)

    def verifier(audience: str) -> Verifier:
        return Verifier(
            oidc.issuer, [audience], provider.keys, clock, algorithms=oidc.algorithms, leeway_seconds=oidc.leeway_seconds
        )

    worth = Worth(oidc, grants)
    services = verifier(oidc.audience or oidc.client_id)
    bearers = JwtBearers(KIND, oidc.issuer, services, worth.of_claims, known, leeway_seconds=oidc.leeway_seconds)
    return OidcMode(bearers, SignIn(oidc, provider, verifier(oidc.client_id), keys, clock), worth, provider)

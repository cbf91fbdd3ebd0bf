"""What JWTs in Authorization are worth: people and services of the provider, and service accounts of the cluster."""

from typing import Any

import msgspec
import pytest
from joserfc.jwk import RSAKey
from support.jwts import KeySet, rsa_key, signed
from taskscope_api.access.grants import Grants
from taskscope_api.access.identity import identity_of
from taskscope_api.access.jwks import AGAIN_SECONDS, Keys
from taskscope_api.access.jwt_bearers import KNOWN_SECONDS, MAX_KNOWN, JwtBearers, KnownTokens
from taskscope_api.access.jwt_verifier import Verifier
from taskscope_api.access.oidc import Worth
from taskscope_api.access.people import MAX_GROUPS, People
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.service_accounts import ServiceAccounts, account_of
from taskscope_api.access.sessions import MAX_KNOWN as MAX_SESSIONS
from taskscope_api.errors import ApiError
from taskscope_api.principals import Role
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.settings_access import Access, Grant, Oidc, ServiceAccountGrant

ISSUER = "https://id.example.org"
KEY = rsa_key()


def oidc(**options: Any) -> Oidc:
    return Oidc(**{"issuer": ISSUER, "client_id": "taskscope", "public_url": "https://tasks.example.org", **options})


class Asking:
    """Requests that bring tokens."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.set = KeySet(KEY)
        grants = (
            Grant(group="platform", role="operator", sources=("media",)),
            Grant(user="robot", role="viewer"),
        )
        self.verifier = Verifier(ISSUER, ["taskscope"], Keys(self.set.fetch, self.clock), self.clock)
        self.worth = Worth(oidc(**options), Grants(Access(grants=grants)))
        self.known = KnownTokens(self.clock)
        self.bearers = JwtBearers("oidc", ISSUER, self.verifier, self.worth.of_claims, self.known, leeway_seconds=60)

    def token(self, key: RSAKey = KEY, **others: Any) -> str:
        now = self.clock.now()
        return signed(key, {"iss": ISSUER, "aud": "taskscope", "sub": "robot", "exp": now + 600, **others})

    async def identify(self, token: str | None) -> Any:
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        return await self.bearers.identify({"type": "http", "headers": headers})


async def test_groups_and_names_give_rights_until_the_token_ends() -> None:
    asking = Asking()
    ada = await asking.identify(asking.token(preferred_username="ada", groups=["platform", "other"]))
    assert (ada.name, ada.role, ada.sources, ada.credential) == ("ada", Role.OPERATOR, {"media"}, "oidc:ada")
    assert ada.expires_at == asking.clock.now() + 660
    robot = await asking.identify(asking.token())
    assert (robot.name, robot.role, robot.sources) == ("robot", Role.VIEWER, None)


async def test_somebody_without_a_grant_is_known_and_refused() -> None:
    asking = Asking()
    with pytest.raises(RefusedError) as refusal:
        await asking.identify(asking.token(sub="nobody", groups=["others"]))
    assert (refusal.value.status, refusal.value.counts) == (403, False)


async def test_what_is_not_of_this_issuer_is_left_to_others() -> None:
    asking = Asking()
    for token in (None, "", "ts_abc", "a.b.c", "eyJ.eyJ.x", asking.token(iss="https://other.example")):
        assert await asking.identify(token) is None


async def test_a_forged_token_counts_as_a_failure_and_an_expired_one_does_not() -> None:
    asking = Asking()
    for token, counts in (
        (asking.token(exp=asking.clock.now() - 100), False),
        (asking.token(nbf=asking.clock.now() + 100), False),
        (asking.token(aud="other"), True),
        (asking.token()[:-8] + "AAAAAAAA", True),
    ):
        with pytest.raises(RefusedError) as refusal:
            await asking.identify(token)
        assert (refusal.value.status, refusal.value.kind, refusal.value.counts) == (401, "invalid-token", counts)
        assert token not in refusal.value.detail


async def test_a_checked_token_is_known_for_a_minute_and_never_beyond_its_end() -> None:
    asking = Asking()
    checked = []
    verify = asking.verifier.verify

    async def counted(token: str) -> dict[str, Any]:
        checked.append(token)
        return await verify(token)

    asking.verifier.verify = counted  # type: ignore[method-assign]
    token = asking.token(exp=asking.clock.now() + 90)
    first = await asking.identify(token)
    assert await asking.identify(token) is first
    assert len(checked) == 1
    asking.clock.advance(KNOWN_SECONDS)
    await asking.identify(token)
    assert len(checked) == 2
    asking.clock.advance(90 - KNOWN_SECONDS + 59)
    await asking.identify(token)
    asking.clock.advance(1)
    with pytest.raises(RefusedError, match="expired"):
        await asking.identify(token)


async def test_a_withdrawn_key_ends_its_tokens_within_minutes() -> None:
    asking = Asking()
    token = asking.token(exp=asking.clock.now() + 10_000)
    await asking.identify(token)
    asking.set.keys = [rsa_key("two")]
    asking.clock.advance(KNOWN_SECONDS + AGAIN_SECONDS)
    with pytest.raises(RefusedError, match="cannot be found"):
        await asking.identify(
            signed(rsa_key("three"), {"iss": ISSUER, "aud": "taskscope", "sub": "x", "exp": asking.clock.now() + 9})
        )
    with pytest.raises(RefusedError, match="cannot be found"):
        await asking.identify(token)


async def test_what_is_known_of_tokens_is_bounded() -> None:
    asking = Asking()
    token = asking.token()
    found = await asking.identify(token)
    for number in range(MAX_KNOWN + 10):
        asking.known.add(str(number), "oidc", found)
    assert len(asking.known) == MAX_KNOWN


async def test_what_one_mode_knows_of_a_token_is_not_taken_for_anothers() -> None:
    asking = Asking()
    token = asking.token()
    asking.known.add(token, "service_account", await asking.identify(asking.token(jti="other")))
    assert await asking.identify(token) is None


async def test_without_the_issuers_keys_it_is_said_that_nobody_can_tell() -> None:
    asking = Asking()
    asking.set.away = "connection refused"
    with pytest.raises(ApiError, match="connection refused") as refusal:
        await asking.identify(asking.token())
    assert (refusal.value.problem.status, refusal.value.problem.type) == (503, "urn:taskscope:problem:provider-unavailable")


async def test_what_is_open_ends_with_the_token_and_a_session_with_its_time() -> None:
    clock = ManualClock()
    configured = {
        "mode": "oidc",
        "oidc": {"issuer": ISSUER, "client_id": "taskscope", "public_url": "https://tasks.example.org"},
        "grants": [{"user": "robot", "role": "viewer"}],
        "session": {"key": "k" * 32, "seconds": 3600},
    }
    made = identity_of(Settings.model_validate({"access": configured}), clock)
    assert made.oidc is not None
    assert made.sessions is not None
    made.oidc.provider.keys._fetch = KeySet(KEY).fetch
    claims = {"iss": ISSUER, "aud": "taskscope", "sub": "robot", "exp": clock.now() + 600}
    headers = [(b"authorization", f"Bearer {signed(KEY, claims)}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/api/tasks", "headers": headers, "client": ("127.0.0.1", 1)}
    robot = await made.access.principal(scope)
    signed_in = made.sessions.worth(made.sessions.begin("oidc", "robot", "robot"))
    assert robot is not None
    assert signed_in is not None
    clock.advance(600 + 59)
    assert (made.access.holds(robot), made.access.holds(signed_in)) == (True, True)
    clock.advance(1)
    assert (made.access.holds(robot), made.access.holds(signed_in)) == (False, True)
    clock.advance(3600)
    assert made.access.holds(signed_in) is False
    with pytest.raises(RefusedError, match="no right"):
        made.sessions.worth(made.sessions.begin("oidc", "eve", "eve"))


async def test_a_cookie_that_was_read_is_not_read_again_and_ends_all_the_same() -> None:
    clock = ManualClock()
    configured = {
        "mode": "oidc",
        "oidc": {"issuer": ISSUER, "client_id": "taskscope", "public_url": "https://tasks.example.org"},
        "grants": [{"user": "ada", "role": "viewer"}],
        "session": {"key": "k" * 32, "seconds": 600},
    }
    sessions = identity_of(Settings.model_validate({"access": configured}), clock).sessions
    assert sessions is not None

    def asking(began: float) -> dict[str, Any]:
        scope = {"type": "http", "method": "GET", "headers": [], "client": ("127.0.0.1", 1)}
        session = msgspec.structs.replace(sessions.begin("oidc", "ada", "ada"), began=began)
        return {**scope, "headers": [(b"cookie", sessions.cookie(session, scope).partition(";")[0].encode())]}

    scope = asking(clock.now())
    first, again = sessions.read(scope), sessions.read(scope)
    assert first is not None
    assert again is first
    forged = {**scope, "headers": [(b"cookie", scope["headers"][0][1][:-1] + b"A")]}
    assert sessions.read(forged) is None
    for number in range(MAX_SESSIONS + 5):
        assert sessions.read(asking(float(number))) is not None
    assert len(sessions._known) == MAX_SESSIONS
    clock.advance(600)
    assert sessions.read(scope) is None


@pytest.mark.parametrize(("public_url", "secure"), [("https://tasks.example.org", True), ("http://tasks.example.org", False)])
async def test_who_comes_to_a_public_address_over_tls_gets_a_cookie_that_goes_over_tls_alone(
    public_url: str, *, secure: bool
) -> None:
    configured = {"mode": "oidc", "oidc": {"issuer": ISSUER, "client_id": "t", "public_url": public_url}}
    sessions = identity_of(Settings.model_validate({"access": configured}), ManualClock()).sessions
    assert sessions is not None
    scope = {"type": "http", "scheme": "http", "headers": [], "client": ("10.0.0.1", 1)}
    cookie = sessions.cookie(sessions.begin("oidc", "ada", "ada"), scope)
    assert (cookie.startswith("__Host-"), cookie.endswith("; Secure")) == (secure, secure)
    assert sessions.read({**scope, "headers": [(b"cookie", cookie.partition(";")[0].encode())]}) is not None


async def test_pages_of_the_public_address_are_ours_whatever_a_proxy_makes_of_the_host() -> None:
    configured = {"mode": "oidc", "oidc": {"issuer": ISSUER, "client_id": "t", "public_url": "https://tasks.example.org/t"}}
    made = identity_of(Settings.model_validate({"access": configured}), ManualClock())
    headers = [(b"origin", b"https://tasks.example.org"), (b"host", b"10.0.0.7:5051")]
    made.origins.check({"type": "http", "method": "DELETE", "headers": headers}, borrowed=True)
    headers[0] = (b"origin", b"https://evil.example")
    with pytest.raises(ApiError, match=r"https://evil\.example"):
        made.origins.check({"type": "http", "method": "DELETE", "headers": headers}, borrowed=True)


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"preferred_username": "ada", "email": "a@example.org", "sub": "42"}, "ada"),
        ({"email": "a@example.org", "sub": "42"}, "a@example.org"),
        ({"email": "a@example.org", "email_verified": False, "sub": "42"}, "42"),
        ({"preferred_username": "", "sub": "42"}, "42"),
        ({"preferred_username": "a\nb", "sub": "42"}, "42"),
        ({"preferred_username": "x" * 257, "sub": "42"}, "42"),
    ],
)
def test_a_name_is_the_first_claim_that_says_a_good_one(claims: dict[str, Any], user: str) -> None:
    assert People(oidc()).user(claims) == user


def test_a_configured_claim_alone_names_somebody_and_may_be_inside_another() -> None:
    assert People(oidc(username_claim="upn")).user({"preferred_username": "ada", "sub": "42"}) is None
    inner = People(oidc(username_claim="a.b", groups_claim="realm_access.roles"))
    assert inner.user({"a": {"b": "ada"}}) == "ada"
    assert inner.groups({"realm_access": {"roles": ["x", 7, "", "y"]}}) == ("x", "y")
    assert inner.groups({"realm_access.roles": "z"}) == ("z",)
    assert inner.groups({"realm_access": "text"}) is None
    assert len(People(oidc()).groups({"groups": [str(number) for number in range(MAX_GROUPS + 5)]}) or ()) == MAX_GROUPS


def account(namespace: str = "jobs", name: str = "worker", **others: Any) -> dict[str, Any]:
    described = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "1"}, "pod": {"name": "p", "uid": "2"}}
    return {"sub": f"system:serviceaccount:{namespace}:{name}", "kubernetes.io": described, **others}


def grant(namespace: str, name: str, role: Any, *sources: str) -> ServiceAccountGrant:
    return ServiceAccountGrant(namespace=namespace, name=name, role=role, sources=sources or None)


def test_service_accounts_have_the_rights_of_all_grants_that_fit() -> None:
    accounts = ServiceAccounts(
        (
            grant("jobs", "*", "viewer", "media"),
            grant("jobs", "worker", "viewer", "archive"),
            grant("team-*", "deploy*", "operator"),
        )
    )
    worker = accounts.principal(account())
    assert (worker.name, worker.credential) == ("system:serviceaccount:jobs:worker", "service-account:jobs/worker")
    assert (worker.role, worker.sources) == (Role.VIEWER, frozenset({"media", "archive"}))
    assert accounts.principal(account(name="other")).sources == frozenset({"media"})
    assert accounts.principal(account("team-a", "deployer")).role is Role.OPERATOR
    for namespace, name in (
        ("other", "worker"),
        ("team", "deployer"),
        ("team-a", "x"),
        ("xjobs", "worker"),
        ("jobsx", "worker"),
    ):
        with pytest.raises(RefusedError) as refusal:
            accounts.principal(account(namespace, name))
        assert refusal.value.status == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "system:serviceaccount:jobs:worker"},
        account(sub="system:serviceaccount:kube-system:worker"),
        account(sub="system:serviceaccount:jobs:root"),
        account(sub="system:node:one"),
        account(sub="jobs:worker"),
        {**account(), "kubernetes.io": "text"},
        {**account(), "kubernetes.io": {"namespace": "jobs"}},
        {**account(), "kubernetes.io": {"namespace": "jobs", "serviceaccount": {"name": 7}}},
        account("jobs:x", "worker"),
        {},
    ],
)
def test_a_subject_that_the_claim_of_kubernetes_does_not_confirm_is_no_account(claims: dict[str, Any]) -> None:
    assert account_of(claims) is None
    with pytest.raises(RefusedError) as refusal:
        ServiceAccounts((grant("*", "*", "admin"),)).principal(claims)
    assert refusal.value.status == 401

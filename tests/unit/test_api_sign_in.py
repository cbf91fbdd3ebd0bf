"""Signing in at a provider: what a browser is sent there with, and everything about its way back that is refused."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.jwts import rsa_key, signed
from support.waiting import eventually
from taskscope_api.access import provider as provider_module
from taskscope_api.access.grants import Grants
from taskscope_api.access.jwt_bearers import KnownTokens
from taskscope_api.access.oidc import OidcMode, oidc_mode
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.remote import DeniedError, Remote, RemoteError
from taskscope_api.access.sign_in import ATTEMPTS, COOKIE, SECONDS, SignedIn
from taskscope_api.errors import ApiError
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings_access import Access, Grant, Oidc, SecretFile

ISSUER = "https://id.example.org"
SITE = "https://tasks.example.org/taskscope"
KEYS = ["a" * 32, "b" * 32]
KEY = rsa_key()
DOCUMENT = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/jwks",
    "authorization_endpoint": f"{ISSUER}/auth?realm=company",
    "token_endpoint": f"{ISSUER}/token",
    "userinfo_endpoint": f"{ISSUER}/me",
    "authorization_response_iss_parameter_supported": True,
}


class StandIn(Remote):
    """Answers as a provider would, without a network."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.document: dict[str, Any] = dict(DOCUMENT)
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.tokens: dict[str, Any] | None = None
        self.fails: Exception | None = None
        self.forms: list[tuple[dict[str, str], tuple[str, str] | None]] = []
        self.asked: list[str] = []
        self.nonce = ""

    async def get(self, url: str, bearer: str | None = None) -> dict[str, Any]:
        self.asked.append(url)
        if self.fails is not None:
            raise self.fails
        if url.endswith("/me"):
            assert bearer == "an-access-token"
            return self.userinfo
        return {"keys": [KEY.as_dict(private=False)]} if url.endswith("/jwks") else self.document

    async def post(self, url: str, form: Mapping[str, str], login: tuple[str, str] | None = None) -> dict[str, Any]:
        assert url == f"{ISSUER}/token"
        self.forms.append((dict(form), login))
        if self.fails is not None:
            raise self.fails
        return self.tokens if self.tokens is not None else {"id_token": self.id_token(), "access_token": "an-access-token"}

    def id_token(self) -> str:
        now = self.clock.now()
        known = {"iss": ISSUER, "aud": "taskscope", "sub": "42", "exp": now + 300, "iat": now, "nonce": self.nonce}
        whole = {**known, "preferred_username": "ada", "groups": ["platform"], **self.claims}
        return signed(KEY, {name: value for name, value in whole.items() if value is not None})


class Browser:
    """Goes to the provider and comes back."""

    def __init__(self, **options: Any) -> None:
        known = {"issuer": ISSUER, "client_id": "taskscope", "client_secret": "s ecret", "public_url": SITE, **options}
        self.clock = ManualClock()
        self.mode = self.made(Oidc(**known), KEYS)
        self.oidc = Oidc(**known)
        self.cookies: dict[str, str] = {}
        self.state = ""

    def made(self, oidc: Oidc, keys: list[str]) -> OidcMode:
        access = Access(grants=(Grant(group="platform", role="viewer"),), oidc=oidc)
        mode = oidc_mode(oidc, Grants(access), keys, self.clock, KnownTokens(self.clock))
        self.provider = StandIn(self.clock)
        mode.provider.remote = self.provider
        return mode

    @property
    def scope(self) -> dict[str, Any]:
        text = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"type": "http", "headers": [(b"cookie", text.encode())]}

    def take(self, cookie: str) -> None:
        pair, _, attributes = cookie.partition("; ")
        name, _, value = pair.partition("=")
        assert "; HttpOnly; SameSite=Lax; Secure" in f"; {attributes}"
        assert "Path=/taskscope/api/session;" in attributes
        if "Max-Age=0" in attributes:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    async def begin(self, wanted: str | None = None) -> dict[str, str]:
        begun = await self.mode.sign_in.begin(self.scope, wanted)
        for cookie in begun.cookies:
            self.take(cookie)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
        self.state, self.provider.nonce = asked["state"], asked["nonce"]
        return asked

    async def finish(self, **answered: str) -> SignedIn:
        found = await self.mode.sign_in.finish(self.scope, {"code": "c0de", "state": self.state, "iss": ISSUER, **answered})
        self.take(found.cookie)
        return found

    async def refused(self, **answered: str) -> str:
        with pytest.raises(ApiError) as refusal:
            await self.finish(**answered)
        problem = refusal.value.problem
        assert "sign in" in problem.detail.lower()
        return f"{problem.status} {problem.type.rpartition(':')[2]}: {problem.detail}"


async def test_a_browser_is_sent_with_pkce_state_and_nonce_and_comes_back_as_who_it_is() -> None:
    browser = Browser()
    asked = await browser.begin("/taskscope/tasks?kind=vod#x")
    assert asked["redirect_uri"] == f"{SITE}/api/session/callback"
    assert (asked["realm"], asked["response_type"], asked["client_id"]) == ("company", "code", "taskscope")
    assert (asked["scope"], asked["code_challenge_method"]) == ("openid profile email", "S256")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    found = await browser.finish()
    assert (found.user, found.groups, found.next) == ("ada", ("platform",), "/taskscope/tasks?kind=vod#x")
    form, login = browser.provider.forms[0]
    assert (form["code"], login) == ("c0de", ("taskscope", "s%20ecret"))
    assert 43 <= len(form["code_verifier"]) <= 128
    assert form["code_verifier"] not in json.dumps(asked)
    assert browser.cookies == {}


async def test_another_replica_with_the_same_key_takes_a_browser_back_and_one_with_another_does_not() -> None:
    browser = Browser()
    await browser.begin()
    nonce = browser.provider.nonce
    browser.mode = browser.made(browser.oidc, ["z" * 32])
    assert "400 sign-in-expired" in await browser.refused()
    browser.mode = browser.made(browser.oidc, [*KEYS, "c" * 32])
    browser.provider.nonce = nonce
    assert (await browser.finish()).user == "ada"


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/taskscope/",
        "javascript:alert(1)",
        "/other",
        "/taskscopes/",
        "taskscope/",
        "/taskscope/\r\nSet-Cookie: a=b",
        "/taskscope/\tx",
        "/taskscope/\\evil",
        "/taskscope/" + "x" * 1000,
        "http:/taskscope/",
    ],
)
async def test_nobody_is_led_to_another_site(wanted: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await Browser().begin(wanted)
    assert (refusal.value.problem.status, refusal.value.problem.field) == (400, "next")


async def test_without_a_path_the_browser_gets_to_the_first_page() -> None:
    browser = Browser()
    await browser.begin()
    assert (await browser.finish()).next == "/taskscope/"
    at_the_root = Browser(public_url="https://tasks.example.org/")
    begun = await at_the_root.mode.sign_in.begin(at_the_root.scope, None)
    assert "Path=/api/session;" in begun.cookies[-1]
    with pytest.raises(ApiError):
        await at_the_root.mode.sign_in.begin(at_the_root.scope, "//evil.example")


async def test_an_attempt_is_finished_once_in_its_own_browser_and_in_its_time() -> None:
    browser = Browser()
    assert "400 sign-in-expired" in await browser.refused()
    await browser.begin()
    assert "400 sign-in-expired" in await browser.refused(state="other")
    assert "400 sign-in-expired" in await browser.refused(state="")
    await browser.finish()
    assert "400 sign-in-expired" in await browser.refused()
    await browser.begin()
    browser.clock.advance(SECONDS)
    assert "400 sign-in-expired" in await browser.refused()
    assert len(browser.provider.forms) == 1


async def test_a_cookie_that_was_changed_or_is_of_another_attempt_counts_for_nothing() -> None:
    browser = Browser()
    await browser.begin()
    (name, value) = browser.cookies.popitem()
    browser.cookies[name] = "x" + value[1:]
    assert "400 sign-in-expired" in await browser.refused()
    first = browser.state
    await browser.begin()
    (other,) = [each for each in browser.cookies if each != name]
    browser.cookies[name] = browser.cookies[other]
    browser.state = first
    assert "400 sign-in-expired" in await browser.refused()


async def test_several_tabs_sign_in_side_by_side_and_their_cookies_are_bounded() -> None:
    browser = Browser()
    await browser.begin("/taskscope/a")
    first, nonce = browser.state, browser.provider.nonce
    await browser.begin("/taskscope/b")
    assert (await browser.finish()).next == "/taskscope/b"
    browser.state, browser.provider.nonce = first, nonce
    assert (await browser.finish()).next == "/taskscope/a"
    for _ in range(3 * ATTEMPTS):
        await browser.begin()
    assert len([name for name in browser.cookies if name.startswith(COOKIE)]) <= ATTEMPTS


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "other"}, "another attempt"),
        ({"nonce": None}, "another attempt"),
        ({"nonce": 7}, "another attempt"),
        ({"aud": "other"}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"azp": "other"}, "another client"),
        ({"aud": ["taskscope", "other"]}, "another client"),
        ({"exp": 1}, "expired"),
    ],
)
async def test_an_id_token_that_is_not_for_this_attempt_is_refused(claims: dict[str, Any], reason: str) -> None:
    browser = Browser()
    await browser.begin()
    browser.provider.claims = claims
    refusal = await browser.refused()
    assert refusal.startswith("400 sign-in-failed")
    assert reason in refusal


async def test_only_the_configured_provider_may_send_the_browser_back() -> None:
    browser = Browser()
    await browser.begin()
    assert "not the configured provider" in await browser.refused(iss="https://evil.example")
    assert browser.provider.forms == []


async def test_what_the_provider_says_no_to_is_said_without_what_could_break_a_page() -> None:
    browser = Browser()
    await browser.begin()
    refusal = await browser.refused(error="access_denied", error_description="not\r\nfor you" + "x" * 1000)
    assert refusal.startswith("403 sign-in-refused: the provider says access_denied: notfor youxxx")
    assert len(refusal) < 500
    assert "sent no code" in await browser.refused(code="")


async def test_the_token_endpoints_refusals_say_whose_fault_it_is() -> None:
    browser = Browser()
    await browser.begin()
    browser.provider.fails = DeniedError(400, "invalid_grant", "grant request is invalid")
    assert "400 sign-in-failed: the provider refuses it" in await browser.refused()
    browser.provider.fails = DeniedError(401, "invalid_client", "")
    assert "503 provider-unavailable" in await browser.refused()
    browser.provider.fails = RemoteError("no answer within 5 s")
    assert "503 provider-unavailable: nobody can sign in now: no answer within 5 s" in await browser.refused()


async def test_tokens_that_are_none_are_refused() -> None:
    browser = Browser()
    await browser.begin()
    for tokens in ({}, {"id_token": 7}, {"id_token": "abc"}, {"id_token": "a.b.c"}):
        browser.provider.tokens = tokens
        assert "400 sign-in-failed" in await browser.refused()


async def test_what_the_id_token_leaves_out_is_asked_of_the_userinfo_endpoint() -> None:
    browser = Browser()
    await browser.begin()
    browser.provider.claims = {"groups": None}
    browser.provider.userinfo = {"sub": "42", "groups": ["platform", "ops"]}
    assert (await browser.finish()).groups == ("platform", "ops")
    await browser.begin()
    browser.provider.userinfo = {"sub": "43", "groups": ["platform"]}
    assert "somebody else" in await browser.refused()


async def test_a_provider_that_is_away_is_said_and_asked_again_when_it_may_be_back() -> None:
    browser = Browser()
    browser.provider.fails = RemoteError("connection refused")
    for _ in range(5):
        with pytest.raises(ApiError, match="connection refused") as refusal:
            await browser.begin()
        assert refusal.value.problem.status == 503
    assert len(browser.provider.asked) == 1
    browser.provider.fails = None
    browser.clock.advance(6)
    await browser.begin()
    await browser.finish()


async def test_nobody_is_sent_to_a_provider_that_went_away_and_who_is_under_way_comes_back() -> None:
    browser = Browser()
    await browser.begin()
    await browser.finish()
    await browser.begin()
    state, nonce = browser.state, browser.provider.nonce
    browser.clock.advance(60)
    browser.provider.fails = RemoteError("connection refused")
    for _ in range(3):
        with pytest.raises(ApiError, match="connection refused"):
            await browser.begin()
    browser.provider.fails = None
    browser.state, browser.provider.nonce = state, nonce
    await browser.finish()
    assert browser.provider.asked.count(f"{ISSUER}/.well-known/openid-configuration") == 2


async def test_a_provider_that_was_away_is_looked_at_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "TROUBLE_SECONDS", 0.0)
    browser = Browser()
    browser.provider.fails = RemoteError("connection refused")
    running = asyncio.create_task(browser.mode.provider.run())
    await eventually(lambda: browser.mode.provider.trouble is not None)
    assert "connection refused" in (browser.mode.provider.trouble or "")
    browser.provider.fails = None
    browser.clock.advance(20)
    await eventually(lambda: browser.mode.provider.trouble is None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuer": f"{ISSUER}/"}, "have to be equal"),
        ({"issuer": None}, "have to be equal"),
        ({"jwks_uri": "http://id.example.org/jwks"}, "no https address"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"token_endpoint": "file:///etc/passwd"}, "no https address"),
        ({"authorization_endpoint": 7}, "no https address"),
        ({"authorization_endpoint": None}, "no authorization_endpoint"),
    ],
)
async def test_a_document_that_is_not_the_issuers_keeps_sign_in_down(change: dict[str, Any], reason: str) -> None:
    browser = Browser()
    browser.provider.document.update(change)
    with pytest.raises(ApiError, match=reason) as refusal:
        await browser.begin()
    assert refusal.value.problem.type.endswith("provider-unavailable")


async def test_a_client_without_a_secret_and_one_whose_secret_is_in_a_file(tmp_path: Any) -> None:
    public = Browser(client_secret=None)
    await public.begin()
    await public.finish()
    assert (public.provider.forms[0][0]["client_id"], public.provider.forms[0][1]) == ("taskscope", None)
    secret = tmp_path / "secret"
    filed = Browser(client_secret=SecretFile(file=str(secret)))
    await filed.begin()
    assert "cannot be read" in await filed.refused()
    secret.write_text("from-a-file\n")
    await filed.finish()
    assert filed.provider.forms[0][1] == ("taskscope", "from-a-file")


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there() -> None:
    browser = Browser()
    browser.provider.document["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await browser.begin()
    await browser.finish()
    form, login = browser.provider.forms[0]
    assert (form["client_secret"], login) == ("s ecret", None)


async def test_a_session_remembers_the_groups_that_have_rights_and_no_cookie_grows_too_large() -> None:
    browser = Browser()
    assert browser.mode.worth.remembered("ada", ["platform", *(f"other-{n}" for n in range(500))]) == ("platform",)
    with pytest.raises(RefusedError, match="no right"):
        browser.mode.worth.remembered("bob", ["other"])
    many = tuple(Grant(group=f"group-{number:04}", role="viewer") for number in range(500))
    mode = oidc_mode(browser.oidc, Grants(Access(grants=many)), KEYS, browser.clock, KnownTokens(browser.clock))
    with pytest.raises(RefusedError, match="no cookie holds so many"):
        mode.worth.remembered("ada", [grant.group or "" for grant in many])

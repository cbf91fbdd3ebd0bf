"""A sign-in that came to nothing ends at the page: with a code of ours, at the view it began at, and never elsewhere."""

from collections.abc import AsyncIterator

import pytest
from quart.typing import TestClientProtocol as Requests
from taskscope_api.access.turned_back import CODES, page_of
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ISSUER = "http://127.0.0.1:9"
OIDC = {"issuer": ISSUER, "client_id": "taskscope", "public_url": "https://tasks.example.org/some/where"}


@pytest.fixture
async def client() -> AsyncIterator[Requests]:
    access = {"mode": "oidc", "oidc": OIDC, "session": {"key": "k" * 32}, "grants": [{"group": "ops", "role": "viewer"}]}
    settings = Settings.model_validate({"access": access, "api": {"base_path": "/some/where"}})
    clock = ManualClock()
    async with create_app(settings, MemoryStore(clock), clock).test_app() as running:
        yield running.test_client()


@pytest.mark.parametrize("kind", CODES)
def test_each_way_to_fail_has_a_code(kind: str) -> None:
    assert page_of("", kind, None) == f"/?sign-in={CODES[kind]}"


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (None, "/some/where/?sign-in=refused"),
        ("/some/where/#tasks?state=failed", "/some/where/?sign-in=refused#tasks?state=failed"),
        ("/some/where/?a=b#tasks", "/some/where/?sign-in=refused#tasks"),
        ("/some/where/docs#tasks", "/some/where/?sign-in=refused"),
        ("//evil.example/#tasks", "/some/where/?sign-in=refused"),
        ("https://evil.example/some/where", "/some/where/?sign-in=refused"),
    ],
)
def test_of_what_was_wanted_the_view_alone_is_taken(wanted: str | None, there: str) -> None:
    assert page_of("/some/where", "sign-in-refused", wanted) == there


def test_what_nobody_foresaw_is_a_failure_and_not_reflected() -> None:
    assert page_of("", "<script>", None) == "/?sign-in=failed"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("callback?error=access_denied&error_description=<script>&state=x", "expired"),
        ("callback?code=x&state=%0d%0aSet-Cookie:a=b", "expired"),
        ("callback", "expired"),
        ("login", "unavailable"),
        ("login?next=//evil.example/", "failed"),
    ],
)
async def test_a_browser_ends_at_the_page_below_the_path(client: Requests, asked: str, code: str) -> None:
    response = await client.get(f"/some/where/api/session/{asked}", headers=HTML)
    assert response.status_code == 302
    assert response.headers["Location"] == f"/some/where/?sign-in={code}"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers


async def test_a_browser_that_cannot_be_sent_to_the_provider_ends_at_the_view_it_came_from(client: Requests) -> None:
    response = await client.get("/some/where/api/session/login?next=/some/where/%23queues", headers=HTML)
    assert response.headers["Location"] == "/some/where/?sign-in=unavailable#queues"


async def test_whoever_does_not_want_a_page_gets_the_problem(client: Requests) -> None:
    response = await client.get("/some/where/api/session/callback?error=access_denied&state=x")
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    assert (await response.get_json(force=True))["type"] == "urn:taskscope:problem:sign-in-expired"


async def test_without_a_provider_a_browser_ends_at_the_page_all_the_same() -> None:
    clock = ManualClock()
    async with create_app(Settings(), MemoryStore(clock), clock).test_app() as running:
        response = await running.test_client().get("/api/session/login", headers=HTML)
        assert (response.status_code, response.headers["Location"]) == (302, "/?sign-in=failed")

"""Whose pages may ask an api that asks nobody who they are, and whose may act for a visitor who is signed in."""

from typing import Any

import pytest
from taskscope_api.access.identity import identity_of
from taskscope_api.addresses import Addresses
from taskscope_api.app import create_app
from taskscope_api.errors import ApiError
from taskscope_api.origins import Origins
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()
REBOUND = "rebound.evil.example:5051"
"""A name of another site that leads to this machine."""


async def status(host: str, path: str = "/api/tasks", **settings: Any) -> int:
    app = create_app(Settings.model_validate(settings), MemoryStore(CLOCK), CLOCK)
    return (await app.test_client().get(path, headers={"Host": host})).status_code


@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/realtime", "/api/stream", "/api/session", "/openapi.json"])
async def test_a_site_that_lets_its_name_lead_to_this_machine_reads_nothing(path: str) -> None:
    assert await status(REBOUND, path) == 403


@pytest.mark.parametrize(
    "host", [REBOUND, "evil.example.", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "A.EVIL"]
)
async def test_a_name_that_another_site_can_have_is_none_of_this_machines(host: str) -> None:
    access = identity_of(Settings(), CLOCK).access
    for kind in ({"type": "http", "method": "GET"}, {"type": "websocket"}):
        with pytest.raises(ApiError, match="nobody is asked") as caught:
            await access.principal({**kind, "headers": [(b"host", host.encode())], "client": ("127.0.0.1", 1)})
        assert caught.value.problem.type.endswith(":foreign-host")


@pytest.mark.parametrize(
    "host",
    [
        "localhost:5051",
        "127.0.0.1:5051",
        "127.1",
        "[::1]:5051",
        "LOCALHOST",
        "app.localhost",
        "laptop",
        "host.docker.internal:5051",
    ],
)
async def test_addresses_and_names_that_no_site_can_have_are_this_machines(host: str) -> None:
    assert await status(host) == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"api": {"allowed_origins": ["https://rebound.evil.example"]}},
        {"access": {"mode": "none"}},
        {"access": {"mode": "none"}, "api": {"host": "0.0.0.0"}},
    ],
    ids=str,
)
async def test_a_name_that_was_listed_or_where_all_may_see_everything_is_let_pass(settings: dict[str, Any]) -> None:
    assert await status(REBOUND, **settings) == 200


async def test_a_page_that_was_sent_in_the_clear_is_none_of_ours_where_tls_is_spoken() -> None:
    origins = Origins(Addresses())

    def check(origin: bytes, scheme: str) -> None:
        headers = [(b"origin", origin), (b"host", b"tasks.example")]
        origins.check({"type": "websocket", "scheme": scheme, "headers": headers, "client": ("192.0.2.1", 1)}, borrowed=True)

    check(b"https://tasks.example", "wss")
    check(b"https://tasks.example", "ws")  # a proxy that is not known speaks TLS
    check(b"http://tasks.example", "ws")
    with pytest.raises(ApiError, match="may not open this socket"):
        check(b"http://tasks.example", "wss")

"""What is kept is given before a route is looked for, and is the same answer."""

from collections.abc import AsyncIterator

import pytest
from quart import Quart
from support.access import Seeing
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.asked import Scope
from taskscope_api.errors import ApiError
from taskscope_api.principals import Principal, Role
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

PATH = "/api/tasks/realtime?kind=other"
STAY = ("ETag", "Cache-Control", "Vary")
OF_THE_REQUEST = "X-Request-Id"


class Named(Seeing):
    """Whoever names a source sees it; counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def principal(self, scope: Scope) -> Principal | None:
        self.asked += 1
        source = dict(scope["headers"]).get(b"x-source", b"").decode()
        if source == "wrong":
            raise ApiError(401, "unauthenticated", "that is nobody")
        return Principal(source, Role.VIEWER, frozenset({source})) if source else None

    def holds(self, principal: Principal) -> bool:
        return principal.name != ""


@pytest.fixture
def access() -> Named:
    return Named()


@pytest.fixture
async def app(access: Named) -> AsyncIterator[Quart]:
    clock = ManualClock()
    store = MemoryStore(clock)
    writing = await Writing(store, clock).begin()
    await writing.write(*(task(str(number), updated_at=START + number) for number in range(40)))
    app = create_app(Settings(), store, clock, access=access)
    async with app.test_app():
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield app


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_what_is_kept_is_answered_like_what_was_just_made(app: Quart, coding: str) -> None:
    headers = {"X-Source": "s", "Accept-Encoding": coding}
    made = await app.test_client().get(PATH, headers=headers)
    kept = await app.test_client().get(PATH, headers=headers)
    assert app.extensions["taskscope"].kept.made == 1
    assert await kept.get_data() == await made.get_data()
    assert without_id(kept.headers) == without_id(made.headers)
    tag = {"If-None-Match": made.headers["ETag"], **headers}
    unchanged = await app.test_client().get(PATH, headers=tag)
    assert (unchanged.status_code, await unchanged.get_data()) == (304, b"")
    assert [unchanged.headers[name] for name in STAY] == [made.headers[name] for name in STAY]


def without_id(headers: object) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(headers).items() if name.lower() != OF_THE_REQUEST.lower()}  # type: ignore[call-overload]


async def test_what_is_kept_of_one_scope_is_not_given_to_another(app: Quart) -> None:
    own = await (await app.test_client().get(PATH, headers={"X-Source": "s"})).get_json()
    other = await (await app.test_client().get(PATH, headers={"X-Source": "t"})).get_json()
    assert (len(own["tasks"]), len(other["tasks"])) == (40, 0)


@pytest.mark.parametrize("headers", [{}, {"X-Source": "wrong"}])
async def test_who_is_nobody_gets_nothing_that_is_kept_and_is_judged_once(
    app: Quart, access: Named, headers: dict[str, str]
) -> None:
    await app.test_client().get(PATH, headers={"X-Source": "s"})
    before = access.asked
    refused = await app.test_client().get(PATH, headers=headers)
    assert (refused.status_code, refused.content_type) == (401, "application/problem+json")
    assert access.asked == before + 1

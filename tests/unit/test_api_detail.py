"""`/api/tasks/{id}`: attempts, relatives, and what is null and why."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Requests
from support.access import Seeing
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Attempt, State
from taskscope_shared.settings import Api, Settings
from taskscope_shared.testing import MemoryStore

CLOCK = ManualClock()
TRIED = Attempt(4, State.RETRYING, "w1", None, START, START + 1, START + 2, None, 1.0, "TimeoutError", "no answer")
LOST = Attempt(5, State.LOST, "w2", START + 2)
TASKS = [
    task("root", root_id="root", state=State.SUCCEEDED, children=("mid", "gone")),
    task("mid", root_id="root", parent_id="root", sent_at=START, name="archive.cut"),
    task("leaf", root_id="root", parent_id="mid", sent_at=START),
    task("far", root_id="lost-root", parent_id="lost-parent"),
    task("loop", root_id="loop2", parent_id="loop2"),
    task("loop2", root_id="loop2", parent_id="loop"),
    *(task(f"m{n:03}", parent_id="many", group_id="g", root_id="many", sent_at=START + n) for n in range(120)),
    *(task(f"h{n:03}", group_id="c", root_id=f"h{n:03}", sent_at=START + n) for n in range(3)),
    task("body", parent_id="h001", root_id="h001", group_id="c", sent_at=START + 9, name="archive.publish"),
    *(task(f"w{n:03}", group_id="wide", root_id=f"w{n:03}", sent_at=START + n) for n in range(110)),
    task("w-body", parent_id="w105", root_id="w105", group_id="wide", sent_at=START + 200),
    task("tried", attempts=6, history=(TRIED, LOST), worker="w3", started_at=START + 9, received_at=START + 8),
    task("waits", state=State.QUEUED, attempts=5, history=(TRIED, LOST)),
    task("new", state=State.QUEUED),
]


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(CLOCK)
    await (await Writing(store, CLOCK).begin()).write(*TASKS)
    other = await Writing(store, CLOCK, "t").begin()
    await other.write(
        task("mid", name="elsewhere"), task("stranger", parent_id="root", group_id="g"), task("only-t", parent_id="mid")
    )
    return store


async def serving(app: Quart) -> AsyncIterator[Requests]:
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and len(services.live.replicas) == 2)
        yield running.test_client()


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[Requests]:
    async for client in serving(create_app(Settings(), store, CLOCK)):
        yield client


@pytest.mark.parametrize(
    ("template", "trace_id", "link", "why"),
    [
        ("https://t.example/trace/{trace_id}?x={trace_id}", "0af7", "https://t.example/trace/0af7?x=0af7", None),
        ("https://t.example/?q={trace_id}", "a/b&c", "https://t.example/?q=a%2Fb%26c", None),
        ("https://t.example/{trace_id}", None, None, "which trace"),
        (None, "0af7", None, "api.trace_url"),
    ],
)
async def test_a_task_with_a_trace_has_a_link_to_it(
    template: str | None, trace_id: str | None, link: str | None, why: str | None
) -> None:
    store = MemoryStore(CLOCK)
    await (await Writing(store, CLOCK).begin()).write(task("traced", trace_id=trace_id))
    await (await Writing(store, CLOCK, "t").begin()).write()
    async for client in serving(create_app(Settings(api=Api(trace_url=template)), store, CLOCK)):
        found = await get(client, "/api/tasks/s/traced")
        assert found["trace_url"] == link
        assert (why or "") in found["unknown"].get("trace_url", "")
        assert ("trace_url" in found["unknown"]) is (link is None)


async def get(client: Requests, path: str, status: int = 200) -> Any:
    response = await client.get(path)
    assert response.status_code == status, await response.get_data()
    return await response.get_json(force=True)


def short(rows: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    return [(row["id"], row["retained"]) for row in rows]


async def test_the_chain_of_parents_leads_to_the_root(client: Requests) -> None:
    found = (await get(client, "/api/tasks/leaf"))["relatives"]
    assert found["ancestors"] == [
        {"id": "mid", "source": "s", "retained": True, "name": "archive.cut", "state": "running"},
        {"id": "root", "source": "s", "retained": True, "name": "archive.encode", "state": "succeeded"},
    ]
    assert (found["children"], found["children_total"]) == ([], 0)


async def test_ancestors_that_are_not_retained_are_named_and_the_root_comes_last(client: Requests) -> None:
    found = (await get(client, "/api/tasks/far"))["relatives"]
    assert short(found["ancestors"]) == [("lost-parent", False), ("lost-root", False)]
    assert found["ancestors"][0] == {"id": "lost-parent", "source": "s", "retained": False, "name": None, "state": None}


async def test_parents_that_name_each_other_do_not_go_on_for_ever(client: Requests) -> None:
    assert short((await get(client, "/api/tasks/loop"))["relatives"]["ancestors"]) == [("loop2", True)]


async def test_children_are_those_that_name_their_parent_and_those_that_its_result_names(client: Requests) -> None:
    found = (await get(client, "/api/tasks/root"))["relatives"]
    assert (short(found["children"]), found["children_total"]) == ([("mid", True), ("gone", False)], 2)
    assert found["ancestors"] == []


async def test_groups_and_children_are_bounded_and_counted(client: Requests) -> None:
    found = (await get(client, "/api/tasks/m007"))["relatives"]
    assert (len(found["group"]), found["group_total"]) == (100, 120)
    assert short(found["group"])[:2] == [("m000", True), ("m001", True)]
    parent = (await get(client, "/api/tasks?parent=many&limit=1"))["total"]
    assert parent == (await get(client, "/api/tasks?group_id=g&source=s&limit=1"))["total"] == 120


@pytest.mark.parametrize("asked", ["h000", "h001", "body"])
async def test_the_body_of_a_chord_is_no_member_of_its_header(client: Requests, asked: str) -> None:
    found = (await get(client, f"/api/tasks/{asked}"))["relatives"]
    assert (short(found["group"]), found["group_total"]) == ([("h000", True), ("h001", True), ("h002", True)], 3)
    assert (found["chord_body"]["id"], found["chord_body"]["name"]) == ("body", "archive.publish")


async def test_the_body_of_a_large_chord_is_found_behind_its_header(client: Requests) -> None:
    found = (await get(client, "/api/tasks/w000"))["relatives"]
    assert (len(found["group"]), found["group_total"], found["chord_body"]["id"]) == (100, 110, "w-body")


async def test_a_group_without_a_body_has_none(client: Requests) -> None:
    assert (await get(client, "/api/tasks/m007"))["relatives"]["chord_body"] is None


async def test_attempts_have_their_own_times_and_the_current_one_is_apart(client: Requests) -> None:
    tried = await get(client, "/api/tasks/tried")
    assert [(one["number"], one["state"], one["worker"]) for one in tried["history"]] == [
        (4, "retrying", "w1"),
        (5, "lost", "w2"),
    ]
    first = tried["history"][0]
    assert (first["runtime_seconds"], first["exception_type"], first["finished_at"]) == (
        1.0,
        "TimeoutError",
        first["finished_at"],
    )
    assert "retry" in first["unknown"]["queued_at"]
    assert tried["history_left_out"] == 3
    assert (tried["attempt"]["number"], tried["attempt"]["state"], tried["attempt"]["worker"]) == (6, "running", "w3")


async def test_a_task_that_no_worker_has_has_no_current_attempt(client: Requests) -> None:
    waits, new = await get(client, "/api/tasks/waits"), await get(client, "/api/tasks/new")
    assert (waits["attempt"], len(waits["history"])) == (None, 2)
    assert (new["attempt"], new["history"], new["history_left_out"]) == (None, [], 0)


async def test_every_attempt_explains_what_is_null(client: Requests) -> None:
    for one in (await get(client, "/api/tasks/tried"))["history"]:
        null = {name for name, value in one.items() if value is None}
        assert null - {"exception", "exception_type"} == set(one["unknown"])


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("none", 404, None),
        ("t/leaf", 404, None),
        ("leaf?source=t", 404, None),
        ("mid", 409, "source"),
        ("leaf?sources=s", 400, "sources"),
        ("leaf?source=s&source=t", 400, "source"),
        ("s/leaf?source=s", 400, "source"),
    ],
)
async def test_what_is_not_one_task_is_a_problem(client: Requests, path: str, status: int, field: str | None) -> None:
    problem = await get(client, f"/api/tasks/{path}", status)
    assert (problem["status"], problem.get("field")) == (status, field)


async def test_relatives_of_another_source_are_neither_shown_nor_counted(store: MemoryStore) -> None:
    async for client in serving(create_app(Settings(), store, CLOCK, access=Seeing("t"))):
        await get(client, "/api/tasks/leaf", 404)
        await get(client, "/api/tasks/s/leaf", 404)
        stranger = (await get(client, "/api/tasks/stranger"))["relatives"]
        assert short(stranger["ancestors"]) == [("root", False)]
        assert (short(stranger["group"]), stranger["group_total"]) == ([("stranger", True)], 1)
        alone = await get(client, "/api/tasks/mid")  # not ambiguous: the other one is not there for them
        assert (alone["name"], short(alone["relatives"]["children"])) == ("elsewhere", [("only-t", True)])
        assert (await get(client, "/api/tasks?parent=root,mid,many"))["total"] == 2

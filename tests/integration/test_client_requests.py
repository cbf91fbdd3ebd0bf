"""How taskscope-client asks: what it sends, what it asks again, and what its errors say."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.scripted import answer, scripted
from support.servers import free_port
from taskscope_client import AsyncClient, Client, TaskscopeError, UnreachableError
from taskscope_client.backoff import Backoff

EMPTY = answer("200 OK", '{"items": [], "next_cursor": null, "total": 0}')
PROBLEM = {
    "type": "urn:taskscope:problem:invalid-parameter",
    "title": "Invalid parameter",
    "status": 400,
    "detail": "'fail' is no state",
    "field": "state",
    "request_id": "r1",
}
BUSY = answer("503 Service Unavailable", json.dumps({**PROBLEM, "status": 503}), "Retry-After: 0")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscope_client.backoff.FIRST_SECONDS", 0.01)


async def test_filters_are_the_parameters_of_the_api() -> None:
    async with scripted(EMPTY) as server, AsyncClient(f"{server.url}/sub/path/") as client:
        chosen: Any = {"state": ["failed", "lost"], "q": "a b", "sent_from": datetime(2026, 1, 2, tzinfo=UTC)}
        await client.tasks_page(sort="-runtime", fields=["id", "state"], **chosen)
    (path,) = server.paths()
    assert path.startswith("/sub/path/api/tasks?state=failed&state=lost&q=a+b&sent_from=2026-01-02T00%3A00%3A00%2B00%3A00")
    assert path.endswith("&sort=-runtime&limit=50&fields=id%2Cstate")


async def test_a_time_without_zone_is_refused_before_anything_is_asked() -> None:
    async with scripted(EMPTY) as server, AsyncClient(server.url) as client:
        with pytest.raises(ValueError, match="no time zone"):
            await client.tasks_page(sent_from=datetime(2026, 1, 2))  # noqa: DTZ001 - it is what is refused
    assert server.heads == []


async def test_a_problem_becomes_an_error_that_says_all_of_it() -> None:
    refused = answer("400 Bad Request", json.dumps(PROBLEM), media="application/problem+json")
    async with scripted(refused) as server, AsyncClient(server.url) as client:
        with pytest.raises(TaskscopeError, match="is no state") as caught:
            await client.tasks_page(state="fail")
    error = caught.value
    assert (error.status, error.kind, error.field, error.request_id) == (400, "invalid-parameter", "state", "r1")
    assert error.type == PROBLEM["type"]
    assert len(server.heads) == 1, "what is wrong stays wrong: it is not asked again"


async def test_what_is_no_problem_is_an_error_too() -> None:
    page = answer("404 Not Found", "<html>nginx</html>", "X-Request-Id: r2", media="text/html")
    async with scripted(page) as server, AsyncClient(server.url) as client:
        with pytest.raises(TaskscopeError, match="nginx") as caught:
            await client.health()
    assert (caught.value.status, caught.value.request_id) == (404, "r2")
    async with scripted(answer("200 OK", '{"items": 1}')) as server, AsyncClient(server.url) as client:
        with pytest.raises(TaskscopeError, match="does not understand"):
            await client.tasks_page()


async def test_what_is_refused_for_now_is_asked_again() -> None:
    async with scripted(BUSY, BUSY, EMPTY) as server, AsyncClient(server.url) as client:
        assert (await client.tasks_page()).total == 0
    assert len(server.heads) == 3


async def test_it_is_not_asked_for_ever() -> None:
    async with scripted(BUSY) as server, AsyncClient(server.url, retries=2) as client:
        with pytest.raises(TaskscopeError) as caught:
            await client.tasks_page()
    assert (caught.value.status, caught.value.retry_after_seconds, len(server.heads)) == (503, 0.0, 3)


async def test_the_wait_that_is_asked_for_is_honoured_and_bounded() -> None:
    loop = asyncio.get_running_loop()
    slow = answer("429 Too Many Requests", json.dumps({**PROBLEM, "status": 429}), "Retry-After: 1")
    for most, expected in ((30.0, 1.0), (0.1, 0.1)):
        async with scripted(slow, EMPTY) as server, AsyncClient(server.url, most_wait_seconds=most) as client:
            began = loop.time()
            await client.tasks_page()
            assert expected <= loop.time() - began < expected + 0.85


async def test_another_base_url_is_used_where_one_does_not_answer() -> None:
    async with scripted(EMPTY) as server:
        nobody = f"http://127.0.0.1:{free_port()}"
        async with AsyncClient([nobody, server.url], retries=0) as client:
            await client.tasks_page()
            await client.tasks_page()
        assert len(server.heads) == 2
        async with AsyncClient(nobody, retries=1) as client:
            with pytest.raises(UnreachableError) as caught:
                await client.tasks_page()
        assert caught.value.status == 0


async def test_a_token_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with scripted(EMPTY) as server, AsyncClient(server.url, token_file=file) as client:
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            await client.tasks_page()
    first, second = (head.lower() for head in server.heads)
    assert ("authorization: bearer first\r\n" in first, "authorization: bearer second\r\n" in second) == (True, True)


def test_a_client_is_told_at_once_what_makes_no_sense() -> None:
    wrongs: tuple[str | list[str], ...] = ("taskscope:5051", "", [])
    for wrong in wrongs:
        with pytest.raises(ValueError, match="base URL"):
            Client(wrong)
    with pytest.raises(ValueError, match="not both"):
        Client(token="a", token_file="b")


async def test_all_pages_are_walked() -> None:
    pages = [
        answer("200 OK", json.dumps({"items": [{"id": id_}], "next_cursor": cursor, "total": 3}))
        for id_, cursor in (("a", "c1"), ("b", "c2"), ("c", None))
    ]
    async with scripted(*pages) as server:
        async with AsyncClient(server.url) as client:
            assert [task.id async for task in client.tasks(state="failed", page_size=1)] == ["a", "b", "c"]
        assert server.paths() == [
            "/api/tasks?state=failed&limit=1",
            "/api/tasks?state=failed&limit=1&cursor=c1",
            "/api/tasks?state=failed&limit=1&cursor=c2",
        ]
    async with scripted(*pages) as server:
        assert await asyncio.to_thread(lambda: list(ids(server.url))) == ["a", "b", "c"]


def ids(url: str) -> Iterator[str]:
    with Client(url) as client:
        yield from (task.id for task in client.tasks())


def test_waits_double_up_to_a_bound_and_are_short_again_after_a_success() -> None:
    backoff = Backoff(1.0)
    waits = [backoff.pause() for _ in range(12)]
    assert all(0.005 * 2**n <= wait <= min(0.01 * 2**n, 1.0) for n, wait in enumerate(waits[:6]))
    assert max(waits) <= 1.0
    assert backoff.pause(0.7) >= 0.7
    assert backoff.pause(99.0) == 1.0
    backoff.reset()
    assert backoff.pause() <= 0.01

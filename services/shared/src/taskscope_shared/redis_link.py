"""One connection to Taskscope's own Redis: packed commands out, raw replies in, every failure a `StoreError` that says why."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from taskscope_shared.redis_servers import connected
from taskscope_shared.redis_spans import asking, first_command
from taskscope_shared.settings import SecretUnavailableError
from taskscope_shared.store import StoreError, WritesRefusedError
from taskscope_shared.tracing import ongoing

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
Reply = Any
"""bytes, int, None, a list of replies, or an exception where the server refused."""

HINTS = {
    "OOM": "it is full: raise its maxmemory, or lower retention.*",
    "READONLY": "it is a read-only replica: redis.url has to name the primary, or its Sentinels",
    "MISCONF": "it refuses writes because it cannot save to its disk",
    "NOAUTH": "it wants a password: put it into redis.url",
    "WRONGPASS": "it does not take the user name and password of redis.url",
    "NOPERM": "its ACL does not allow the user of redis.url to do this",
    "LOADING": "it is still loading its data",
    "MOVED": "it is a Redis Cluster: redis.url has to name a server that is not one",
    "WRONGTYPE": "another application uses the same keys: choose another redis.prefix",
}

NO_WRITES = {"OOM", "READONLY", "MISCONF"}
"""Refusals of every write, whoever wants to."""

FAULTS = (RedisError, OSError, EOFError, SecretUnavailableError)


def explain(error: Exception) -> StoreError:
    """What went wrong, with what would help where that is known."""
    text = str(error) or type(error).__name__
    if not isinstance(error, ResponseError):
        return StoreError(f"the store cannot be reached: {text}")
    code = next((code for code in HINTS if code in text or code in str(getattr(error, "status_code", ""))), None)
    kind = WritesRefusedError if code in NO_WRITES else StoreError
    return kind(f"the store refused: {text}" + (f" ({HINTS[code]})" if code else ""))


SENT_AT_ONCE = 1024 * 1024
"""Bytes given to the socket before it is waited for: what it does not take is copied."""
BIG = 64 * 1024
"""A last argument from so many bytes on goes to the socket as it is."""


def pack(commands: Iterable[Command]) -> list[bytes]:
    """All commands as they go over the wire, in parts: joining what is big would copy it once more."""
    parts: list[bytes] = []
    small: list[bytes] = []
    for command in commands:
        last = command[-1]
        if isinstance(last, bytes) and len(last) >= BIG:
            head = hiredis.pack_command((*command[:-1], b"")).removesuffix(b"$0\r\n\r\n")  # type: ignore[arg-type]  # as below
            parts += (b"".join([*small, head, b"$%d\r\n" % len(last)]), last)
            small = [b"\r\n"]
        else:
            small.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub: one argument
    parts.append(b"".join(small))
    return parts


class RedisLink:
    """A connection that is opened when it is needed and dropped at the first fault, for one user at a time.

    `url` is asked at each opening, so that a changed secret is taken. No answer within `timeout_seconds` is a fault.
    """

    def __init__(self, url: Callable[[], str], timeout_seconds: float = 5.0) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._connection: AbstractConnection | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator["RedisLink"]:
        """This connection alone until the context ends: for WATCH and what follows it."""
        async with self._lock:
            yield self

    async def run(self, commands: list[Command]) -> list[Reply]:
        """The replies to `commands`, sent as one; the caller holds the link. An error reply raises `StoreError`."""
        replies = await self.run_packed(pack(commands), len(commands))
        for reply in replies:
            if isinstance(reply, Exception):
                raise explain(reply)
        return replies

    async def run_packed(self, parts: list[bytes], count: int) -> list[Reply]:
        """The next `count` replies after sending `parts`; an error reply is returned in its place."""
        tracer = ongoing()
        if tracer is None:
            return await self._exchange(parts, count)
        host, port = getattr(self._connection, "host", None), getattr(self._connection, "port", None)
        with asking(tracer, first_command(parts[0]), count, host, port):
            return await self._exchange(parts, count)

    async def _exchange(self, parts: list[bytes], count: int) -> list[Reply]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                connection = await self._open()
                for part in parts:
                    await _send(connection, part)
                replies = [await _reply(connection) for _ in range(count)]
        except FAULTS as error:
            await self.drop()
            raise explain(error) from error
        except BaseException:  # cancelled in the middle: what the connection answers next would be somebody else's
            await self.drop()
            raise
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            await self.drop()  # a primary no more: the next use asks anew who is
        return replies

    async def read(self) -> Reply:
        """The next reply or push, waited for without end. Cancelled, it leaves the connection as it is, and loses nothing."""
        try:
            return await _reply(await self._open(), disconnect_on_error=False)
        except FAULTS as error:
            await self.drop()
            raise explain(error) from error

    async def call(self, *commands: Command) -> list[Reply]:
        """`run`, holding the link for just that. What the server ended while nobody used it is opened anew first."""
        async with self._lock:
            if await self._ended():
                await self.drop()
            return await self.run(list(commands))

    async def database(self) -> int:
        """The number of the database that it is connected to; the caller holds the link."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return int((await self._open()).db or 0)
        except FAULTS as error:
            raise explain(error) from error

    async def drop(self) -> None:
        """Close the connection; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _ended(self) -> bool:
        """Whether the server closed the connection; nothing is under way, so what can be read is an end, too."""
        try:
            return self._connection is not None and await self._connection.can_read()
        except FAULTS:
            return True

    async def _open(self) -> AbstractConnection:
        if self._connection is None:
            self._connection = await connected(self._url())
        return self._connection


async def _send(connection: AbstractConnection, part: bytes) -> None:
    if len(part) <= SENT_AT_ONCE:
        await connection.send_packed_command([part], check_health=False)
        return
    view = memoryview(part)
    for at in range(0, len(part), SENT_AT_ONCE):
        await connection.send_packed_command([bytes(view[at : at + SENT_AT_ONCE])], check_health=False)


async def _reply(connection: AbstractConnection, *, disconnect_on_error: bool = True) -> Reply:
    try:
        return await connection.read_response(disable_decoding=True, disconnect_on_error=disconnect_on_error)
    except ResponseError as error:
        return error

"""Following the channels of sources: a reader of its own that never waits for whoever consumes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec

from taskscope_shared.codec import Message, UnknownCodecError, decode_message
from taskscope_shared.redis_link import RedisLink, Reply, pack
from taskscope_shared.store import StoreError

BUFFER_BYTES = 32 * 1024 * 1024
"""Published bytes that may wait. Behind them a reader is better served by the log or a snapshot."""
QUIET_SECONDS = 5.0
"""Without a message for so long the server is asked; without an answer for as long again it is gone."""


class _Buffer:
    """Payloads between the socket's reader and the consumer; full, it ends with an error instead of waiting."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._payloads: deque[bytes] = deque()
        self._bytes = 0
        self._error: StoreError | None = None
        self._filled = asyncio.Event()

    def put(self, payload: bytes) -> None:
        if self._bytes + len(payload) > self._limit_bytes and self._payloads:
            raise StoreError(f"more than {self._limit_bytes} bytes waited to be read from the channel: read the log instead")
        self._bytes += len(payload)
        self._payloads.append(payload)
        self._filled.set()

    def fail(self, error: StoreError) -> None:
        self._error = error
        self._filled.set()

    async def get(self) -> bytes:
        while not self._payloads:
            if self._error is not None:
                raise self._error
            self._filled.clear()
            await self._filled.wait()
        payload = self._payloads.popleft()
        self._bytes -= len(payload)
        return payload


@asynccontextmanager
async def follow(
    link: RedisLink,
    channels: Sequence[str],
    skipped: Callable[[], None],
    limit_bytes: int = BUFFER_BYTES,
    quiet_seconds: float = QUIET_SECONDS,
) -> AsyncIterator[AsyncIterator[Message]]:
    """Subscribe to `channels`; `skipped` is called for each message that cannot be decoded.

    Once the context is entered the server has confirmed the subscription. See `store.Reader.follow`.
    """
    buffer = _Buffer(limit_bytes)
    if channels:
        await link.run_packed(pack([("SUBSCRIBE", *channels)]), len(channels))
    reader = asyncio.create_task(_read(link, buffer, quiet_seconds), name="store-follow") if channels else None
    try:
        yield _messages(buffer, skipped)
    finally:
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        await link.drop()


async def _read(link: RedisLink, buffer: _Buffer, quiet_seconds: float) -> None:
    try:
        while True:
            reply = await _next(link, quiet_seconds)
            if isinstance(reply, list) and reply[0] == b"message":
                buffer.put(reply[2])
    except StoreError as error:
        buffer.fail(error)


async def _next(link: RedisLink, quiet_seconds: float) -> Reply:
    """The next message, or the answer to a PING: whichever comes first, the other comes next."""
    try:
        async with asyncio.timeout(quiet_seconds):
            return await link.read()
    except TimeoutError:
        return (await link.run_packed(pack([("PING",)]), 1))[0]


async def _messages(buffer: _Buffer, skipped: Callable[[], None]) -> AsyncIterator[Message]:
    while True:
        payload = await buffer.get()
        try:
            message = decode_message(payload)
        except (UnknownCodecError, msgspec.DecodeError):
            skipped()
            continue
        yield message

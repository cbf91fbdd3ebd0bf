"""Questions and answers through Redis: a stream of questions for each source, a list of answers for each asker.

A question is taken by deleting it from its stream, in a transaction that the source's lease guards: one collector answers it,
once, or nobody. How old it is, the server's own clock says, so that machines whose clocks differ agree on the deadline.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from taskscope_shared import requests, settings
from taskscope_shared.codec import UnknownCodecError
from taskscope_shared.keys import Keys
from taskscope_shared.redis_link import Command, RedisLink
from taskscope_shared.requests import ASKED_AT_MOST, ASKED_SECONDS, OUTSTANDING, Answer, Ask, NoAnswerError, Taken
from taskscope_shared.store import Lease, LeaseLostError, StoreError

POP_SECONDS = 2
"""An asker waits at its list so long at a time, and only while it has questions out."""
READ_AT_ONCE = 32
ATTEMPTS = 5
"""Tries to take what was read while flushes renew the lease."""
KEPT_SECONDS = 10
"""An answer that its asker does not take lives for so long."""


class RedisAsker:
    """`requests.Asker` on the server at `url`. Opens its connections when something is asked."""

    def __init__(self, url: str | Callable[[], str], *, prefix: str = "taskscope", timeout_seconds: float = 5.0) -> None:
        self._keys = Keys(prefix)
        self._asking, self._answers = _link(url, timeout_seconds), _link(url, timeout_seconds)
        self._answer_to = self._keys.answers(requests.new_id())
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.unreadable = 0

    @classmethod
    def from_settings(cls, configured: settings.Settings) -> "RedisAsker":
        """As the installation is configured."""
        return cls(lambda: settings.resolve_url(configured.redis.url), prefix=configured.redis.prefix)

    async def ask(self, source: str, kind: str, arguments: msgspec.Struct, seconds: float) -> bytes:
        """See `requests.Asker`."""
        if len(self._waiting) >= OUTSTANDING:
            raise NoAnswerError(f"{OUTSTANDING} questions wait for their answers already: ask again later")
        ask = requests.ask_of(source, kind, arguments, seconds, self._answer_to)
        future = self._waiting[ask.id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._put(ask)
                self._read()
                return requests.body_of(await future)
        except TimeoutError:
            raise NoAnswerError(f"no collector answered within {seconds:g} s") from None
        except StoreError as error:
            raise NoAnswerError(f"the collector cannot be asked: {error}") from error
        finally:
            del self._waiting[ask.id]
            if not future.cancel() and not future.cancelled():
                future.exception()  # seen: nobody waits for it any more

    async def close(self) -> None:
        """See `requests.Asker`."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._asking.drop()
        await self._answers.drop()

    async def _put(self, ask: Ask) -> None:
        key = self._keys.asks(ask.source)
        await self._asking.call(
            ("XADD", key, "MAXLEN", "=", ASKED_AT_MOST, "*", "d", requests.encode(ask)),
            ("EXPIRE", key, ASKED_SECONDS),
        )

    def _read(self) -> None:
        """Be sure that somebody waits for answers."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._take_answers(), name="answers")

    async def _take_answers(self) -> None:
        """While somebody waits; a connection that breaks fails them all, which is sooner than their deadline."""
        try:
            while self._waiting:
                popped = (await self._answers.call(("BLPOP", self._answer_to, POP_SECONDS)))[0]
                if popped is not None:
                    self._take(popped[1])
        except StoreError as error:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)

    def _take(self, data: bytes) -> None:
        try:
            answer = requests.decode_answer(data)
        except (UnknownCodecError, msgspec.DecodeError):
            self.unreadable += 1
            return
        future = self._waiting.get(answer.id)
        if future is not None and not future.done():
            future.set_result(answer)


class RedisAnswerer:
    """`requests.Answerer` on the server at `url`: a connection for each source that waits, and one for the rest."""

    def __init__(self, url: str | Callable[[], str], *, prefix: str = "taskscope", timeout_seconds: float = 5.0) -> None:
        self._keys = Keys(prefix)
        self._url, self._timeout_seconds = url, timeout_seconds
        self._links: dict[str, RedisLink] = {}
        self._answering = _link(url, timeout_seconds)
        self.unreadable = self.late = 0

    @classmethod
    def from_settings(cls, configured: settings.Settings) -> "RedisAnswerer":
        """As the installation is configured."""
        return cls(lambda: settings.resolve_url(configured.redis.url), prefix=configured.redis.prefix)

    async def take(self, lease: Lease, wait_seconds: float) -> list[Taken]:
        """See `requests.Answerer`."""
        key, link = self._keys.asks(lease.source), self._link(lease.source)
        milliseconds = max(1, int(wait_seconds * 1000))
        read = (await link.call(("XREAD", "COUNT", READ_AT_ONCE, "BLOCK", milliseconds, "STREAMS", key, "0")))[0]
        entries: list[tuple[bytes, list[bytes]]] = read[0][1] if read else []
        if not entries:
            return []
        now, claimed = await self._claim(link, lease, [id_ for id_, _ in entries])
        taken = [self._timely(fields, _age(id_, now)) for id_, fields in entries if id_ in claimed]
        return [one for one in taken if one is not None]

    async def answer(self, ask: Ask, answer: Answer) -> None:
        """See `requests.Answerer`."""
        if not ask.answer_to.startswith(self._keys.answers("")):
            return  # not a key of ours: whoever can write to the stream must not write elsewhere through us
        await self._answering.call(
            ("MULTI",),
            ("RPUSH", ask.answer_to, requests.encode(answer)),
            ("EXPIRE", ask.answer_to, KEPT_SECONDS),
            ("EXEC",),
        )

    async def close(self) -> None:
        """See `requests.Answerer`."""
        for link in (self._answering, *self._links.values()):
            await link.drop()

    def _link(self, source: str) -> RedisLink:
        if source not in self._links:
            self._links[source] = _link(self._url, self._timeout_seconds)
        return self._links[source]

    async def _claim(self, link: RedisLink, lease: Lease, ids: list[bytes]) -> tuple[float, set[bytes]]:
        """The server's time, and those of `ids` that are ours now. A flush that renews the lease is no fault."""
        key, guard = self._keys.asks(lease.source), self._keys.lease(lease.source)
        deletes: list[Command] = [("XDEL", key, id_) for id_ in ids]
        async with link.held():
            for _ in range(ATTEMPTS):
                value = (await link.run([("UNWATCH",), ("WATCH", guard), ("GET", guard)]))[2]
                if value is None or value.decode() != lease.value:
                    raise LeaseLostError(f"{lease.source}: questions are for the lease's holder")
                done = (await link.run([("MULTI",), ("TIME",), *deletes, ("EXEC",)]))[-1]
                if done is not None:
                    return _seconds(done[0]), {id_ for id_, count in zip(ids, done[1:], strict=True) if count == 1}
        return 0.0, set()  # they stay where they are, for the next time

    def _timely(self, fields: list[bytes], age_seconds: float) -> Taken | None:
        try:
            ask = requests.decode_ask(dict(zip(fields[::2], fields[1::2], strict=True))[b"d"])
        except (UnknownCodecError, msgspec.DecodeError, KeyError):
            self.unreadable += 1
            return None
        if age_seconds >= ask.seconds:
            self.late += 1
            return None
        return Taken(ask, ask.seconds - age_seconds)


def _link(url: str | Callable[[], str], timeout_seconds: float) -> RedisLink:
    return RedisLink(_asked(url), timeout_seconds)


def _asked(url: str | Callable[[], str]) -> Callable[[], str]:
    if isinstance(url, str):
        return lambda: url
    return url


def _age(id_: bytes, now: float) -> float:
    """Seconds since the entry was added; its id begins with the server's milliseconds."""
    return now - int(id_.partition(b"-")[0]) / 1000


def _seconds(time: Any) -> float:  # noqa: ANN401 - TIME: seconds and microseconds
    return int(time[0]) + int(time[1]) / 1e6

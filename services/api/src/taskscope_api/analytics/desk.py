"""Takes questions for a principal: only of its sources, within a deadline, and with the last answer when Redis is away."""

import asyncio
import logging
from collections import OrderedDict
from http import HTTPStatus

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.store import Reader, StoreError

from taskscope_api.analytics.analysis import Analyst, Surroundings
from taskscope_api.analytics.cellar import LIVE_SECONDS, BusyError, Cellar
from taskscope_api.analytics.question import Question
from taskscope_api.analytics.rows import Analytics
from taskscope_api.errors import ApiError
from taskscope_api.fleet import Fleet
from taskscope_api.live_view import LiveView

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 8.0
AWAY_SECONDS = 1.0
"""The deadline while Redis did not answer lately."""
MAKING = 8
"""Answers made at once; one more question is told to come back."""
KEPT_ANSWERS = 16
"""Latest answers, some 3 MB each: given again for `LIVE_SECONDS`, and for when Redis is away."""


class Given(msgspec.Struct):
    """An answer, as it is sent, and when it was made (monotonic)."""

    answer: Analytics
    body: bytes
    at: float


class Desk:
    """Answers questions over the rollups of the sources that the live view follows."""

    def __init__(self, reader: Reader, live: LiveView, fleet: Fleet, clock: Clock) -> None:
        self._cellar = Cellar(reader, clock)
        self._analyst = Analyst(self._cellar)
        self._live = live
        self._fleet = fleet
        self._clock = clock
        self._answers: OrderedDict[bytes, Given] = OrderedDict()
        self._making: dict[bytes, asyncio.Task[Given]] = {}

    async def answer(self, asked: Question, scope: frozenset[str] | None) -> Given:
        """The answer, over the sources in `scope` alone (None: all), at most `LIVE_SECONDS` old.

        Raises `ApiError` 503 when Redis does not answer in time, and nothing alike was asked before.
        """
        sources = self._sources(asked, scope)
        key = msgspec.msgpack.encode((sources, asked))
        last = self._answers.get(key)
        if last is not None and self._clock.monotonic() - last.at < LIVE_SECONDS and self._as_stale(last, sources):
            return last
        try:
            async with asyncio.timeout(DEADLINE_SECONDS if self._fleet.store.up else AWAY_SECONDS):
                return await asyncio.shield(self._begun(key, asked, sources))
        except (StoreError, TimeoutError, BusyError) as error:
            return self._last(key, error)

    def _begun(self, key: bytes, asked: Question, sources: list[str]) -> "asyncio.Task[Given]":
        """The making of an answer: one for all who ask the same, and it goes on when they give up."""
        if key not in self._making:
            if len(self._making) >= MAKING:
                raise BusyError
            self._making[key] = asyncio.create_task(self._make(key, asked, sources), name="analytics")
            self._making[key].add_done_callback(lambda task: self._made(key, task))
        return self._making[key]

    def _made(self, key: bytes, task: "asyncio.Task[Given]") -> None:
        del self._making[key]
        if not task.cancelled():
            task.exception()  # told to whoever still waits

    async def _make(self, key: bytes, asked: Question, sources: list[str]) -> Given:
        found = await self._analyst.answer(asked, sources, self._clock.now(), self._surroundings(sources))
        found.stale_reasons = self._stale(sources)
        found.stale = bool(found.stale_reasons)
        await asyncio.sleep(0)
        given = self._answers[key] = Given(found, msgspec.json.encode(found), self._clock.monotonic())
        self._answers.move_to_end(key)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        return given

    async def close(self) -> None:
        """End what is being made and read."""
        for task in list(self._making.values()):
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        await self._cellar.close()

    def _sources(self, asked: Question, scope: frozenset[str] | None) -> list[str]:
        known = sorted({*self._live.replicas, *self._fleet.followers})
        return [name for name in known if (scope is None or name in scope) and (not asked.sources or name in asked.sources)]

    def _surroundings(self, sources: list[str]) -> Surroundings:
        replicas = self._live.replicas

        def retained(source: str, id_: str) -> bool:
            return source in replicas and id_ in replicas[source].tasks

        return Surroundings(self._live.queues(sources.__contains__), retained)

    def _stale(self, sources: list[str]) -> list[str]:
        reasons = [f"{source}: {reason}" for source, reason in sorted(self._live.stale.items()) if source in sources]
        return [*reasons, "Redis does not answer"] if self._live.store_lost else reasons

    def _as_stale(self, given: Given, sources: list[str]) -> bool:
        """Whether nothing would have to be said of staleness now that the answer does not say."""
        return not given.answer.stale and not self._stale(sources)

    def _last(self, key: bytes, error: Exception) -> Given:
        why = _why(error)
        last = self._answers.get(key)
        if last is None:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "analytics-unavailable", why) from error
        logger.warning("an earlier answer of the analytics was given: %s", why)
        stale = msgspec.structs.replace(last.answer, stale=True, stale_reasons=[why])
        return Given(stale, msgspec.json.encode(stale), last.at)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"Redis did not give what is asked within {DEADLINE_SECONDS:.0f} s; reading goes on, so ask again soon"
    if isinstance(error, BusyError):
        return "too much is being read from Redis already: ask again soon"
    return f"Redis holds the rollups, and {error}"

"""Takes questions for a principal: only of its sources, within a deadline, and with the last answer when Redis is away."""

import asyncio
import logging
from collections import OrderedDict
from http import HTTPStatus

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.store import Reader, StoreError

from taskscope_api.analytics.analysis import Analyst, Surroundings
from taskscope_api.analytics.cellar import BusyError, Cellar
from taskscope_api.analytics.question import Question
from taskscope_api.analytics.rows import Analytics
from taskscope_api.errors import ApiError
from taskscope_api.fleet import Fleet
from taskscope_api.live_view import LiveView

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 8.0
AWAY_SECONDS = 1.0
"""The deadline while Redis did not answer lately."""
KEPT_ANSWERS = 16
"""Latest answers, some 0.5 MB each, for when Redis is away."""


class Desk:
    """Answers questions over the rollups of the sources that the live view follows."""

    def __init__(self, reader: Reader, live: LiveView, fleet: Fleet, clock: Clock) -> None:
        self._cellar = Cellar(reader, clock)
        self._analyst = Analyst(self._cellar)
        self._live = live
        self._fleet = fleet
        self._clock = clock
        self._answers: OrderedDict[bytes, Analytics] = OrderedDict()

    async def answer(self, asked: Question, scope: frozenset[str] | None) -> Analytics:
        """The answer, over the sources in `scope` alone (None: all).

        Raises `ApiError` 503 when Redis does not answer in time, and nothing alike was asked before.
        """
        sources = self._sources(asked, scope)
        key = msgspec.msgpack.encode((sources, asked))
        try:
            async with asyncio.timeout(DEADLINE_SECONDS if self._fleet.store.up else AWAY_SECONDS):
                found = await self._analyst.answer(asked, sources, self._clock.now(), self._surroundings(sources))
        except (StoreError, TimeoutError, BusyError) as error:
            return self._last(key, error)
        found.stale_reasons = self._stale(sources)
        found.stale = bool(found.stale_reasons)
        self._answers[key] = found
        self._answers.move_to_end(key)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        return found

    async def close(self) -> None:
        """End what is being read."""
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

    def _last(self, key: bytes, error: Exception) -> Analytics:
        why = _why(error)
        last = self._answers.get(key)
        if last is None:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "analytics-unavailable", why) from error
        logger.warning("an earlier answer of the analytics was given: %s", why)
        return msgspec.structs.replace(last, stale=True, stale_reasons=[why])


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"Redis did not give what is asked within {DEADLINE_SECONDS:.0f} s; reading goes on, so ask again soon"
    if isinstance(error, BusyError):
        return "too much is being read from Redis already: ask again soon"
    return f"Redis holds the rollups, and {error}"

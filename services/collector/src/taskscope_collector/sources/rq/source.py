"""An RQ source: connects, watches, and begins again when the server was away."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, SourceStatus
from taskscope_shared.requests import NoAnswerError, Place, WorkerFacts
from taskscope_shared.settings import RqSource, SecretUnavailableError, resolve_url

from taskscope_collector.observations import Counts, Health, Reconnected, Sink, View
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.faults import reason_of
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq import asks
from taskscope_collector.sources.rq.checking import check_rq
from taskscope_collector.sources.rq.keys import Keys
from taskscope_collector.sources.rq.ledger import Ledger
from taskscope_collector.sources.rq.reconcile import Limits
from taskscope_collector.sources.rq.session import Connections, Session, StoodDown
from taskscope_collector.sources.rq.tracking import Changes, open_tracking

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Waits between attempts to connect; the last one repeats."""
STANDBY_SECONDS = 0.1


class RqSourceRunner:
    """Implements `observations.SourceRunner` for the RQ jobs of one Redis database and key prefix."""

    engine = Engine.RQ

    def __init__(self, settings: RqSource, redactor: Redactor, clock: Clock, limits: Limits | None = None) -> None:
        self._settings = settings
        self._redactor = redactor
        self._clock = clock
        self._limits = limits or Limits()
        self._ledger = Ledger()
        self._keys = Keys(settings.key_prefix)
        self._reads: RespConnection | None = None
        self.counts = Counts()

    async def run(self, sink: Sink, view: View) -> None:
        """Watch, until cancelled. Never raises for the server's fault.

        A standby asks nothing of the server: whatever it would have missed, RQ still lists when it takes over.
        """
        failures = 0
        blind_since: float | None = None
        while True:
            if not view.active():
                await asyncio.sleep(STANDBY_SECONDS)
                continue
            began = self._clock.monotonic()
            reason = await self._session(sink, view, blind_since)
            if self._clock.monotonic() - began > BACKOFF_SECONDS[-1]:
                failures = 0
                blind_since = self._clock.now()
            blind_since = blind_since or self._clock.now()
            if reason is None:
                continue
            sink.put([Health(SourceStatus.DOWN, self._clock.now(), reason)])
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    async def check(self) -> list[str]:
        """Try everything once: lines that say what answered and what did not."""
        return await check_rq(self._settings)

    async def events_off(self) -> int:
        """RQ has no events to switch off."""
        return 0

    async def place(self, task_id: str, queue: str) -> Place:
        """See `SourceRunner.place`."""
        with _explained():
            return await asks.place(self._connected(), self._keys, task_id, queue)

    async def worker(self, name: str) -> WorkerFacts:
        """See `SourceRunner.worker`."""
        with _explained():
            return await asks.worker_facts(self._connected(), self._keys, name, self._redactor)

    def _connected(self) -> RespConnection:
        if self._reads is None:
            raise NoAnswerError("the collector is not connected to the server of the jobs")
        return self._reads

    async def _session(self, sink: Sink, view: View, blind_since: float | None) -> str | None:
        """Watch until something fails; says what did, or None if another collector is the active one now."""
        changes = Changes(Keys(self._settings.key_prefix), self.counts)
        connections: Connections | None = None
        try:
            connections = await self._connect(changes)
            self._reads = connections.reads
            if blind_since is not None:
                sink.put([Reconnected(blind_since, self._clock.now())])
            session = Session(
                self._settings,
                connections,
                changes,
                self._ledger,
                self._limits,
                self._redactor,
                self._clock,
                self.counts,
                sink,
            )
            await session.run(view)
        except Exception as error:  # noqa: BLE001 - the source's own boundary: it goes on, and says why it was away
            return _reason(error)
        finally:
            self._reads = None
            if connections is not None:
                await _close(connections)
        return "the connection ended"

    async def _connect(self, changes: Changes) -> Connections:
        url = resolve_url(self._settings.redis_url)
        reads = await RespConnection.open(url)
        if not self._settings.tracking:
            return Connections(reads, None)
        try:
            return Connections(reads, await open_tracking(url, Keys(self._settings.key_prefix), changes))
        except RespError as error:
            return Connections(reads, None, reason_of(error))
        except BaseException:
            await reads.close()
            raise


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (OSError, RespError) as error:
        raise NoAnswerError(f"the server of the jobs: {reason_of(error)}") from error


async def _close(connections: Connections) -> None:
    await connections.reads.close()
    if connections.pushes is not None:
        await connections.pushes.close()


def _reason(error: BaseException) -> str | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, StoodDown):
        return None
    if not isinstance(error, OSError | RespError | ValueError | SecretUnavailableError):
        logger.error("an RQ source failed and starts again", exc_info=error)
    return reason_of(error)

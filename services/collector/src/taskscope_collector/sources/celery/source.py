"""A Celery application as a source of observations: what runs, and what it runs on."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine
from taskscope_shared.requests import NoAnswerError, Place, WorkerFacts
from taskscope_shared.settings import CelerySource, SecretUnavailableError, resolve_url

from taskscope_collector.observations import Counts, Observation, Sink, View
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.board import CONTROL, EVENTS, RESULTS
from taskscope_collector.sources.celery.checking import check_celery
from taskscope_collector.sources.celery.control import Broker
from taskscope_collector.sources.celery.links import Link, link_of
from taskscope_collector.sources.celery.parts import Parts
from taskscope_collector.sources.celery.result_watch import ResultWatch
from taskscope_collector.sources.celery.roster import Roster
from taskscope_collector.sources.celery.supervision import EXPECTED_FAULTS, keep_going, together
from taskscope_collector.sources.celery.worker_facts import worker_facts
from taskscope_collector.sources.faults import reason_of
from taskscope_collector.sources.resp_url import SCHEMES

ADDRESS_SECONDS = 2.0
"""How long to wait for a secret's file before looking again."""
OFF_SECONDS = 10.0
NO_BACKEND = "no result backend is configured: there is no progress, and outcomes come from events alone"
EVENTS_OFF = "task events are not switched on (enable_events: false): workers that send none are only polled"


class CelerySourceRunner:
    """Implements `observations.SourceRunner` for one Celery application."""

    engine = Engine.CELERY

    def __init__(self, settings: CelerySource, redactor: Redactor, clock: Clock) -> None:
        self._settings = settings
        self._redactor = redactor
        self._clock = clock
        self._roster = Roster()
        self._running: Parts | None = None
        self.counts = Counts()

    async def run(self, sink: Sink, view: View) -> None:
        """Watch, until cancelled. Never raises for the broker's fault."""
        parts = self._running = self._parts(sink)
        board = parts.board
        board.expect(EVENTS, needed=True)
        board.expect(CONTROL, needed=False)
        board.note("enable_events", None if self._settings.enable_events else EVENTS_OFF)
        link = await self._address(parts)
        board.transport = link.transport
        attempts = [
            keep_going(EVENTS, board, lambda: link.listen(sink)),
            keep_going(CONTROL, board, lambda: link.ask(sink, view)),
        ]
        if self._settings.result_backend is None:
            board.result_backend = False
            board.note("results", NO_BACKEND)
        else:
            board.expect(RESULTS, needed=False)
            watch = ResultWatch(parts.results, parts.known, board, self._clock, self.counts)
            attempts.append(keep_going(RESULTS, board, lambda: self._watch_results(parts, watch, sink, view)))
        await together(*attempts)

    async def check(self) -> list[str]:
        """Try everything once, with deadlines: lines that say what answered and what did not."""
        return await check_celery(self._parts(_Nowhere()))

    async def events_off(self, workers: Collection[str] | None = None) -> int:
        """Switch off the events of `workers`, by default of those that this runner switched on; how many workers answered.

        Raises OSError, RespError, AMQPError, ValueError or SecretUnavailableError when the broker cannot be asked.
        """
        parts = self._parts(_Nowhere())
        if workers is None and not parts.switch.ours():
            return 0  # nothing to be asked for, and the broker may never have been there
        async with asyncio.timeout(OFF_SECONDS), link_of(parts).mailbox() as mailbox:
            return await parts.switch.turn_off(mailbox, workers)

    async def place(self, task_id: str, queue: str) -> Place:
        """See `SourceRunner.place`."""
        with _explained():
            return await self._broker().place(task_id, queue)

    async def worker(self, name: str) -> WorkerFacts:
        """See `SourceRunner.worker`."""
        with _explained():
            return await worker_facts(self._broker().mailbox, name, self._redactor)

    def _broker(self) -> Broker:
        if self._running is None:
            raise NoAnswerError("the collector is starting")
        return self._running.control.broker

    def _parts(self, sink: Sink) -> Parts:
        return Parts(self._settings, self._redactor, self._clock, self.counts, sink, self._roster)

    async def _address(self, parts: Parts) -> Link:
        while True:
            try:
                return link_of(parts)
            except EXPECTED_FAULTS as error:
                parts.board.down(EVENTS, f"broker: {reason_of(error)}")
                await asyncio.sleep(ADDRESS_SECONDS)

    async def _watch_results(self, parts: Parts, watch: ResultWatch, sink: Sink, view: View) -> None:
        try:
            url = resolve_url(self._settings.result_backend or "")
        except SecretUnavailableError:
            parts.board.result_backend = False
            raise
        scheme = url.partition(":")[0]
        if scheme in SCHEMES:
            await watch.run(url, self._settings.result_keyprefix, sink, view)
            return
        parts.board.result_backend = False
        parts.board.note("results", f"a result backend with {scheme} cannot be read: outcomes come from events alone")
        parts.board.up(RESULTS)
        await asyncio.Event().wait()  # there is nothing more to try


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except EXPECTED_FAULTS as error:
        raise NoAnswerError(f"broker: {reason_of(error)}") from error


class _Nowhere:
    """A sink for what nobody wants to know."""

    def put(self, batch: list[Observation]) -> None:
        """Forget it."""

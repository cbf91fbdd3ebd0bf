"""The collector: one supervised pipeline a source."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, SourceStatus
from taskscope_shared.providers import Providers
from taskscope_shared.requests import Answerer
from taskscope_shared.settings import CelerySource, Retention, Settings, SourceSettings
from taskscope_shared.store import Store

from taskscope_collector.asks import Desk
from taskscope_collector.flushing import Flushing
from taskscope_collector.observations import Health, SourceRunner
from taskscope_collector.pipeline import Pipeline
from taskscope_collector.redaction import Redactor
from taskscope_collector.reduced import Reduced
from taskscope_collector.reducer.state import ReducerSettings, SourceState

log = logging.getLogger(__name__)

RESTART_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""After the first, second, ... crash in a row; the last one goes on."""
STEADY_SECONDS = 60.0
"""After so long without a crash the next one counts as the first."""

MakeRunner = Callable[[SourceSettings, Retention, Redactor, Clock], SourceRunner]
MakeState = Callable[[ReducerSettings], Reduced]


def make_runner(settings: SourceSettings, share: Retention, redactor: Redactor, clock: Clock) -> SourceRunner:
    """The source for its engine; `share` of the budgets bounds what it reads at the beginning.

    Imported here, so that a collector of one engine does not load the other's libraries.
    """
    if isinstance(settings, CelerySource):
        from taskscope_collector.sources.celery.source import CelerySourceRunner

        return CelerySourceRunner(settings, redactor, clock)
    from taskscope_collector.sources.rq.reconcile import Limits
    from taskscope_collector.sources.rq.source import RqSourceRunner

    return RqSourceRunner(settings, redactor, clock, Limits(share.finished, share.failed, share.queued))


def holder_name() -> str:
    """Tells this process from any other, also from itself before a restart: host name and a random part."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


class Collector:
    """Watches all configured sources and writes those whose lease it holds to `store`.

    What the api asks about these comes through `answerer` (None: nothing is answered). `providers` say where telemetry goes.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        *,
        make_runner: MakeRunner = make_runner,
        make_state: MakeState = SourceState,
        holder: str | None = None,
        answerer: Answerer | None = None,
        providers: Providers | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._make_runner = make_runner
        self._make_state = make_state
        self._answerer = answerer
        self._tracer = None if providers is None else providers.tracer("taskscope_collector")
        self._flushing = None if providers is None or providers.off else Flushing(providers, clock)
        self._redactor = Redactor(settings.redaction)
        self.holder = holder or holder_name()
        self._pipelines: dict[str, Pipeline] = {}
        self._crashes: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled; then what is left is written, and the leases are given up."""
        async with asyncio.TaskGroup() as group:
            for source in self._settings.sources:
                group.create_task(self._kept_going(source.name, partial(self._watch, source)), name=source.name)

    @property
    def pipelines(self) -> list[Pipeline]:
        """Those that were begun; also to be read by another thread."""
        return list(self._pipelines.values())

    @property
    def flush_failures(self) -> Mapping[str, int]:
        """Flushes that could not be written, by source; counted while telemetry is on."""
        return {} if self._flushing is None else self._flushing.failures

    def reaches_store(self) -> bool:
        """Whether the store answers, as far as those know that use it."""
        return all(each.writer.fault is None for each in self.pipelines)

    def is_ready(self) -> bool:
        """Whether the state of every source is loaded, it is known who writes it, and the store answers."""
        pipelines = [self._pipelines.get(source.name) for source in self._settings.sources]
        return all(each is not None and each.writer.settled.is_set() and each.writer.fault is None for each in pipelines)

    def health(self) -> dict[str, Any]:
        """How it is, for `/readyz` and for people."""
        return {
            "ready": self.is_ready(),
            "holder": self.holder,
            "sources": {source.name: self._health_of(source.name) for source in self._settings.sources},
        }

    def _health_of(self, name: str) -> dict[str, Any]:
        pipeline = self._pipelines.get(name)
        health: dict[str, Any] = {"crashes": self._crashes.get(name, 0)}
        if pipeline is not None:
            health |= pipeline.health()
        return health

    async def _watch(self, source: SourceSettings) -> None:
        """One source: what it sees, and what is made of it. A crash of either is told apart: a pipeline starts from scratch."""
        pipeline = Pipeline(
            source.name,
            self._make_state(self._reducer_settings(source)),
            self._store,
            self._clock,
            holder=self.holder,
            lease_seconds=self._settings.lease_seconds,
            held=lambda: sum(each.active() for each in self._pipelines.values()),
            flushing=self._flushing,
        )
        self._pipelines[source.name] = pipeline
        await pipeline.load()
        desk = None
        if self._answerer is not None:
            desk = Desk(self._answerer, self._clock, lambda: pipeline.writer.lease, self._tracer)
        async with asyncio.TaskGroup() as group:
            group.create_task(pipeline.run())
            group.create_task(self._kept_going(source.name, lambda: self._run_source(source, pipeline, desk), pipeline))
            if desk is not None:
                group.create_task(desk.run(), name=f"desk {source.name}")

    async def _run_source(self, source: SourceSettings, pipeline: Pipeline, desk: Desk | None) -> None:
        runner = self._make_runner(source, self._share(), self._redactor, self._clock)
        if desk is not None:
            desk.runner = runner
        pipeline.count_with(runner.counts)
        await runner.run(pipeline.buffer, pipeline.view)

    async def _kept_going(self, name: str, run: Callable[[], Any], pipeline: Pipeline | None = None) -> None:
        """Run it again after a crash, later and later; the other sources go on meanwhile."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await run()
            except Exception as error:  # the boundary of one source's task: logged and counted, and the others go on
                log.exception("a source crashed and is started again", extra={"source": name})
                reason = f"crashed: {type(error).__name__}: {error}"
            else:
                reason = "ended, which it should not"
            self._crashes[name] = self._crashes.get(name, 0) + 1
            failures = 0 if self._clock.monotonic() - began > STEADY_SECONDS else failures
            if pipeline is not None:
                pipeline.buffer.gap(self._clock.now())
                pipeline.buffer.put([Health(SourceStatus.DOWN, self._clock.now(), reason)])
            await asyncio.sleep(RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)])
            failures += 1

    def _share(self) -> Retention:
        """The budgets are the installation's; each source has an equal share."""
        retention, shares = self._settings.retention, max(1, len(self._settings.sources))
        budgets = {name: getattr(retention, name) // shares for name in ("finished", "failed", "queued")}
        return retention.model_copy(update=budgets)

    def _reducer_settings(self, source: SourceSettings) -> ReducerSettings:
        share = self._share()
        return ReducerSettings(
            source=source.name,
            engine=Engine(source.engine),
            kinds=self._settings.kinds,
            finished=share.finished,
            failed=share.failed,
            queued=share.queued,
            seconds=share.seconds,
            redactor=self._redactor,
        )

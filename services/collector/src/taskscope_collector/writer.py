"""The writing half of a pipeline: standing by, winning the lease, flushing under it, and beginning anew when the store did.

`docs/architecture.md` ("Positions") says what a flush is and how a store that came back empty or older is recognised.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from taskscope_shared.clock import Clock
from taskscope_shared.model import Position
from taskscope_shared.store import Lease, LeaseLostError, Snapshot, Store, StoreChangedError, StoreError

from taskscope_collector.flushing import Flushing
from taskscope_collector.health import HealthReport
from taskscope_collector.lease import LeaseKeeper
from taskscope_collector.outbox import Outbox, Prepared
from taskscope_collector.reduced import UNKNOWN, Reduced
from taskscope_collector.reducer.record import Lane
from taskscope_collector.rollups import Rollups
from taskscope_collector.standby import Recent

log = logging.getLogger(__name__)

FLUSH_SECONDS = (0.04, 0.25)
"""Under load a flush begins so long after the one before: from so many milliseconds on, the busier the later."""
BUSY_TASKS = 30_000
"""Changed tasks a second at which flushes would be a second apart: 40 ms up to 1,200 tasks a second.

A flush costs by the cells of the rollups that it touches. Many tasks share them, so fewer and bigger flushes are cheaper."""
GATHER_SECONDS = 0.001
"""A change on an idle pipeline waits so long for those that come with it."""
ANNOUNCE_SECONDS = 1.0
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0)
"""After the first, second, ... failure in a row; the last one goes on."""
RECENT_LEASES = 2
RECENT_SECONDS = 5.0
"""A standby remembers what changed in the time of two leases and 5 s more: a holder that lags more has lost its lease."""
LAST_FLUSHES_SECONDS = 2.0
"""For what is left when the collector is stopped, and the lease's release."""


class SourceWriter:
    """Writes the state of one source whenever it holds the lease. Set `changed` when there may be something to write.

    `settled` is set once it is known who writes: this one, which has begun then, or another. `flushing` tells of flushes.
    """

    def __init__(
        self,
        state: Reduced,
        store: Store,
        clock: Clock,
        keeper: LeaseKeeper,
        health: HealthReport,
        flushing: Flushing | None = None,
    ) -> None:
        self._state = state
        self._store = store
        self._clock = clock
        self._keeper = keeper
        self._health = health
        self._flushing = flushing
        self._rollups = Rollups()
        self._began = clock.now()
        self._outbox = Outbox(state, store, self._rollups)
        self._recent = Recent(RECENT_LEASES * keeper.seconds + RECENT_SECONDS)
        self._seq = 0
        self._pending: Prepared | None = None
        self._doubtful = False
        self._rewriting = False
        self._more = False
        self._flushed_at = 0.0
        self._pace = FLUSH_SECONDS[0]
        self._announced_at = 0.0
        self._failures = 0
        self.changed = asyncio.Event()
        self.lease: Lease | None = None
        self.settled = asyncio.Event()
        self.events_forbidden = False
        self.fault: str | None = None
        self.flushes = 0

    async def load(self) -> None:
        """Begin with what is stored; waits for the store to answer."""
        snapshot = await self._stored()
        if snapshot is not None:
            self._state.load(snapshot.tasks, snapshot.workers, snapshot.queues)
            self._disown()

    async def _stored(self) -> Snapshot | None:
        while True:
            try:
                snapshot = await self._store.snapshot(self._keeper.source)
            except StoreError as error:
                await self._back_off(error)
            else:
                self._recovered()
                return snapshot

    async def run(self, reduce_rest: Callable[[], None] = lambda: None) -> None:
        """Stand by or write, until cancelled; then `reduce_rest`, write what is left, and give the lease up."""
        try:
            while True:
                await self._hold(await self._win())
        finally:
            if self.lease is not None:
                reduce_rest()
                await self._leave(self.lease)

    # -------------------------------------------------------------------------------------------------------- standby

    async def _win(self) -> Lease:
        """Stand by until the lease is won."""
        while True:
            self._remember()
            try:
                lease = await self._keeper.attempt(self._clock.monotonic())
            except StoreError as error:
                await self._back_off(error)
                continue
            if self._keeper.tried:
                self._recovered()
            if lease is not None:
                return lease
            self.settled.set()
            self._recent.forget_old(self._clock.monotonic())
            await asyncio.sleep(self._keeper.pause_seconds())

    def _remember(self) -> None:
        changes = self._state.drain()
        self._recent.remember(changes, self._clock.monotonic())
        self._outbox.outgoing.add(changes)

    async def _hold(self, lease: Lease) -> None:
        """Write under `lease` until it is lost."""
        self.lease = lease
        try:
            await self._until_written(self._begin)
            self.settled.set()
            log.info("writing", extra={"source": lease.source, "epoch": lease.epoch, "anew": self._rewriting})
            while True:
                await self._until_written(self._turn)
        except LeaseLostError as error:
            log.warning("standing by", extra={"source": lease.source, "reason": str(error)})
            self._drop_pending()
            self.lease = None

    async def _until_written(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do `step` again until it succeeds. Raises `LeaseLostError`."""
        while True:
            try:
                await step()
            except LeaseLostError:
                raise
            except StoreChangedError as error:
                log.warning("the store changed: writing everything anew", extra={"reason": str(error)})
                self._drop_pending()
                step = self._begin_anew
            except StoreError as error:
                await self._back_off(error)
            else:
                self._recovered()
                return

    # ---------------------------------------------------------------------------------------------------------- begin

    async def _begin(self) -> None:
        """Go on from what the store holds, or write everything anew where it is not whole or older than it was."""
        lease = self._leased()
        if self._keeper.went_back(lease):
            raise StoreChangedError(f"{lease.source}: the store is older than it was, at {lease.head}")
        await self._start(lease)
        if not lease.complete:
            await self._mark_everything()
            return
        await self._adopt(lease.source)
        self._remember()
        self._state.remark(*self._recent.take())

    async def _adopt(self, source: str) -> None:
        """Take over the tasks that are stored and not known (they came before this collector listened, or in a gap), what was
        switched on in workers, and how deep queues were."""
        workers = await self._store.load_workers(source)
        queues = await self._store.load_queues(source)
        stored = await self._store.task_ids(source)
        self._state.inherit_workers(workers)
        self._state.inherit_queues(queues)
        self._remember()
        known = self._disown() | self._recent.removed()
        strangers = await self._store.load_tasks(source, [id_ for id_ in stored if id_ not in known])
        if strangers:
            log.info("tasks taken over", extra={"source": source, "tasks": len(strangers)})
            self._remember()
            self._state.load(strangers.values(), (), ())
            self._disown()

    async def _begin_anew(self) -> None:
        """Begin a new incarnation: the store came back empty or older."""
        self.lease = await self._store.restart(self._leased())
        await self._start(self.lease)
        await self._mark_everything()

    async def _start(self, lease: Lease) -> None:
        self._rollups.begin(await self._store.meta(lease.source), self._clock.now(), self._began)
        self._health.forget_written()
        self._seq = 0
        self._rewriting = False

    async def _mark_everything(self) -> None:
        """Everything is to be written, and what is stored beyond it to be removed."""
        self._rewriting = True
        self._recent.take()
        ids = self._disown()
        stored = await self._store.task_ids(self._keeper.source)
        self._outbox.outgoing.removed_tasks = [id_ for id_ in stored if id_ not in ids]
        self._state.mark_all()
        self.changed.set()

    def _disown(self) -> set[str]:
        """What is stored of any task is another's doing from now on. The ids of all tasks; 0.3 us each."""
        self._state.mark_all()
        changes = self._state.drain()
        kept = [record for record in changes.tasks if record.lane is not Lane.GONE]
        for record in kept:
            record.contributed = UNKNOWN
        self._outbox.uncorrected += len(changes.tasks) - len(kept)
        self._outbox.outgoing.add(changes)
        return {record.draft.id for record in kept}

    # ---------------------------------------------------------------------------------------------------------- flush

    async def _turn(self) -> None:
        """One flush or announcement, when it is time."""
        if self._pending is None:
            await self._wait()
            await self._fill()
        if self._pending is not None:
            await self._send(self._pending)
        if self._announcement_due() <= 0:
            await self._announce()

    async def _wait(self) -> None:
        """Until something changed, and then so long that flushes do not crowd; or until the head has to be announced."""
        if self._more:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(max(0.0, self._announcement_due())):
                await self.changed.wait()
        except TimeoutError:
            return
        since = self._clock.monotonic() - self._flushed_at
        await asyncio.sleep(max(GATHER_SECONDS, self._pace - since))

    async def _fill(self) -> None:
        self.changed.clear()
        prepared = await self._outbox.fill(self._leased(), self._seq + 1, self._clock.now(), self._health.due)
        self._health.uncorrected = self._outbox.uncorrected
        self._more = prepared.more
        prepared.flush.complete = not (self._rewriting and prepared.more)
        if prepared.empty and not self._rewriting:
            self._outbox.commit(prepared)
            return
        self._pending = prepared
        self._doubtful = False

    async def _send(self, prepared: Prepared) -> None:
        """Write a flush, and write the same one again after a failure, unless it got there in spite of that."""
        lease, flush = self._leased(), prepared.flush
        doubtful, self._doubtful = self._doubtful, True
        began = self._clock.monotonic()
        if not (doubtful and await self._store.head(lease.source) == (lease.incarnation, Position(lease.epoch, flush.seq))):
            await self._write(lease, prepared)
        self._outbox.commit(prepared)
        self._pending = None
        self._seq = flush.seq
        self._keeper.saw(lease, Position(lease.epoch, flush.seq))
        changed_a_second = len(flush.tasks) / max(began - self._flushed_at, FLUSH_SECONDS[0])
        self._pace = min(max(changed_a_second / BUSY_TASKS, FLUSH_SECONDS[0]), FLUSH_SECONDS[1])
        self._flushed_at = began
        self._rewriting = self._rewriting and not flush.complete
        self.flushes += 1

    async def _write(self, lease: Lease, prepared: Prepared) -> None:
        with nullcontext() if self._flushing is None else self._flushing.of(lease, prepared):
            await self._store.flush(lease, prepared.flush, self._keeper.seconds)

    def _announcement_due(self) -> float:
        """Seconds until the head has to be announced."""
        return self._announced_at + min(ANNOUNCE_SECONDS, self._keeper.seconds / 3) - self._clock.monotonic()

    async def _announce(self) -> None:
        lease, began = self._leased(), self._clock.monotonic()
        self.events_forbidden = await self._store.events_forbidden(lease.source)
        await self._store.announce(lease, lease.before(self._seq + 1), self._clock.now(), self._keeper.seconds)
        self._announced_at = began

    # ------------------------------------------------------------------------------------------------------------ end

    async def _leave(self, lease: Lease) -> None:
        try:
            async with asyncio.timeout(LAST_FLUSHES_SECONDS):
                await self._write_rest()
                await self._store.release(lease)
        except (StoreError, TimeoutError) as error:
            log.warning("not everything was written at the end", extra={"source": lease.source, "reason": str(error)})
        self.lease = None

    async def _write_rest(self) -> None:
        self._more = True
        while self._more or self._pending is not None:
            if self._pending is None:
                await self._fill()
            if self._pending is not None:
                await self._send(self._pending)

    def _drop_pending(self) -> None:
        prepared, self._pending = self._pending, None
        if prepared is not None:
            self._outbox.abandon(prepared)
            self._health.forget_written()

    def _leased(self) -> Lease:
        if self.lease is None:
            raise LeaseLostError(f"{self._keeper.source}: no lease is held")
        return self.lease

    async def _back_off(self, error: StoreError) -> None:
        if self.fault is None:
            log.warning("waiting for the store", extra={"source": self._keeper.source, "reason": str(error)})
        self.fault = str(error)
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        await asyncio.sleep(pause)

    def _recovered(self) -> None:
        if self.fault is not None:
            log.info("the store answers again", extra={"source": self._keeper.source})
        self.fault = None
        self._failures = 0

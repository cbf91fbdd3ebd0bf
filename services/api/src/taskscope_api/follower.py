"""Keeps the live view's replica of one source up with the store.

It subscribes first, then takes a snapshot, then applies what was published since: entries overlap with the snapshot, which
versions make harmless. An entry whose `previous` is not what is held is a gap: the log closes it, or a new snapshot.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from typing import TypeVar

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.codec import Entry, Head, Message
from taskscope_shared.model import Position
from taskscope_shared.store import GapError, Reader, Snapshot, StoreError

from taskscope_api.backlog import Backlog, Squeezed
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica

logger = logging.getLogger(__name__)

T = TypeVar("T")

BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits between tries to reach the store; the last one goes on."""
SILENT_SECONDS = 5.0
"""The head is announced each second: after so long without a word the collector is gone, or nobody holds the source."""
WENT_BACK_SECONDS = 15.0
"""A store that went back is written anew by its collector; after so long without that, what it holds is taken."""
OLDER_HEADS = 3
"""Announcements in a row behind what is held: one or two may have been under way while a snapshot was read."""
LOG_ENTRIES = 50
"""Read at a time from the log: under load an entry has some 300 KB."""
SLICE_TASKS = 300
"""Tasks applied before others get their turn: about 5 ms."""
FILL_TASKS = 1000
"""Of a snapshot: about 3 ms."""
PUMP_MESSAGES = 64
"""Messages read before others get their turn."""


class Lag(StrEnum):
    """Why what is shown of a source may be behind."""

    CONNECTING = "its state was not read from Redis yet"
    EMPTY = "Redis holds nothing of it"
    REBUILDING = "its collector is writing its state anew"
    WENT_BACK = "Redis holds an older state than was seen already"
    SILENT = "its collector has not been heard of for some seconds"


class SourceFollower:
    """Follows one source until `run` is cancelled. Never raises for a fault of the store: it waits and connects again."""

    def __init__(self, source: str, reader: Reader, live: LiveView, clock: Clock) -> None:
        self.source = source
        self._reader = reader
        self._live = live
        self._clock = clock
        self._backlog = Backlog()
        self._wake = asyncio.Event()
        self._lost: StoreError | None = None
        self._refused: str | None = None
        self._heard_at = clock.monotonic()
        self._went_back_at: float | None = None
        self._tries = 0
        self._older_heads = 0
        self.loaded = False
        self.snapshots = 0
        self.gaps = 0
        self.undecodable = 0
        self.failures = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        self._mark(Lag.CONNECTING)
        while True:
            try:
                await self._follow()
            except StoreError as error:
                self._mark(f"Redis cannot be read: {error}")
                logger.warning("%s: the store was lost: %s", self.source, error)
            except Exception:  # the boundary of this task: one source's defect must not end the others
                self.failures += 1
                self._mark("the api failed to apply what its collector wrote; its log says why")
                logger.exception("%s: following failed", self.source)
            await asyncio.sleep(BACK_OFF_SECONDS[min(self._tries, len(BACK_OFF_SECONDS) - 1)])
            self._tries += 1

    def check_silence(self, refusal: str | None = None) -> None:
        """Mark the source stale when nothing was heard for too long, or while Redis takes no writes: `refusal` says why.

        Called each second.
        """
        refused, self._refused = self._refused, None if refusal is None else f"its collector cannot write: {refusal}"
        if not self.loaded:
            return
        if self._refused is not None or refused is not None:
            self._mark(self._refused)
        elif self.source not in self._live.stale and self._clock.monotonic() - self._heard_at > SILENT_SECONDS:
            self._mark(Lag.SILENT)

    def _mark(self, reason: str | None) -> None:
        self._live.mark(self.source, reason)

    async def _follow(self) -> None:
        self._backlog = Backlog()
        self._lost = None
        async with self._reader.follow([self.source]) as messages:
            pump = asyncio.create_task(self._pump(messages), name=f"pump {self.source}")
            try:
                if not await self._resume():
                    await self._load()
                await self._apply_all()
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, messages: AsyncIterator[Message]) -> None:
        """Take messages off the channel as they come, whatever the rest is doing: the server cuts readers that lag."""
        count = 0
        try:
            async for message in messages:
                self._backlog.put(message)
                self._wake.set()
                count += 1
                if count % PUMP_MESSAGES == 0:
                    await asyncio.sleep(0)
            self._lost = StoreError("the subscription ended")
        except StoreError as error:
            self._lost = error
        except Exception as error:  # noqa: BLE001 - handed to `_apply_all`, which raises it
            self._lost = StoreError(f"reading the channel failed: {error!r}")
        self._wake.set()

    async def _apply_all(self) -> None:
        while True:
            while not self._backlog:
                if self._lost is not None:
                    raise self._lost
                self._wake.clear()
                await self._wake.wait()
            self._heard_at = self._clock.monotonic()
            self._tries = 0
            await self._apply(self._backlog.take())
            if self.source in self._live.stale:
                self._mark(self._refused)

    async def _resume(self) -> bool:
        """After a lost connection: go on from the log, where it reaches back to what is held. A snapshot costs far more."""
        held = self._live.replicas.get(self.source)
        if held is None or not held.complete:
            return False
        try:
            await self._read_log(held)
        except GapError:
            return False
        self._mark(None)
        self._heard_at = self._clock.monotonic()
        return True

    # ------------------------------------------------------------------------------------------------------- snapshot

    async def _load(self) -> None:
        """Take snapshots until one may be shown. Raises `StoreError`."""
        tries = 0
        while True:
            snapshot = await self._reader.snapshot(self.source)
            reason = self._refusal(snapshot)
            if reason is None and snapshot is not None:
                await self._install(snapshot)
            if reason is not None:
                self._mark(reason)
                self.loaded = self.loaded or reason == Lag.EMPTY
            elif snapshot is not None and snapshot.complete:
                self._mark(None)
                return
            if self._lost is not None:
                raise self._lost
            await asyncio.sleep(BACK_OFF_SECONDS[min(tries, len(BACK_OFF_SECONDS) - 2)])
            tries += 1

    def _refusal(self, snapshot: Snapshot | None) -> str | None:
        """Why what is held is shown on instead of the snapshot."""
        held = self._live.replicas.get(self.source)
        if snapshot is None:
            return Lag.EMPTY
        if held is None:
            if not snapshot.complete:
                self._mark(Lag.REBUILDING)
            return None
        if not snapshot.complete:
            return Lag.REBUILDING
        if snapshot.incarnation == held.incarnation and snapshot.position < held.position:
            now = self._clock.monotonic()
            self._went_back_at = now if self._went_back_at is None else self._went_back_at
            return Lag.WENT_BACK if now - self._went_back_at < WENT_BACK_SECONDS else None
        return None

    async def _install(self, snapshot: Snapshot) -> None:
        held = self._live.replicas.get(self.source)
        known = {} if held is None else held.tasks
        replica = Replica(self.source)
        replica.incarnation, replica.position = snapshot.incarnation, snapshot.position
        replica.complete = snapshot.complete
        for first in range(0, len(snapshot.packed), FILL_TASKS):
            self.undecodable += replica.fill(snapshot.packed[first : first + FILL_TASKS], known)
            await asyncio.sleep(0)
        replica.workers = {worker.name: worker for worker in snapshot.workers}
        replica.queues = {queue.name: queue for queue in snapshot.queues}
        replica.health = snapshot.health
        self._backlog.forget_heads()
        self._went_back_at = None
        self._older_heads = 0
        self._heard_at = self._clock.monotonic()
        await self._live.install(replica)
        self.loaded = True
        self.snapshots += 1

    # ---------------------------------------------------------------------------------------------------------- apply

    async def _apply(self, messages: list[Message]) -> None:
        squeezed = Squeezed()
        replica = self._replica()
        repaired = False
        for message in messages:
            at = squeezed.position or replica.position
            if repaired and isinstance(message, Head):
                continue  # announced before the repair
            if message.incarnation == replica.incarnation and self._follows(message, at):
                if isinstance(message, Entry):
                    squeezed.add(message)
                    await asyncio.sleep(0)
            elif message.incarnation != replica.incarnation or not self._is_old(message, at):
                await self._take(replica, squeezed)
                await self._repair(message)
                squeezed, replica, repaired = Squeezed(), self._replica(), True
        await self._take(replica, squeezed)

    def _replica(self) -> Replica:
        return self._live.replicas[self.source]

    def _follows(self, message: Message, at: Position) -> bool:
        if (message.previous if isinstance(message, Entry) else message.position) != at:
            return False
        self._older_heads = 0
        return True

    def _is_old(self, message: Message, at: Position) -> bool:
        """Overlap with the snapshot. Heads that stay behind what is held mean that the store went back."""
        if message.position > at:
            return False
        self._older_heads += isinstance(message, Head)
        return self._older_heads < OLDER_HEADS

    async def _repair(self, message: Message) -> None:
        """Close the gap before `message`, from the log or with a snapshot."""
        replica = self._replica()
        self.gaps += 1
        logger.info("%s: a gap between %s and %s", self.source, replica.position, message.position)
        if message.incarnation == replica.incarnation and message.position > replica.position:
            try:
                await self._read_log(replica)
            except GapError:
                logger.info("%s: the log does not reach back to %s: taking a snapshot", self.source, replica.position)
            else:
                if replica.position >= message.position:
                    return
        elif message.incarnation == replica.incarnation:
            self._mark(Lag.WENT_BACK)
        await self._load()

    async def _read_log(self, replica: Replica) -> None:
        while True:
            entries = await self._reader.log(self.source, replica.incarnation, replica.position, LOG_ENTRIES)
            squeezed = Squeezed()
            for entry in entries:
                if isinstance(entry, Entry) and self._follows(entry, squeezed.position or replica.position):
                    squeezed.add(entry)
            if squeezed.position is None:
                self._backlog.forget_heads()
                return
            await self._take(replica, squeezed)

    async def _take(self, replica: Replica, squeezed: Squeezed) -> None:
        """Bring the replica to where the squeezed entries end."""
        if squeezed.position is None:
            return
        self.undecodable += squeezed.undecodable
        moved = bool(squeezed.tasks or squeezed.removed)
        for id_, position in squeezed.removed.items():
            replica.remove(id_, position)
        for index, raw in enumerate(squeezed.tasks.values(), 1):
            self._put(replica, raw)
            if index % SLICE_TASKS == 0:
                await asyncio.sleep(0)
        _replace(replica.workers, squeezed.workers.items())
        _replace(replica.queues, squeezed.queues.items())
        replica.health = squeezed.health or replica.health
        replica.position = squeezed.position
        if squeezed.workers or squeezed.queues or squeezed.health is not None:
            self._live.changed(tasks=False)
        if moved:
            self._live.changed(tasks=True)

    def _put(self, replica: Replica, raw: msgspec.Raw) -> None:
        try:
            replica.put_packed(raw)
        except msgspec.DecodeError:
            self.undecodable += 1


def _replace(held: dict[str, T], changes: Iterable[tuple[str, T | None]]) -> None:
    for name, value in changes:
        if value is None:
            held.pop(name, None)
        else:
            held[name] = value

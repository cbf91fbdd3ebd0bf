"""Finds the sources that collectors announce, and runs a follower for each."""

import asyncio
import logging
from collections.abc import Callable

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.store import Reader, StoreError

from taskscope_api.follower import SourceFollower
from taskscope_api.live_view import LiveView

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks for new sources."""
FORGET_SECONDS = 600.0
"""A source that is not announced any more is shown for so long (stale), then forgotten."""


class StoreHealth(msgspec.Struct):
    """Whether Redis answered the last look, and if not, why. `refusal` says why it takes no writes, while it does not."""

    up: bool = False
    reason: str | None = "not asked yet"
    refusal: str | None = None


class Fleet:
    """All followers."""

    def __init__(self, reader: Reader, live: LiveView, clock: Clock) -> None:
        self._reader = reader
        self._live = live
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._missing: dict[str, float] = {}
        self.followers: dict[str, SourceFollower] = {}
        self.store = StoreHealth()
        self.failures = 0
        self._looked = False
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether the store was reached, and each source that it named was read. Stays true: what is stale is served on."""
        self._ready = self._ready or (self._looked and all(follower.loaded for follower in self.followers.values()))
        return self._ready

    def has_read(self, seen: Callable[[str], bool]) -> bool:
        """`ready` of these sources alone."""
        return self.ready or (self._looked and all(one.loaded for name, one in self.followers.items() if seen(name)))

    async def run(self) -> None:
        """Look for sources until cancelled; then all followers end, too."""
        try:
            while True:
                await self._look()
                for follower in self.followers.values():
                    follower.check_silence(self.store.refusal)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._end(list(self._tasks))

    async def _look(self) -> None:
        try:
            names = await self._reader.sources()
        except StoreError as error:
            self._lost(str(error))
            return
        except Exception as error:  # the boundary of this task
            self.failures += 1
            self._lost(repr(error))
            logger.exception("looking for sources failed")
            return
        self.store = StoreHealth(up=True, reason=None, refusal=self.store.refusal)
        self._live.mark_store(lost=self.store.refusal is not None)
        for name in names:
            if name not in self._tasks:
                self._begin(name)
        self._looked = True
        await self._forget(set(names))

    def note_refusal(self, refusal: str | None) -> None:
        """Take up why Redis takes no writes: collectors cannot tell us anything then. None: it does take them."""
        self.store.refusal = refusal

    def _lost(self, reason: str) -> None:
        self.store = StoreHealth(up=False, reason=reason)
        self._live.mark_store(lost=True)

    def _begin(self, name: str) -> None:
        follower = self.followers[name] = SourceFollower(name, self._reader, self._live, self._clock)
        self._tasks[name] = asyncio.create_task(follower.run(), name=f"follow {name}")

    async def _forget(self, named: set[str]) -> None:
        now = self._clock.monotonic()
        for name in named:
            self._missing.pop(name, None)
        for name in self._tasks.keys() - named:
            self._missing.setdefault(name, now)
        gone = [name for name, since in self._missing.items() if now - since > FORGET_SECONDS]
        await self._end(gone)
        for name in gone:
            del self._missing[name]
            self._live.forget(name)

    async def _end(self, names: list[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for name in names:
            del self.followers[name]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Who writes: the holder of the source's lease. The others try for it, and win it soon after it was given up or ran out."""

from collections.abc import Callable

from taskscope_shared.model import Position
from taskscope_shared.store import Lease, Writer

POLLS_PER_LEASE = 8
"""A standby tries so often in the time of a lease, but at least twice a second."""
COURTESY_SECONDS = 0.1
"""Waited longer for each lease held already, so that sources spread over the collectors."""
MOST_COURTESY_SECONDS = 0.5
YIELD_SECONDS = 2.0
"""So long a free lease is left to others by one that began when its holder may have been dead already: of what happened
before it began it knows what is stored, and a standby heard the rest."""
JUST_OVER_SECONDS = 0.02
"""After a lease that was not renewed would have run out."""
RENEWED_SECONDS = 0.1
"""A lease that ends later than it did by more than this was renewed."""


class LeaseKeeper:
    """One collector's wish for the lease of one source. `held` counts the leases of other sources that it holds."""

    def __init__(self, store: Writer, source: str, holder: str, seconds: float, held: Callable[[], int]) -> None:
        self._store = store
        self.source = source
        self._held = held
        self.holder = holder
        self.seconds = seconds
        self._seen: tuple[str, Position] | None = None
        self._ends: float | None = None
        self._stood_by = False
        self._free_since: float | None = None
        self._left = 0.0
        self.tried = False
        """Whether the last attempt was one to write: else it says nothing of a store that takes no writes."""

    async def attempt(self, now: float) -> Lease | None:
        """Try once, at `now` of the monotonic clock. Raises `StoreError`."""
        lease = None
        self.tried = not await self._leaves_it(now)
        if self.tried:
            lease = await self._store.acquire(self.source, self.holder, self.seconds)
        if lease is None:
            self._seen = await self._store.head(self.source)
            self._left = await self._store.lease_left(self.source)
            self._watch(now, self._left)
        return lease

    async def _leaves_it(self, now: float) -> bool:
        """Whether whoever stood by when the holder died is to have it: this one may have begun only then."""
        if self._stood_by or await self._store.lease_left(self.source):
            self._free_since = None
            return False
        meta = await self._store.meta(self.source)
        if "incarnation" not in meta or meta.get("released") == meta.get("epoch"):
            return False  # nobody wrote, or the last one gave it up when all was written
        self._free_since = now if self._free_since is None else self._free_since
        return now - self._free_since < YIELD_SECONDS

    def _watch(self, now: float, left: float) -> None:
        """Note whether the lease was renewed since this one began: then its holder lived."""
        if not left:
            return
        if self._ends is not None and now + left > self._ends + RENEWED_SECONDS:
            self._stood_by = True
        self._ends = now + left if self._ends is None else self._ends

    def saw(self, lease: Lease, position: Position) -> None:
        """The head is there now, by our own doing."""
        self._seen = (lease.incarnation, position)

    def went_back(self, lease: Lease) -> bool:
        """Whether the store is older than it was when its head was last seen."""
        return self._seen is not None and self._seen[0] == lease.incarnation and lease.head < self._seen[1]

    def pause_seconds(self) -> float:
        """How long to wait before the next attempt: not longer than the lease, as it was seen, can last."""
        pause = min(0.5, self.seconds / POLLS_PER_LEASE)
        if 0 < self._left < pause:
            pause = self._left + JUST_OVER_SECONDS
        return pause + min(MOST_COURTESY_SECONDS, COURTESY_SECONDS * self._held())

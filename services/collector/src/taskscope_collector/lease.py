"""Who writes: the holder of the source's lease. The others try for it, and win it soon after it was given up or ran out."""

from collections.abc import Callable

from taskscope_shared.model import Position
from taskscope_shared.store import Lease, Writer

POLLS_PER_LEASE = 8
"""A standby tries so often in the time of a lease, but at least twice a second."""
COURTESY_SECONDS = 0.1
"""Waited longer for each lease held already, so that sources spread over the collectors."""
MOST_COURTESY_SECONDS = 0.5


class LeaseKeeper:
    """One collector's wish for the lease of one source. `held` counts the leases of other sources that it holds."""

    def __init__(self, store: Writer, source: str, holder: str, seconds: float, held: Callable[[], int]) -> None:
        self._store = store
        self.source = source
        self._held = held
        self.holder = holder
        self.seconds = seconds
        self._seen: tuple[str, Position] | None = None

    async def attempt(self) -> Lease | None:
        """Try once. Raises `StoreError`."""
        lease = await self._store.acquire(self.source, self.holder, self.seconds)
        if lease is None:
            self._seen = await self._store.head(self.source)
        return lease

    def saw(self, lease: Lease, position: Position) -> None:
        """The head is there now, by our own doing."""
        self._seen = (lease.incarnation, position)

    def went_back(self, lease: Lease) -> bool:
        """Whether the store is older than it was when its head was last seen."""
        return self._seen is not None and self._seen[0] == lease.incarnation and lease.head < self._seen[1]

    def pause_seconds(self) -> float:
        """How long to wait before the next attempt."""
        return min(0.5, self.seconds / POLLS_PER_LEASE) + min(MOST_COURTESY_SECONDS, COURTESY_SECONDS * self._held())

"""Many viewers at once: clients of the page's own protocol (`taskscope_client`), and when each was told something."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from support.waiting import wait_for
from taskscope_client import AsyncClient, Snapshot

FIELDS = ("id", "state", "name", "finished_at")
ROWS = 20


class Seen(NamedTuple):
    """One update with news: when it came (this machine's monotonic seconds), and whether it was a whole snapshot."""

    at: float
    whole: bool


class Viewer:
    """One client and everything that it was told."""

    def __init__(self) -> None:
        self.updates: list[Seen] = []
        self.reconnects = 0
        self.problem: str | None = None

    async def watch(self, url: str, token: str) -> None:
        """Until it is cancelled. What another try would not cure is a problem."""
        async with AsyncClient(url, token=token) as client, client.stream(fields=FIELDS, limit=ROWS) as stream:
            try:
                async for update in stream:
                    if isinstance(update, Snapshot) or update.upsert:
                        self.updates.append(Seen(time.monotonic(), isinstance(update, Snapshot)))
                    self.reconnects = stream.reconnects
            except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
                self.problem = repr(error)

    def longest_silence(self, since: float) -> float:
        """Seconds between two updates, or the last one and now, after `since`."""
        times = [since, *(seen.at for seen in self.updates if seen.at > since), time.monotonic()]
        return max(after - before for before, after in itertools.pairwise(times))

    def snapshots(self, since: float) -> int:
        """How often it had to begin anew."""
        return sum(seen.whole for seen in self.updates if seen.at > since)


class Crowd:
    """The viewers, in a thread of their own."""

    def __init__(self, url: str, token: str, count: int) -> None:
        self.viewers = [Viewer() for _ in range(count)]
        self._url, self._token = url, token
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def watching(self) -> Iterator["Crowd"]:
        """All have their first snapshot when the context begins."""
        thread = threading.Thread(target=self._loop.run_until_complete, args=[self._watch()], daemon=True)
        thread.start()
        try:
            wait_for(self._all_see, seconds=30, what=f"{len(self.viewers)} viewers to see")
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._end)
            thread.join(20)

    def _all_see(self) -> bool:
        return all(viewer.updates for viewer in self.viewers)

    def problems(self) -> list[str]:
        """What ended viewers."""
        return [viewer.problem for viewer in self.viewers if viewer.problem]

    def longest_silence(self, since: float) -> float:
        """The worst viewer's, in seconds."""
        return max(viewer.longest_silence(since) for viewer in self.viewers)

    def reconnects(self) -> int:
        """Of all together."""
        return sum(viewer.reconnects for viewer in self.viewers)

    def snapshots(self, since: float) -> int:
        """Of all together."""
        return sum(viewer.snapshots(since) for viewer in self.viewers)

    async def _watch(self) -> None:
        self._tasks = [asyncio.create_task(viewer.watch(self._url, self._token)) for viewer in self.viewers]
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()

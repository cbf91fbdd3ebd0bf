"""A source that several collector processes share: events published on a channel of a Redis of the test's own.

`python -m support.feed FEED_URL STORE_URL HOLDER` collects from it in a process of its own, until SIGTERM.
"""

import asyncio
import signal
import sys

import msgspec
from taskscope_collector.collector import Collector
from taskscope_collector.observations import Counts, Sink, TaskEvent, View
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.requests import Place, WorkerFacts
from taskscope_shared.settings import CelerySource, Settings

CHANNEL = "feed"
_decoder = msgspec.msgpack.Decoder(list[TaskEvent])


class FeedSource:
    """`observations.SourceRunner`."""

    engine = Engine.CELERY

    def __init__(self, url: str) -> None:
        self._url = url
        self.counts = Counts()

    async def run(self, sink: Sink, view: View) -> None:  # noqa: ARG002 - the protocol's
        link = RedisLink(lambda: self._url)
        await link.call(("SUBSCRIBE", CHANNEL))
        while True:
            reply = await link.read()
            if reply[0] == b"message":
                events = _decoder.decode(reply[2])
                self.counts.received += len(events)
                sink.put(list(events))

    async def check(self) -> list[str]:
        return []

    async def events_off(self) -> int:
        return 0

    async def place(self, task_id: str, queue: str) -> Place:
        return Place(position=len(task_id), depth=len(queue))

    async def worker(self, name: str) -> WorkerFacts:
        return WorkerFacts(registered=[name])


class Feed:
    """Publishes to all `FeedSource`s."""

    def __init__(self, url: str) -> None:
        self._link = RedisLink(lambda: url)

    async def send(self, *events: TaskEvent) -> int:
        """How many sources got them."""
        return int((await self._link.call(("PUBLISH", CHANNEL, msgspec.msgpack.encode(list(events)))))[0])

    async def listeners(self) -> int:
        return int((await self._link.call(("PUBSUB", "NUMSUB", CHANNEL)))[0][1])

    async def close(self) -> None:
        await self._link.drop()


def collector(feed_url: str, store: RedisStore, holder: str, lease_seconds: float = 4.0) -> Collector:
    """A collector of the source `s` that is fed from `feed_url`."""
    settings = Settings(sources=(CelerySource(name="s", broker_url=feed_url),), lease_seconds=lease_seconds)
    return Collector(settings, store, SystemClock(), make_runner=lambda *_: FeedSource(feed_url), holder=holder)


async def _main(feed_url: str, store_url: str, holder: str) -> None:
    store = RedisStore(store_url, SystemClock())
    task = asyncio.create_task(collector(feed_url, store, holder).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:4]))

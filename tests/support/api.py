"""What tests of the api share: tasks, and a writer that stands in for a collector."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from taskscope_api.__main__ import server_config
from taskscope_shared import codec
from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, Position, Queue, Source, SourceStatus, State, Task, Worker
from taskscope_shared.settings import Api, Settings
from taskscope_shared.store import Flush, Store
from websockets.asyncio.client import ClientConnection, connect

TTL_SECONDS = 100.0
START = 1_700_000_000.0


def task(id_: str = "a", **fields: Any) -> Task:
    """A running Celery task of the source `s`, with version 1-1 unless `fields` say otherwise."""
    known: dict[str, Any] = {
        "source": "s",
        "engine": Engine.CELERY,
        "state": State.RUNNING,
        "epoch": 1,
        "seq": 1,
        "name": "archive.encode",
        "updated_at": START,
    }
    return Task(id=id_, **{**known, **fields})


class Writing:
    """A collector's writing side, without a collector: `write` flushes tasks with the next position."""

    def __init__(self, store: Store, clock: Clock, source: str = "s") -> None:
        self.store = store
        self.clock = clock
        self.source = source
        self.seq = 0

    async def begin(self) -> "Writing":
        """Win the lease and write the source's health."""
        lease = await self.store.acquire(self.source, "test", TTL_SECONDS)
        assert lease is not None
        self.lease = lease
        self.seq = 0
        await self.write()
        return self

    async def begin_anew(self) -> None:
        """As a collector whose store came back empty or older."""
        self.lease = await self.store.restart(self.lease)
        self.seq = 0

    @property
    def position(self) -> Position:
        """Of the newest flush."""
        return Position(self.lease.epoch, self.seq)

    async def write(
        self,
        *tasks: Task,
        removed: list[str] | None = None,
        workers: list[Worker] | None = None,
        queues: list[Queue] | None = None,
        complete: bool = True,
    ) -> None:
        """One flush, and an announcement."""
        self.seq += 1
        versioned = {one.id: self._encoded(one) for one in tasks}
        health = Source(self.source, Engine.CELERY, SourceStatus.UP, kinds=("vod", "cleanup"), at=self.clock.now())
        batch = Flush(
            seq=self.seq,
            at=self.clock.now(),
            tasks=versioned,
            removed=removed or [],
            workers=workers or [],
            queues=queues or [],
            health=health if self.seq == 1 else None,
            complete=complete,
        )
        await self.store.flush(self.lease, batch, TTL_SECONDS)
        if self.seq == 1:
            await self.announce()

    async def announce(self) -> None:
        """The head, as it goes out each second."""
        await self.store.announce(self.lease, self.position, self.clock.now(), TTL_SECONDS)

    def _encoded(self, one: Task) -> bytes:
        fields = {name: getattr(one, name) for name in Task.__struct_fields__}
        return codec.encode(Task(**{**fields, "source": self.source, "epoch": self.lease.epoch, "seq": self.seq}))


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """The app on a free port of 127.0.0.1, as `taskscope-api` serves it; yields the port."""
    server = uvicorn.Server(server_config(app, Settings(api=Api(port=0))))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done(), "the server ended before it started"
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


class Socket:
    """A client of the WebSocket that keeps a window as docs/architecture.md says."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.tasks: dict[str, dict[str, Any]] = {}
        self.position: str | None = None
        self.total = 0
        self.summary: dict[str, Any] = {}
        self.stale = False
        self.kinds: list[str] = []

    async def send(self, event: str, data: Any = None) -> None:
        await self.connection.send(json.dumps({"event": event, "data": data}))

    async def receive(self, seconds: float = 10.0) -> tuple[str, Any]:
        """The next message; a `task_updates` is applied."""
        async with asyncio.timeout(seconds):
            message = json.loads(await self.connection.recv())
        if message["event"] == "task_updates":
            self.apply(message["data"])
        return message["event"], message["data"]

    def apply(self, data: dict[str, Any]) -> None:
        self.kinds.append(data["kind"])
        if data["kind"] == "snapshot":
            self.tasks = {row["key"]: row for row in data["tasks"]}
        else:
            for key in data["remove"]:
                self.tasks.pop(key, None)
            self.tasks.update((row["key"], row) for row in data["upsert"])
            if data["keys"] is not None:
                self.tasks = {key: self.tasks[key] for key in data["keys"]}
        self.position, self.total, self.summary, self.stale = data["position"], data["total"], data["summary"], data["stale"]

    async def join(self, **subscription: Any) -> None:
        """Join, and take the first `task_updates`."""
        await self.send("join_task_monitoring", subscription)
        await self.until(lambda event, _: event == "task_updates")

    async def until(self, condition: Any, seconds: float = 10.0) -> Any:
        """Receive until a message for which `condition(event, data)` is true; its data."""
        async with asyncio.timeout(seconds):
            while True:
                event, data = await self.receive(seconds)
                if condition(event, data):
                    return data


@asynccontextmanager
async def socket(port: int, **options: Any) -> AsyncIterator[Socket]:
    """A client whose `connected` was taken."""
    async with connect(f"ws://127.0.0.1:{port}/api/ws", compression=None, **options) as connection:
        client = Socket(connection)
        event, data = await client.receive()
        assert (event, data["status"], data["protocol"]) == ("connected", "connected", 1)
        yield client

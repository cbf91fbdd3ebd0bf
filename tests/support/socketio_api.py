"""An api with tasks of two sources, for tests of Socket.IO."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.api import Writing, served, task
from support.socketio_raw import raw
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.principals import Access
from taskscope_api.socket_io.clients import Clients
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

CLOCK = SystemClock()


class Api:
    """`writing` writes the source `s`; `other` has one task."""

    def __init__(self, clients: Clients, port: int, writing: Writing) -> None:
        self.clients, self.port, self.writing = clients, port, writing
        self.url = f"http://127.0.0.1:{port}"

    async def health(self) -> dict[str, Any]:
        """What `/api/health` says of Socket.IO."""
        async with raw(self.port) as client:
            found: dict[str, Any] = (await client.http.get("/api/health")).json()["socket_io"]
            return found


@asynccontextmanager
async def running(access: Access | None = None) -> AsyncIterator[Api]:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    other = await Writing(store, CLOCK, "other").begin()
    await writing.write(*(task(str(number), updated_at=1e9 + number) for number in range(5)))
    await other.write(task("theirs", updated_at=1e9))
    app = create_app(Settings(), store, CLOCK, access=access)
    async with served(app) as port:
        await eventually(lambda: {"s", "other"} <= set(app.extensions["taskscope"].live.replicas))
        yield Api(app.extensions["taskscope_socket_io"].clients, port, writing)

"""An api over two sources whose tasks are in ledgers, for tests of its analytics."""

from collections.abc import AsyncIterator
from typing import Any

from quart.typing import TestClientProtocol as Requests
from support.api import task
from support.ledger import Ledger
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.live_view import LiveView
from taskscope_api.principals import Access
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import State, Task
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

NOW = 1_800_000_000.0 // 3600 * 3600 + 600.0


class Site:
    """An api over two sources whose tasks are in ledgers."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.store = MemoryStore(self.clock, log_bytes=1 << 30)
        self.s = Ledger(self.store, self.clock, "s")
        self.t = Ledger(self.store, self.clock, "t")
        self.client: Requests
        self.live: LiveView

    async def get(self, query: str = "", status: int = 200) -> Any:
        response = await self.client.get(f"/api/tasks/analytics?{query}")
        assert response.status_code == status, await response.get_data()
        return await response.get_json(force=True)

    async def problem(self, query: str) -> tuple[str, str]:
        found = await self.get(query, 400)
        return found["field"], found["detail"]


async def serving(site: Site, access: Access | None = None) -> AsyncIterator[Site]:
    await site.s.begin()
    await site.t.begin()
    app = create_app(Settings(), site.store, site.clock, access=access)
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and len(services.live.replicas) == 2)
        site.client = running.test_client()
        site.live = services.live
        yield site


def ended(id_: str, state: State = State.SUCCEEDED, **fields: Any) -> Task:
    known = {"kind": "vod", "queue": "q", "worker": "w", "finished_at": NOW - 30, "runtime_seconds": 2.0, "wait_seconds": 0.5}
    return task(id_, state=state, **{**known, **fields})

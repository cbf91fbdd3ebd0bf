"""All of Socket.IO, put together and run."""

import asyncio

from taskscope_shared.replicas import Replicas

from taskscope_api.front import Application
from taskscope_api.services import Services
from taskscope_api.socket_io.clients import Clients
from taskscope_api.socket_io.door import Door
from taskscope_api.socket_io.forwarding import Forwarding
from taskscope_api.socket_io.neighbours import Neighbours


class SocketIo:
    """`around` is the application; `run` does what goes on beside requests."""

    def __init__(self, services: Services, replicas: Replicas | None, url: str | None) -> None:
        self._services = services
        self.neighbours = Neighbours(replicas, url, services.clock)
        self.clients = Clients(services, self.neighbours.id)
        self.forwarding = Forwarding(self.neighbours)

    def around(self, app: Application) -> Application:
        """`app` with Socket.IO beside it."""
        return Door(app, self.clients, self.neighbours, self.forwarding, self._services.identity.origins)

    async def run(self) -> None:
        """Push, watch and announce until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.clients.snapshots.run(self._services), name="socket-io-snapshots")
                group.create_task(self.clients.watch(), name="socket-io-watch")
                group.create_task(self.neighbours.run(), name="socket-io-neighbours")
        finally:
            await self.clients.close()
            await self.forwarding.close()

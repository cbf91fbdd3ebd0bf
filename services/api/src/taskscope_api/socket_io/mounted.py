"""All of Socket.IO, put together and run."""

import asyncio
from collections.abc import Callable

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
        self.neighbours = Neighbours(replicas, url, services.clock, services.fleet.note_refusal)
        self.clients = Clients(services, self.neighbours.id)
        self.forwarding = Forwarding(self.neighbours)

    @property
    def is_leaving(self) -> bool:
        """Whether no further session may begin here."""
        return self.clients.sessions.is_leaving

    @is_leaving.setter
    def is_leaving(self, leaving: bool) -> None:
        self.clients.sessions.is_leaving = leaving

    def ways_to_end(self) -> list[Callable[[], None]]:
        """One for each client that was not let go yet, those included that are passed on to other replicas."""
        return [*self.clients.ways_to_end(), *self.forwarding.ways_to_end()]

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

"""How a replica leaves: it is not ready any more, takes no new client that would stay, and lets the others go a few at a time.

Each of them comes back by itself, at another replica, and goes on from where it was: together they would be a rush.
"""

import asyncio
from collections.abc import Callable
from math import ceil

from taskscope_api.socket_io.mounted import SocketIo
from taskscope_api.sockets import Sockets

DRAIN_SECONDS = 3.0
TURN_SECONDS = 0.05


class Draining:
    """WebSockets, streams and clients of Socket.IO of this process, those included that it passes on to other replicas."""

    def __init__(self, sockets: Sockets, socket_io: SocketIo) -> None:
        self._sockets = sockets
        self._socket_io = socket_io

    async def run(self, seconds: float = DRAIN_SECONDS) -> None:
        """Until all have been let go, spread over the time. What is asked meanwhile is answered."""
        self._sockets.is_leaving = self._socket_io.is_leaving = True
        for turns in range(ceil(seconds / TURN_SECONDS), 0, -1):
            staying = self._staying()
            if not staying:
                return
            for end in staying[: ceil(len(staying) / turns)]:
                end()
            await asyncio.sleep(TURN_SECONDS)

    def _staying(self) -> list[Callable[[], None]]:
        return [*self._sockets.ways_to_end(), *self._socket_io.ways_to_end()]

"""What waits for one client, whatever it is connected by."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from taskscope_api.frames import Frame, frame
from taskscope_api.ws_protocol import Outlet, wire

MAX_FRAMES = 64
"""Frames that wait for one client: some 3 s at the highest rate."""
MAX_CHARACTERS = 8 * 1024 * 1024
"""Characters that wait for one client."""


class Tally:
    """What went over one transport: `clients` that are connected, frames sent to them, and their bytes."""

    __slots__ = ("bytes", "clients", "frames")

    def __init__(self) -> None:
        self.clients = self.frames = self.bytes = 0

    def add(self, size: int) -> None:
        """A frame was sent."""
        self.frames += 1
        self.bytes += size


class Tallies:
    """Of a process."""

    def __init__(self) -> None:
        self.websocket, self.stream, self.socketio = Tally(), Tally(), Tally()

    def by_transport(self) -> list[tuple[str, Tally]]:
        """Each by the name that metrics have for it."""
        return [("websocket", self.websocket), ("stream", self.stream), ("socketio", self.socketio)]


class Client:
    """Frames that wait for one connection. Never makes the hub wait: a full queue is cut to one `resync`.

    With an `outlet` frames are written at once while it takes them; without one somebody has to iterate over `frames`. What
    is sent counts in `tally`.
    """

    def __init__(self, outlet: Outlet | None = None, tally: Tally | None = None) -> None:
        self.outlet = outlet
        self._tally = tally or Tally()
        self._frames: deque[str] = deque()
        self._characters = 0
        self._filled: asyncio.Event | None = None
        self.taken = 0
        self.cuts = 0
        if outlet is not None:
            outlet.when_free(self._drain)

    @property
    def waiting(self) -> int:
        """Frames that wait."""
        return len(self._frames)

    def offer(self, text: str) -> bool:
        """Send a frame, or queue it. False when the queue was cut: the client has to join again."""
        if self.outlet is not None and not self._frames and self.outlet.is_free:
            self._write(self.outlet, text)
            return True
        if len(self._frames) >= MAX_FRAMES or self._characters + len(text) > MAX_CHARACTERS:
            self.cut()
            return False
        self._put(text)
        return True

    def cut(self) -> None:
        """Forget what waits, and tell the client to join again."""
        self._frames.clear()
        self._characters = 0
        self.cuts += 1
        self._put(frame("resync", {"reason": "this client reads more slowly than its window changes: join again"}))

    def _write(self, outlet: Outlet, text: str) -> None:
        self.taken += 1
        data = text.wire if isinstance(text, Frame) else wire(text.encode())
        self._tally.add(len(data))
        outlet.write(data)

    def _put(self, text: str) -> None:
        self._frames.append(text)
        self._characters += len(text)
        if self._filled is not None:
            self._filled.set()

    def _pop(self) -> str:
        text = self._frames.popleft()
        self._characters -= len(text)
        return text

    def _drain(self) -> None:
        """The outlet takes more: what waits goes on."""
        while self._frames and self.outlet is not None and self.outlet.is_free:
            self._write(self.outlet, self._pop())

    async def frames(self) -> AsyncIterator[str]:
        """Frames as they come, for ever. For clients without an outlet."""
        self._filled = asyncio.Event()
        while True:
            while not self._frames:
                self._filled.clear()
                await self._filled.wait()
            self.taken += 1
            text = self._pop()
            self._tally.add(len(text))
            yield text

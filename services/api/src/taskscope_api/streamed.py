"""Answers that go on: chunks are made as the reader takes them, and what they held is given back at their end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from quart.wrappers.response import ResponseBody


class Slot:
    """One of some places. Given back by `release`, or when nobody holds it any more: an answer may never be sent."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __del__(self) -> None:
        self.release()


class StreamedBody(ResponseBody):
    """The chunks as an answer's body: gives the slot back whatever happens, and cuts off a reader that stands still.

    That is one who does not take a chunk within `stall_seconds`: `stalled` is called, and the answer ends where it is; so it
    does before a chunk that `may_go_on` does not let pass.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        slot: Slot,
        stall_seconds: float,
        stalled: Callable[[], None],
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._chunks = chunks
        self._slot = slot
        self._stall_seconds = stall_seconds
        self._stalled = stalled
        self._may_go_on = may_go_on
        self._alarm: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self._watched()

    async def __aexit__(self, *_: object) -> None:
        self._quiet()
        try:
            await self._chunks.aclose()
        finally:
            self._slot.release()

    async def _watched(self) -> AsyncIterator[bytes]:
        """Between two chunks the one before is being sent, by the same task."""
        sending, loop = asyncio.current_task(), asyncio.get_running_loop()
        async for chunk in self._chunks:
            if not self._may_go_on() and sending is not None:
                sending.cancel()
                await asyncio.sleep(0)  # where it ends
            self._alarm = loop.call_later(self._stall_seconds, self._cut, sending)
            yield chunk
            self._quiet()

    def _quiet(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    def _cut(self, sending: asyncio.Task[object] | None) -> None:
        self._stalled()
        if sending is not None:
            sending.cancel()

"""Notes when tokens are used, and writes it to Redis now and then: nobody who asks waits for it, or needs it."""

import asyncio
import logging
from collections.abc import Callable, Collection

from taskscope_shared.clock import Clock
from taskscope_shared.store import StoreError
from taskscope_shared.token_uses import TokenUses

logger = logging.getLogger(__name__)

TURN_SECONDS = 5.0
AGAIN_SECONDS = 60.0
"""Between two times that the same token's use is written."""


class LastUses:
    """Of the tokens whose ids `tokens` tells: there are as many notes at most as there are tokens."""

    def __init__(self, store: TokenUses, tokens: Callable[[], Collection[str]], clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._used: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self.failures = 0

    def note(self, id_: str) -> None:
        """The token was used just now."""
        self._used[id_] = self._clock.now()

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        try:
            while True:
                await asyncio.sleep(TURN_SECONDS)
                await self.write()
        finally:
            await self._store.close()

    async def write(self) -> None:
        """Write what is due. What cannot be written is tried again later."""
        tokens, now = self._tokens(), self._clock.now()
        due = {
            id_: at for id_, at in self._used.items() if now - self._written.get(id_, 0.0) >= AGAIN_SECONDS and id_ in tokens
        }
        if not due:
            return
        try:
            await self._store.write(due, tokens)
        except StoreError as error:
            self.failures += 1
            logger.debug("when tokens were used last was not written: %s", error)
            return
        except Exception:  # the boundary of this task: it is of no use to anybody who asks
            self.failures += 1
            logger.exception("when tokens were used last was not written")
            return
        self._written.update(dict.fromkeys(due, now))
        self._used = {id_: at for id_, at in self._used.items() if due.get(id_) != at and id_ in tokens}
        self._written = {id_: at for id_, at in self._written.items() if id_ in tokens}

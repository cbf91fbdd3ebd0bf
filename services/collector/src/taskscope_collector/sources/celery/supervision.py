"""Keeps a part of a source going: what fails is said, waited for, and tried again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiormq
from taskscope_shared.settings import SecretUnavailableError

from taskscope_collector.sources.celery.board import Board
from taskscope_collector.sources.faults import reason_of
from taskscope_collector.sources.resp import RespError

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
STEADY_SECONDS = 20.0
"""A part that went on for so long begins its back-off anew."""
EXPECTED_FAULTS = (OSError, RespError, ValueError, SecretUnavailableError, aiormq.AMQPError, asyncio.IncompleteReadError)


async def keep_going(part: str, board: Board, attempt: Callable[[], Awaitable[None]]) -> None:
    """Run `attempt` again and again until cancelled. It returns or raises when its connection ended."""
    failures = 0
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await attempt()
            reason = "the connection ended"
        except EXPECTED_FAULTS as error:
            reason = reason_of(error)
        except Exception as error:
            # The boundary of a task: a fault of ours in one part must not end the others.
            logger.exception("%s failed", part)
            reason = f"internal error: {type(error).__name__}"
        if loop.time() - began > STEADY_SECONDS:
            failures = 0
        board.down(part, f"{part}: {reason}")
        await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
        failures += 1


class Failover:
    """Takes the addresses of `url;url;...`, as kombu allows them, in turns: the next one after each that failed."""

    def __init__(self) -> None:
        self._turn = 0

    def address(self, urls: str) -> str:
        """The one whose turn it is."""
        known = urls.split(";")
        return known[self._turn % len(known)]

    def next(self) -> None:
        """That one failed."""
        self._turn += 1


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends or fails; the others are cancelled and what it raised is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

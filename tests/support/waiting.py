"""Waiting for a condition with a deadline, instead of sleeping for a time that is too short or too long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")
PAUSE_SECONDS = 0.02


def wait_for(
    condition: Callable[[], T], *, seconds: float = 10.0, what: str = "the condition", every: float = PAUSE_SECONDS
) -> T:
    """The first true answer of `condition`, which is asked `every` so many seconds. Fails when `seconds` pass without one."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}; last answer: {answer!r}")
        time.sleep(every)
    return answer


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, seconds: float = ..., what: str = ...) -> T: ...
@overload
async def eventually(condition: Callable[[], T], *, seconds: float = ..., what: str = ...) -> T: ...
async def eventually(condition: Callable[[], T | Awaitable[T]], *, seconds: float = 10.0, what: str = "the condition") -> T:
    """The first true answer of `condition` (a coroutine function may be given). Fails when `seconds` pass without one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}; last answer: {answer!r}")
        await asyncio.sleep(PAUSE_SECONDS)

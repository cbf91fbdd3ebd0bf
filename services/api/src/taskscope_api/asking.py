"""What the api asks the collectors for, on demand: a task's place in its queue, what a worker knows and how it is configured.

Equal questions are asked once a second, whoever asks them, and each source a few times a second: many clients cannot hurt a
broker. Nothing waits longer than its deadline, and what nobody answered is null with the reason.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from opentelemetry.trace import SpanKind
from taskscope_shared.clock import Clock
from taskscope_shared.model import Engine, Group, State, Task, Worker, WorkerState
from taskscope_shared.requests import (
    PLACE,
    WORKER,
    Asker,
    NoAnswerError,
    Place,
    PlaceOf,
    Setting,
    WorkerFacts,
    WorkerOf,
)
from taskscope_shared.tracing import step

from taskscope_api.described import Stale, says
from taskscope_api.wire import WorkerRow, worker_row

PLACE_SECONDS = 1.5
WORKER_SECONDS = 3.0
SAME_SECONDS = 1.0
"""An answer, or that there is none, holds so long for everybody who asks the same."""
A_SECOND = 10.0
"""Questions to one source in a second, on average; after a pause so many at once."""
REMEMBERED = 500
"""Answers; the oldest goes."""
SOURCES = 1_000

Read = TypeVar("Read", Place, WorkerFacts)


class PlaceRow(msgspec.Struct):
    """A waiting task's place in its queue, as its broker told just now."""

    position: Annotated[int | None, says("1 is taken next; null where `reason` says why", 4)]
    ahead_at_least: Annotated[int | None, says("Tasks of the queue that were seen before it", 3)]
    depth: Annotated[int | None, says("Tasks in the queue", 120)]
    reason: Annotated[str | None, says("Why there is no position", "queues of an AMQP broker cannot be looked into")]


class WorkerDetail(WorkerRow, kw_only=True):
    """WORKER with what it says itself when it is asked; `unknown` says why a field is null, or cannot be had now."""

    stale: Stale
    registered: Annotated[list[str] | None, says("Names of the tasks that it knows", ["archive.encode"])]
    configuration: Annotated[
        dict[str, Setting] | None,
        says("Its settings where they are not the defaults, without secrets", {"worker_prefetch_multiplier": 4}),
    ]


class Asking:
    """Asks through `asker` (None: nobody can be asked). `stale` says why a source's collector is not there, if it is not."""

    def __init__(self, asker: Asker | None, clock: Clock, stale: Callable[[str], str | None]) -> None:
        self._asker = asker
        self._clock = clock
        self._stale = stale
        self._asked: dict[tuple[str, str, bytes], tuple[float, asyncio.Task[bytes]]] = {}
        self._allowed: dict[str, tuple[float, float]] = {}

    async def place(self, task: Task) -> PlaceRow | None:
        """Where the task is in its queue; None for one that does not wait."""
        if task.group is not Group.QUEUED:
            return None
        if (reason := _not_in_a_queue(task)) is not None:
            return PlaceRow(None, None, None, reason)
        try:
            asked = PlaceOf(task.id, task.queue or "")
            found = await self._ask(task.source, PLACE, asked, Place, PLACE_SECONDS)
        except NoAnswerError as error:
            return PlaceRow(None, None, None, str(error))
        return PlaceRow(found.position, found.ahead_at_least, found.depth, found.reason)

    async def worker(self, worker: Worker, *, stale: bool) -> WorkerDetail:
        """The worker's row, with what it says itself."""
        row = worker_row(worker)
        fields = {name: getattr(row, name) for name in WorkerRow.__struct_fields__}
        facts = await self._facts(worker)
        fields["unknown"] = {**row.unknown, **facts.unknown}
        return WorkerDetail(**fields, stale=stale, registered=facts.registered, configuration=facts.configuration)

    async def _facts(self, worker: Worker) -> WorkerFacts:
        reason = f"the worker is {worker.state}"
        if worker.state not in (WorkerState.OFFLINE, WorkerState.LOST):
            try:
                return await self._ask(worker.source, WORKER, WorkerOf(worker.name), WorkerFacts, WORKER_SECONDS)
            except NoAnswerError as error:
                reason = str(error)
        return WorkerFacts(unknown={"registered": reason, "configuration": reason})

    async def close(self) -> None:
        """Wait for nothing any more."""
        tasks = [task for _, task in self._asked.values()]
        self._asked.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, source: str, kind: str, asked: msgspec.Struct, answer: type[Read], seconds: float) -> Read:
        task = self._same(source, kind, asked, seconds)
        try:
            async with asyncio.timeout(seconds):
                return msgspec.msgpack.decode(await asyncio.shield(task), type=answer)
        except TimeoutError:
            raise NoAnswerError(f"no collector answered within {seconds:g} s") from None
        except msgspec.MsgspecError as error:
            raise NoAnswerError(f"the collector's answer cannot be read: {error}") from error

    def _same(self, source: str, kind: str, asked: msgspec.Struct, seconds: float) -> "asyncio.Task[bytes]":
        """The answer to the same question of a moment ago, or one that is asked for now. Raises NoAnswerError."""
        now, key = self._clock.monotonic(), (source, kind, msgspec.msgpack.encode(asked))
        known = self._asked.get(key)
        if known is not None and now - known[0] <= SAME_SECONDS:
            return known[1]
        if self._asker is None:
            raise NoAnswerError("this api does not ask collectors")
        if (stale := self._stale(source)) is not None:
            raise NoAnswerError(f"the collector cannot be asked: {stale}")
        self._pay(source, now)
        task = asyncio.create_task(_asked(self._asker, source, kind, asked, seconds), name=f"ask {kind}")
        task.add_done_callback(_seen)
        self._asked.pop(key, None)
        self._asked[key] = (now, task)
        if len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return task

    def _pay(self, source: str, now: float) -> None:
        left, at = self._allowed.pop(source, (A_SECOND, now))
        left = min(A_SECOND, left + (now - at) * A_SECOND)
        self._allowed[source] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._allowed) > SOURCES:
            del self._allowed[next(iter(self._allowed))]
        if left < 1:
            raise NoAnswerError(f"{source} is asked more than {A_SECOND:g} times a second: ask again later")


async def _asked(asker: Asker, source: str, kind: str, asked: msgspec.Struct, seconds: float) -> bytes:
    with step(f"ask {kind}", SpanKind.CLIENT, {"taskscope.source": source}):
        return await asker.ask(source, kind, asked, seconds)


def _not_in_a_queue(task: Task) -> str | None:
    """Why there is nothing to ask for, from what is known already."""
    if task.engine is Engine.RQ and task.state is not State.QUEUED:
        return (
            "it waits for its dependencies" if task.state is State.DEFERRED else "it is held back for its time, in no queue yet"
        )
    if task.detail == "rate_limited":
        return "it waits for its rate limit, in no queue yet"
    return None if task.queue else "its queue is not known"


def _seen(task: "asyncio.Task[bytes]") -> None:
    """Whoever asked may have gone."""
    if not task.cancelled():
        task.exception()

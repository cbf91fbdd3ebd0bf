"""Answers what the api asks about a source that this collector holds: a few questions at a time, beside everything else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Tracer
from taskscope_shared import requests
from taskscope_shared.clock import Clock
from taskscope_shared.requests import PLACE, WORKER, Answer, Answerer, Ask, NoAnswerError, PlaceOf, Taken, WorkerOf
from taskscope_shared.store import Lease, LeaseLostError, StoreError
from taskscope_shared.tracing import Attributes, going_on, read

from taskscope_collector.observations import SourceRunner
from taskscope_collector.sources.faults import reason_of

log = logging.getLogger(__name__)

CONCURRENT = 8
"""Questions answered at once; more wait, here or in Redis."""
A_SECOND = 20.0
"""Questions answered in a second, on average; after a pause so many at once. What comes faster is refused."""
SAME_SECONDS = 1.0
"""An answer holds so long for the same question."""
REMEMBERED = 200
WAIT_SECONDS = 2.0
IDLE_SECONDS = 0.2
AWAY_SECONDS = 1.0


class Desk:
    """One source's. `lease` tells what this collector holds now; `runner` is who knows, once there is one.

    With a `tracer` an answer is a span of its asker's trace.
    """

    def __init__(
        self, answerer: Answerer, clock: Clock, lease: Callable[[], Lease | None], tracer: Tracer | None = None
    ) -> None:
        self._answerer = answerer
        self._clock = clock
        self._lease = lease
        self._tracer = tracer
        self._known: dict[tuple[str, bytes], tuple[float, asyncio.Future[msgspec.Struct]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(CONCURRENT)
        self._left, self._left_at = A_SECOND, clock.monotonic()
        self.runner: SourceRunner | None = None
        self.answered = self.refused = self.failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._once()
        finally:
            open_ones: list[asyncio.Future[Any]] = [*self._running, *(future for _, future in self._known.values())]
            for one in open_ones:
                one.cancel()
            await asyncio.gather(*open_ones, return_exceptions=True)

    async def _once(self) -> None:
        lease = self._lease()
        if lease is None or len(self._running) >= CONCURRENT:
            await asyncio.sleep(IDLE_SECONDS)
            return
        try:
            for taken in await self._answerer.take(lease, WAIT_SECONDS):
                self._begin(taken)
        except LeaseLostError:
            await asyncio.sleep(IDLE_SECONDS)  # the writer will notice, too
        except StoreError:
            await asyncio.sleep(AWAY_SECONDS)  # said in health by the writer
        except Exception:
            self.failures += 1
            log.exception("questions cannot be taken")
            await asyncio.sleep(AWAY_SECONDS)

    def _begin(self, taken: Taken) -> None:
        task = asyncio.create_task(self._answer(taken), name=f"answer {taken.ask.kind}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, taken: Taken) -> None:
        with nullcontext() if self._tracer is None else _span(self._tracer, taken.ask):
            await self._answer_in_time(taken)

    async def _answer_in_time(self, taken: Taken) -> None:
        ask = taken.ask
        try:
            async with asyncio.timeout(taken.left_seconds), self._at_once:
                await self._answerer.answer(ask, await self._found(ask))
        except TimeoutError:
            self.refused += 1  # its asker has given up
        except StoreError:
            self.failures += 1

    async def _found(self, ask: Ask) -> Answer:
        try:
            answer = requests.answer_of(ask, await self._same(ask))
            self.answered += 1
        except NoAnswerError as error:
            self.refused += 1
            trace.get_current_span().set_attribute("taskscope.refused", str(error))
            return requests.refusal(ask, str(error))
        except (OSError, msgspec.MsgspecError) as error:
            self.refused += 1
            return requests.refusal(ask, f"the broker: {reason_of(error)}")
        except Exception as error:
            # The boundary of a question: whatever it meets, the others are answered.
            self.failures += 1
            log.exception("a question cannot be answered", extra={"kind": ask.kind})
            return requests.refusal(ask, f"the collector failed: {type(error).__name__}")
        return answer

    async def _same(self, ask: Ask) -> msgspec.Struct:
        """What was found, or is being found, for the same question a moment ago; else found anew."""
        now, key = self._clock.monotonic(), (ask.kind, ask.arguments)
        known = self._known.get(key)
        if known is None or now - known[0] > SAME_SECONDS or known[1].cancelled():
            self._pay(now)
            future = asyncio.ensure_future(self._question(ask))
            future.add_done_callback(_seen)
            self._known.pop(key, None)
            known = self._known[key] = (now, future)
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        return await asyncio.shield(known[1])

    def _pay(self, now: float) -> None:
        self._left = min(A_SECOND, self._left + (now - self._left_at) * A_SECOND)
        self._left_at = now
        if self._left < 1:
            raise NoAnswerError(f"the source is asked more than {A_SECOND:g} times a second: ask again later")
        self._left -= 1

    def _question(self, ask: Ask) -> Awaitable[msgspec.Struct]:
        if self.runner is None:
            raise NoAnswerError("the collector is starting")
        if ask.kind == PLACE:
            place = msgspec.msgpack.decode(ask.arguments, type=PlaceOf)
            return self.runner.place(place.task_id, place.queue)
        if ask.kind == WORKER:
            return self.runner.worker(msgspec.msgpack.decode(ask.arguments, type=WorkerOf).name)
        raise NoAnswerError(f"this collector cannot answer questions of the kind {ask.kind[:40]!r}: is it older than the api?")


def _span(tracer: Tracer, ask: Ask) -> AbstractContextManager[Span]:
    """A kind is named if it is one of ours: whoever can write to Redis could ask for any."""
    name = f"answer {ask.kind}" if ask.kind in (PLACE, WORKER) else "answer"
    told: Attributes = {"taskscope.source": ask.source}
    return going_on(tracer, name, SpanKind.SERVER, told, parent=read(ask.traceparent, ask.tracestate))


def _seen(future: asyncio.Future[msgspec.Struct]) -> None:
    """Whoever waited for it may have given up."""
    if not future.cancelled():
        future.exception()

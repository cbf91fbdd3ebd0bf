"""Inspect rounds: what every worker holds, asked so seldom that an idle broker hardly notices.

`active` and `reserved` each round; `stats` and `active_queues` every two minutes and when a worker came; `scheduled` as often
as its size allows, since 20,000 tasks with an ETA make an answer of 11 MB.
"""

import asyncio
import math
from collections.abc import Callable

import msgspec
from taskscope_shared.clock import Clock

from taskscope_collector.observations import InspectReply, InspectRound, Sink, TaskHeld
from taskscope_collector.sources.celery.held import Info, QueueInfo, ReplyDecoder, Stats, Where
from taskscope_collector.sources.celery.mailbox import Answers, Mailbox, Question
from taskscope_collector.sources.celery.roster import KnownIds, Roster

SLOW_SECONDS = 120.0
"""Between two askings for `stats` and `active_queues`, and the least between two for `scheduled`."""
SCHEDULED_BYTES_A_SECOND = 50_000
"""`scheduled` may cost so much on average."""
SLICE = 500
"""Tasks decoded at one go before others get their turn."""

ACTIVE = Question("active", {"safe": True})  # safe: argument reprs, which exist even where the arguments are no JSON
RESERVED = Question("reserved")
SCHEDULED = Question("scheduled")
STATS = Question("stats")
QUEUES = Question("active_queues")


class Holdings:
    """Ids that each worker held when it answered last. `of`: active and reserved ones, with whether they were acknowledged."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, bool | None]] = {}
        self.scheduled: dict[str, set[str]] = {}

    def everywhere(self) -> set[str]:
        """All ids of all workers."""
        ids = {task_id for held in self.of.values() for task_id in held}
        return ids.union(*self.scheduled.values())

    def idle(self) -> bool:
        """Nobody works on anything."""
        return not any(self.of.values())


class Inspector:
    """Asks all workers and tells the sink what each answered."""

    def __init__(self, source: str, decoder: ReplyDecoder, roster: Roster, known: KnownIds, clock: Clock) -> None:
        self._source = source
        self._decoder = decoder
        self._roster = roster
        self._known = known
        self._clock = clock
        self._slow_at = 0.0
        self._scheduled_at = 0.0
        self._scheduled_bytes = 0
        self.holdings = Holdings()
        self.worker_queues: dict[str, tuple[str, ...]] = {}
        self.exchanges: set[str] = set()
        self.round_bytes = 0
        """Size of the last round's answers, without `scheduled`, which has a pace of its own."""
        self.asked_at = self.scheduled_asked_at = -math.inf
        """When what is in `holdings` was asked for (monotonic): what came to a worker later is not in there."""

    async def round(self, mailbox: Mailbox, sink: Sink, *, everything: bool = False) -> InspectRound:
        """One round. Raises what the mailbox raises."""
        questions = self._questions(everything=everything)
        began = self._clock.monotonic()
        answers = await mailbox.ask(questions, expected=self._roster.expected())
        seen_at = self._clock.now()
        self.round_bytes = sum(size for method, size in answers.sizes.items() if method != SCHEDULED.method)
        replied = answers.workers()
        self._roster.round_over(replied, self._clock.monotonic())
        self._forget(replied)
        for worker in sorted(replied):
            sink.put([await self._reply(worker, answers, seen_at)])
        self.asked_at = began
        if SCHEDULED in questions:
            self.scheduled_asked_at, self._scheduled_bytes = began, answers.sizes[SCHEDULED.method]
            self._scheduled_at = began + max(SLOW_SECONDS, self._scheduled_pause())
        if any(worker not in self.worker_queues for worker in replied):
            self.ask_everything()
        over = InspectRound(at=self._clock.now(), replied=frozenset(replied), subscribed=answers.subscribed)
        sink.put([over])
        return over

    def ask_everything(self) -> None:
        """The next round asks for everything: a worker came, or there was a gap."""
        self._slow_at = 0.0

    def ask_scheduled(self) -> None:
        """The next round asks what is held back for its time, too, unless the last answer was too large for that yet."""
        self._scheduled_at = min(self._scheduled_at, self.scheduled_asked_at + self._scheduled_pause())

    def _scheduled_pause(self) -> float:
        return self._scheduled_bytes / SCHEDULED_BYTES_A_SECOND

    def _questions(self, *, everything: bool) -> list[Question]:
        now = self._clock.monotonic()
        questions = [ACTIVE, RESERVED]
        if everything or now >= self._slow_at:
            questions += [STATS, QUEUES]
            self._slow_at = now + SLOW_SECONDS
        if everything or now >= self._scheduled_at:
            questions.append(SCHEDULED)
        return questions

    def _forget(self, replied: set[str]) -> None:
        heard = self.holdings.of.keys() | self.worker_queues.keys()
        gone = [worker for worker in heard if worker not in replied and worker not in self._roster.nodes]
        for worker in gone:
            self.holdings.of.pop(worker, None)
            self.holdings.scheduled.pop(worker, None)
            self.worker_queues.pop(worker, None)

    async def _reply(self, worker: str, answers: Answers, seen_at: float) -> InspectReply:
        def raw(question: Question) -> msgspec.Raw | None:
            return answers.replies.get(question.method, {}).get(worker)

        asked_at = answers.asked_at
        reply = InspectReply(worker=worker, at=seen_at, seen_at=seen_at, asked_at=asked_at)
        active, reserved = self._decoder.infos(raw(ACTIVE)), self._decoder.infos(raw(RESERVED))
        reply.active = await self._held(active, worker, "active", asked_at, seen_at)
        reply.reserved = await self._held(reserved, worker, "reserved", asked_at, seen_at)
        if active is not None and reserved is not None:
            self.holdings.of[worker] = {info.id: info.acknowledged for info in (*reserved, *active)}
        etas = self._decoder.etas(raw(SCHEDULED))
        if etas is not None:
            self.holdings.scheduled[worker] = {info.id for info, _ in etas}
            due = dict(_by_id(etas))
            reply.scheduled = await self._held([info for info, _ in etas], worker, "scheduled", asked_at, seen_at, due.get)
        self._describe(reply, self._decoder.stats(raw(STATS)), self._decoder.queues(raw(QUEUES)), seen_at)
        return reply

    async def _held(
        self,
        infos: list[Info] | None,
        worker: str,
        where: Where,
        asked_at: float,
        seen_at: float,
        eta: Callable[[str], float | None] = lambda _: None,
    ) -> list[TaskHeld] | None:
        if infos is None:
            return None
        held: list[TaskHeld] = []
        for start in range(0, len(infos), SLICE):
            if start:
                await asyncio.sleep(0)
            for info in infos[start : start + SLICE]:
                # What the worker said is true for the moment it was asked at least; what it did afterwards comes as events.
                held.append(self._decoder.held(info, worker, where, asked_at, seen_at, eta(info.id)))
                self._known.current.add(info.id)
        self._known.turn()
        return held

    def _describe(self, reply: InspectReply, stats: Stats | None, queues: list[QueueInfo] | None, seen_at: float) -> None:
        if stats is not None:
            reply.pool = stats.pool_name()
            reply.concurrency = stats.pool.concurrency if stats.pool else None
            reply.prefetch = stats.prefetch_count
            reply.pid = stats.pid
            reply.started_at = seen_at - stats.uptime if stats.uptime is not None else None
            reply.processed = sum(stats.total.values())
        if queues is not None:
            self._decoder.bindings.learn(queues)
            self.exchanges.update(q.exchange.name for q in queues if q.exchange is not None and q.exchange.name)
            reply.queues = self.worker_queues[reply.worker] = tuple(queue.name for queue in queues)
        node = self._roster.nodes.get(reply.worker)
        if node is not None:
            node.pool = reply.pool or node.pool
            reply.events, reply.events_enabled_by_us = node.events, node.events_enabled_by_us


def _by_id(etas: list[tuple[Info, float | None]]) -> list[tuple[str, float | None]]:
    return [(info.id, at) for info, at in etas]

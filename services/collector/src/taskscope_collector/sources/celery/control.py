"""The part of a source that asks: inspect rounds, events switched on, queues counted, what is missing looked for.

It goes at its own pace beside the event stream and never holds it up. A standby asks nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from msgspec.structs import replace
from taskscope_shared.clock import Clock
from taskscope_shared.model import Queue
from taskscope_shared.requests import NoAnswerError, Place
from taskscope_shared.settings import CelerySource

from taskscope_collector.observations import InspectRound, Observation, QueuesSeen, Sink, View
from taskscope_collector.sources.celery.board import Board
from taskscope_collector.sources.celery.decode import EventDecoder
from taskscope_collector.sources.celery.inspect import Inspector
from taskscope_collector.sources.celery.mailbox import Mailbox
from taskscope_collector.sources.celery.repair import Repair, Unacknowledged
from taskscope_collector.sources.celery.roster import MISSED_ROUNDS, KnownIds, Roster
from taskscope_collector.sources.celery.supervision import together
from taskscope_collector.sources.celery.switch import EventSwitch
from taskscope_collector.sources.resp import RespError

TICK_SECONDS = 1.0
ARRIVAL_SECONDS = 0.3
"""A worker that said hello listens to remote control a moment later."""
IDLE_FACTOR = 6
"""An idle application is inspected so much less often: events tell when it begins to work."""
ROUND_BYTES_A_SECOND = 1_000_000
"""Answers may cost so much on average: reserved tasks come with their whole arguments."""
MISSING_SECONDS = 2.0
MISSING_TIMES = 3
"""When somebody did not answer, the next round comes sooner, a few times."""
RECENT_SECONDS = 30.0
REFUSED_SECONDS = 30.0
NO_SENT = (
    "no task-sent events so far (task_send_sent_event is off): when a task was sent, and so how long it waited, is unknown"
)


class Broker(Protocol):
    """What asks needs of a transport, while connected."""

    @property
    def mailbox(self) -> Mailbox:
        """Remote control."""
        ...

    @property
    def unacked(self) -> Unacknowledged:
        """What was taken and is not acknowledged."""
        ...

    async def count(self, named: Iterable[str], exchanges: Iterable[str]) -> list[Queue]:
        """All queues that are known of."""
        ...

    async def peek(self, known: KnownIds) -> list[Observation]:
        """Tasks that wait and are not known; none where a broker's queues cannot be looked into."""
        ...

    async def place(self, task_id: str, queue: str) -> Place:
        """Where the task is in the queue."""
        ...

    async def waiting_ids(self, suspects: int) -> set[str] | None:
        """Ids of all messages that wait or are not acknowledged.

        None if that cannot be known, or if there are messages enough for each of the `suspects` to be one.
        """
        ...


def events_allowed(view: View) -> bool:
    """Whether nobody said that events are to stay off (`taskscope events off`)."""
    return bool(getattr(view, "events_allowed", lambda: True)())


class Control:
    """Asks over one `Broker` until that ends."""

    def __init__(
        self,
        settings: CelerySource,
        roster: Roster,
        inspector: Inspector,
        switch: EventSwitch,
        repair: Repair,
        events: EventDecoder,
        known: KnownIds,
        board: Board,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._inspector = inspector
        self._switch = switch
        self._repair = repair
        self._events = events
        self._known = known
        self._board = board
        self._clock = clock
        self._gap = True
        self._complete = False
        self._missing_times = 0
        self._peeked_at = 0.0
        self._asked_at = 0.0
        self._rests = False
        self._broker: Broker | None = None

    @property
    def broker(self) -> Broker:
        """The broker, while connected. Raises NoAnswerError."""
        if self._broker is None:
            raise NoAnswerError("the collector is not connected to the broker")
        return self._broker

    def had_a_gap(self) -> None:
        """Something was missed: ask everything soon."""
        self._gap = True
        self._switch.ask_everybody()
        self._roster.arrived.set()

    async def run(self, broker: Broker, sink: Sink, view: View) -> None:
        """Ask until the broker's connection ends; raises what ended it."""
        self.had_a_gap()
        self._broker = broker
        try:
            await together(self._workers(broker, sink, view), self._queues(broker, sink, view))
        finally:
            self._broker = None

    # ------------------------------------------------------------------------------------------------ workers

    async def _workers(self, broker: Broker, sink: Sink, view: View) -> None:
        due = 0.0
        active = True
        while True:
            if view.active() and not active:
                self.had_a_gap()  # nobody asked while this was a standby
            active = view.active()
            if active:
                if self._roster.arrived.is_set():
                    self._roster.arrived.clear()
                    self._inspector.ask_everything()
                    due = 0.0
                due = await self._ask(broker, sink, view, due)
            await self._pause(due)

    async def _ask(self, broker: Broker, sink: Sink, view: View, due: float) -> float:
        """Ask what is to be asked now; when the next round is due."""
        try:
            await self._switch_on(broker, view)
            began = self._clock.monotonic()
            if began < due and not self._overdue(began):
                return due
            self._asked_at = began
            over = await self._round(broker, sink, view)
        except RespError as error:
            # Queues can still be counted where remote control is forbidden.
            self._board.degrade("remote control", f"workers cannot be asked: {error}")
            return self._clock.monotonic() + REFUSED_SECONDS
        self._board.degrade("remote control", None)
        return began + self._interval(over)

    def _overdue(self, now: float) -> bool:
        """Whether the round cannot wait until it is due: work began after idleness, or somebody's heartbeats stopped."""
        if self._rests and now - self._asked_at >= self._settings.inspect_seconds and not self._idle():
            return True
        nodes = self._roster.nodes.values()
        silent = any(node.silent(now) and node.missed < MISSED_ROUNDS and not node.offline for node in nodes)
        return silent and now - self._asked_at >= MISSING_SECONDS

    async def _switch_on(self, broker: Broker, view: View) -> None:
        if not events_allowed(view):
            await self._switch.turn_off(broker.mailbox)
        elif self._settings.enable_events:
            await self._switch.turn_on(broker.mailbox)

    async def _round(self, broker: Broker, sink: Sink, view: View) -> InspectRound:
        over = await self._inspector.round(broker.mailbox, sink, everything=self._gap)
        found = await self._repair.everything(view) if self._gap else []
        self._gap, self._complete = False, over.complete
        found += await self._repair.after_round(over, view, broker.mailbox, broker.unacked)
        if found:
            sink.put(found)
        self._note_events()
        self._switch.tell()
        return over

    def _note_events(self) -> None:
        """Workers tell of tasks; whether producers do, too, is known only from what came."""
        if self._events.tasks_at is not None:
            self._board.events = True
            self._board.note("sent", NO_SENT if self._events.sent_at is None else None)

    def _interval(self, over: InspectRound) -> float:
        usual = max(self._settings.inspect_seconds, self._inspector.round_bytes / ROUND_BYTES_A_SECOND)
        expected = self._roster.expected()
        if any(name not in over.replied for name in expected) and self._missing_times < MISSING_TIMES:
            self._missing_times += 1
            return min(usual, MISSING_SECONDS)
        if all(name in over.replied for name in expected):
            self._missing_times = 0
        self._rests = self._idle()
        return usual * IDLE_FACTOR if self._rests else usual

    def _idle(self) -> bool:
        """Nobody works, and events would tell if somebody began."""
        told = self._events.tasks_at
        recent = told is not None and self._clock.now() - told < RECENT_SECONDS
        telling = all(node.events for node in self._roster.nodes.values() if not node.offline)
        return telling and not recent and self._inspector.holdings.idle()

    async def _pause(self, due: float) -> None:
        seconds = min(TICK_SECONDS, max(0.05, due - self._clock.monotonic()))
        try:
            async with asyncio.timeout(seconds):
                await self._roster.arrived.wait()
        except TimeoutError:
            return
        await asyncio.sleep(ARRIVAL_SECONDS)

    # ------------------------------------------------------------------------------------------------ queues

    async def _queues(self, broker: Broker, sink: Sink, view: View) -> None:
        while True:
            if view.active():
                served = {queue for queues in self._inspector.worker_queues.values() for queue in queues}
                queues = await broker.count({*view.queue_names(), *served}, self._inspector.exchanges)
                sink.put([QueuesSeen(queues=self._with_consumers(queues), at=self._clock.now())])
                found = await broker.peek(self._known) if self._to_peek() else []
                found += await self._repair.waiting(view, broker.waiting_ids)
                if found:
                    sink.put(found)
            await asyncio.sleep(self._settings.queue_seconds)

    def _with_consumers(self, queues: list[Queue]) -> list[Queue]:
        """With the workers that take from each, where the broker does not tell; those that are gone take nothing."""
        gone = {
            node.name for node in self._roster.nodes.values() if node.dead(self._clock.monotonic(), complete=self._complete)
        }
        taken = Counter(
            queue for worker, served in self._inspector.worker_queues.items() if worker not in gone for queue in set(served)
        )
        return [queue if queue.consumers is not None else replace(queue, consumers=taken[queue.name]) for queue in queues]

    def _to_peek(self) -> bool:
        """Often where no `task-sent` tells what waits; seldom otherwise, since other producers may not send them."""
        now = self._clock.now()
        sent = self._events.sent_at
        if sent is not None and now - sent < RECENT_SECONDS and now - self._peeked_at < RECENT_SECONDS / 3:
            return False
        self._peeked_at = now
        return True

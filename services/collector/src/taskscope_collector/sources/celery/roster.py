"""What a Celery source itself has to remember: its workers' signs of life, and which task ids are its own."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from taskscope_collector.observations import WorkerBeat

NODES = 10_000
KNOWN_IDS = 50_000
"""Ids in a generation; two generations are kept."""
STALE_BEATS = 3.0
"""Heartbeats that may be missing before a worker counts as silent (facts: celery's own monitor uses as many)."""
MISSED_ROUNDS = 2
FORGOTTEN_SECONDS = 3600.0


@dataclass
class Node:
    """One worker as this source knows it. Times are monotonic seconds."""

    name: str
    beat_at: float | None = None
    freq: float = 2.0
    pid: int = 0
    clock: int = 0
    answered_at: float | None = None
    missed: int = 0
    offline: bool = False
    events: bool | None = None
    events_enabled_by_us: bool = False
    events_unavailable: bool = False
    asked: int = 0
    pool: str | None = None

    def silent(self, now: float) -> bool:
        """No heartbeat for too long. (Nor ever one: it does not send any, and silence says nothing.)"""
        return self.beat_at is not None and now - self.beat_at > STALE_BEATS * self.freq

    def dead(self, now: float, *, complete: bool) -> bool:
        """Whether it is to be taken for gone. `complete`: everybody whom the broker knows answered the last round.

        A solo worker that is busy neither answers nor sends heartbeats, but it stays subscribed.
        """
        if self.offline:
            return True
        if self.missed < MISSED_ROUNDS:
            return False
        return complete or (self.pool not in {None, "solo"} and (self.beat_at is None or self.silent(now)))

    def seen_at(self) -> float:
        """The last sign of life."""
        return max(self.beat_at or 0.0, self.answered_at or 0.0)


class Roster:
    """The workers of one source."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.arrived = asyncio.Event()
        """Set when a worker came or came back."""

    def node(self, name: str) -> Node | None:
        """The worker of that name; None when there are too many to know another one."""
        node = self.nodes.get(name)
        if node is None and len(self.nodes) < NODES:
            node = self.nodes[name] = Node(name)
            self.arrived.set()
        return node

    def beat(self, beat: WorkerBeat, now: float) -> None:
        """A heartbeat, hello or goodbye."""
        node = self.node(beat.hostname)
        if node is None:
            return
        if beat.type == "worker-offline":
            node.offline = True
            return
        if beat.type == "worker-online" or node.offline or (node.pid and beat.pid and node.pid != beat.pid):
            # In a new process what was switched on in the old one is off again. One that only lost its broker says hello, too,
            # and still has it on (celery.worker.consumer.events): then it says so, and not who did it.
            node.events_enabled_by_us = node.events_enabled_by_us and _is_same_process(node, beat)
            node.events, node.events_unavailable = None, False
            node.asked, node.missed = 0, 0
            self.arrived.set()
        node.offline = False
        node.pid, node.clock = beat.pid or node.pid, beat.clock or node.clock
        # The answer to a broadcast `heartbeat` says 5, whatever the worker's frequency is: the lower one is the worker's own.
        node.freq = min(node.freq, beat.freq) if beat.freq and node.beat_at is not None else beat.freq or node.freq
        node.beat_at = now

    def round_over(self, replied: Iterable[str], now: float) -> None:
        """An inspect round ended and these answered."""
        answered = set(replied)
        for name in answered:
            node = self.node(name)
            if node is not None:
                node.answered_at, node.missed, node.offline = now, 0, False
        for node in self.nodes.values():
            if node.name not in answered:
                node.missed += 1
        for name in [n.name for n in self.nodes.values() if n.missed and now - n.seen_at() > FORGOTTEN_SECONDS]:
            del self.nodes[name]

    def expected(self) -> list[str]:
        """Workers that should answer a question."""
        return [node.name for node in self.nodes.values() if not node.offline and node.missed < MISSED_ROUNDS]

    def without_events(self) -> list[Node]:
        """Workers that are there and whose events are not on, but for those that cannot send any."""
        silent = (node for node in self.nodes.values() if not node.events and not node.events_unavailable)
        return [node for node in silent if not node.offline and node.missed < MISSED_ROUNDS]


def _is_same_process(node: Node, beat: WorkerBeat) -> bool:
    """The same pid, and a clock that goes on: in a container each start has the same pid."""
    return bool(node.pid) and node.pid == beat.pid and beat.clock >= node.clock


class KnownIds:
    """Task ids that this source saw otherwise than as a result; the oldest are forgotten."""

    def __init__(self, limit: int = KNOWN_IDS) -> None:
        self.current: set[str] = set()
        """Add to it directly; call `turn` now and then."""
        self._previous: set[str] = set()
        self._limit = limit

    def turn(self) -> None:
        """Forget the older generation once the current one is full."""
        if len(self.current) > self._limit:
            self._previous = self.current
            self.current = set()

    def __contains__(self, task_id: str) -> bool:
        return task_id in self.current or task_id in self._previous

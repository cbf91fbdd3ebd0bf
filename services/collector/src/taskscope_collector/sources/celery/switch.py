"""Switches task events on in workers that do not send them, and off again in those where it was us (facts §2)."""

from collections.abc import Collection

from taskscope_shared.clock import Clock

from taskscope_collector.sources.celery.board import Board
from taskscope_collector.sources.celery.held import ReplyDecoder
from taskscope_collector.sources.celery.mailbox import Answers, Mailbox, Question
from taskscope_collector.sources.celery.roster import Roster

ENABLED = "task events enabled"
ALREADY = "task events already enabled"
UNAVAILABLE = "event dispatcher unavailable"
AGAIN_SECONDS = 60.0
"""Everybody is asked anew so often: a worker that was restarted unseen has its events off again."""
TRIES = 10
"""A worker says hello before it listens to remote control: it is asked so often, once a second, before it has to wait."""


class EventSwitch:
    """Knows from the workers' own words whose events are on."""

    def __init__(self, roster: Roster, decoder: ReplyDecoder, board: Board, clock: Clock) -> None:
        self._roster = roster
        self._decoder = decoder
        self._board = board
        self._clock = clock
        self._all_at = 0.0
        self._kept_off = False
        """`taskscope events off` was said, and obeyed."""

    @property
    def waiting(self) -> bool:
        """Whether there are workers to be asked soon."""
        return any(node.asked < TRIES for node in self._roster.without_events())

    def ask_everybody(self) -> None:
        """The next time everybody is asked: any worker may have been restarted unseen."""
        self._all_at = 0.0

    async def turn_on(self, mailbox: Mailbox) -> None:
        """Ask whoever is to be asked now. Raises what the mailbox raises."""
        now = self._clock.monotonic()
        if self._kept_off:
            self._kept_off, self._all_at = False, now
        if now >= self._all_at:
            self._all_at = now + AGAIN_SECONDS
            await self._ask(mailbox, None)
            return
        unknown = [node for node in self._roster.without_events() if node.asked < TRIES]
        for node in unknown:
            node.asked += 1
        if unknown:
            await self._ask(mailbox, tuple(node.name for node in unknown))

    async def _ask(self, mailbox: Mailbox, destination: tuple[str, ...] | None) -> None:
        question = Question("enable_events", destination=destination)
        self._heard(await mailbox.ask([question], expected=self._roster.expected()))

    def _heard(self, answers: Answers) -> None:
        for worker, raw in answers.replies["enable_events"].items():
            node = self._roster.node(worker)
            if node is None:
                continue
            said = self._decoder.spoken(raw)
            if said == ENABLED:
                node.events, node.events_enabled_by_us = True, True
            elif said == ALREADY:
                node.events = True
            elif UNAVAILABLE in said:
                node.events, node.events_unavailable = False, True
        self.tell()

    def tell(self) -> None:
        """Say whose events cannot be had."""
        nodes = [node for node in self._roster.nodes.values() if not node.offline]
        never = sorted(node.name for node in nodes if node.events_unavailable)
        self._board.note("events", _note(never, "started without gossip and heartbeat"))
        off = sorted(node.name for node in nodes if node.events is False and not node.events_unavailable)
        self._board.note("events off", _note(off, "switched off by `taskscope events off`") if self._kept_off else None)
        if any(node.events for node in nodes):
            self._board.events = True
        elif off or never:
            self._board.events = False
        self._board.say()

    async def turn_off(self, mailbox: Mailbox, workers: Collection[str] | None = None) -> int:
        """Switch off in `workers`, by default where it was us; how many answered."""
        self._kept_off = workers is None
        names = tuple(workers) if workers is not None else self.ours()
        if not names:
            return 0
        answers = await mailbox.ask([Question("disable_events", destination=names)], expected=names)
        replied = answers.replies["disable_events"]
        for worker in replied:
            node = self._roster.nodes.get(worker)
            if node is not None:
                node.events, node.events_enabled_by_us, node.asked = False, False, 0
        return len(replied)

    def ours(self) -> tuple[str, ...]:
        """Workers whose events we switched on."""
        return tuple(node.name for node in self._roster.nodes.values() if node.events_enabled_by_us)


def _note(workers: list[str], why: str) -> str | None:
    return f"no events from {', '.join(workers[:5])}{' …' if len(workers) > 5 else ''}: {why}" if workers else None

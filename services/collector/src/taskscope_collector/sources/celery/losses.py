"""Says in the source's health which events are missing, and why."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Counts
from taskscope_collector.sources.celery.board import Board

TOLD_SECONDS: Final = 900.0
"""How long the last loss stands in the source's notes."""
CUT_SECONDS: Final = 3.0
"""A broker that takes the next subscription so soon was not away: what ended the one before was about us alone."""


class Losses:
    """Explains losses of events on the board. `repair` is called after those that no reconnection tells of."""

    def __init__(self, board: Board, counts: Counts, clock: Clock, repair: Callable[[], None]) -> None:
        self._board = board
        self._counts = counts
        self._clock = clock
        self._repair = repair
        self._told_at: float | None = None

    def dropped(self, since: float, until: float, count: int) -> None:
        """`count` events, counted already, did not fit: they came faster than they could be reduced."""
        self._tell(f"{count} events from {_time(since)} to {_time(until)} were dropped: they came faster than they can be read")
        self._repair()

    def cut(self, since: float, until: float, rate: float) -> None:
        """The subscription had ended, and stands again. `rate`: events a second before; what is missing is estimated from it.

        While a broker is away nothing is lost in it, so only a quick return is counted.
        """
        span = f"events from {_time(since)} to {_time(until)} are missing"
        if until - since > CUT_SECONDS:
            self._tell(f"the connection to the broker was lost: {span}")
            return
        missing = round(rate * (until - since))
        self._counts.dropped += missing
        self._tell(f"the broker cut the subscription: {span}, about {missing} or more (estimated from the rate before)")

    def forget_old(self) -> None:
        """Take back a note that has been told for long."""
        if self._told_at is not None and self._clock.monotonic() - self._told_at > TOLD_SECONDS:
            self._told_at = None
            self._board.note("lost events", None)

    def _tell(self, text: str) -> None:
        self._told_at = self._clock.monotonic()
        self._board.note("lost events", text)


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"

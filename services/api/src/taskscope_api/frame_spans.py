"""From a flush to the frame that shows it: the collector's span is continued where a window tells its clients of it.

A frame tells of several flushes, and a flush is told of by several frames: a frame's span is a child of the newest flush, and
links to the others.
"""

from collections import deque
from collections.abc import Callable, Iterable

from opentelemetry.trace import SpanKind, Tracer
from taskscope_shared.tracing import MAX_LINKS, Attributes, continuing, link, nanoseconds

MOST_A_ROUND = 16
"""Frames of one round that have a span: there may be 500 windows, twenty times a second."""


class Arrivals:
    """Spans (`traceparent`) of flushes that were applied and that no frame told of yet, by source: the latest of each."""

    def __init__(self) -> None:
        self._of: dict[str, deque[str]] = {}

    def add(self, source: str, traceparents: Iterable[str]) -> None:
        """Those were applied, in their order."""
        self._of.setdefault(source, deque(maxlen=MAX_LINKS)).extend(traceparents)

    def take(self) -> dict[str, deque[str]]:
        """All of them; there are none then."""
        taken, self._of = self._of, {}
        return taken


class FrameSpans:
    """Makes the spans of a hub's frames."""

    def __init__(self, tracer: Tracer, arrivals: Arrivals) -> None:
        self._tracer = tracer
        self._arrivals = arrivals
        self._arrived: dict[str, deque[str]] = {}
        self._left = 0

    def next_round(self) -> None:
        """The frames from now on tell of what arrived by now."""
        self._arrived = self._arrivals.take()
        self._left = MOST_A_ROUND

    def sent(self, shows: Callable[[str], bool], began: float, told: Attributes) -> None:
        """A frame was made from `began` on, and sent. `shows` tells whether its window shows a source."""
        arrived = [each for source, flushes in self._arrived.items() if shows(source) for each in flushes]
        sampled = [found for each in arrived[-MAX_LINKS:] if (found := link(each)) is not None]
        if self._left <= 0 or not sampled:
            return
        self._left -= 1
        parent = continuing(sampled[-1].context)
        self._tracer.start_span("frame", parent, SpanKind.CONSUMER, told, sampled[:-1], nanoseconds(began)).end()

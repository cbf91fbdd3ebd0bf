"""What a source's health says of the pipeline: who holds it, how much comes, how far behind it is."""

from collections import deque

from msgspec.structs import replace
from taskscope_shared.clock import Clock
from taskscope_shared.model import Source

from taskscope_collector.buffer import Buffer
from taskscope_collector.observations import Counts
from taskscope_collector.reduced import Reduced

RATE_SECONDS = 5.0
"""Over so long the rate is an average."""
UNCORRECTED = (
    "{} tasks were corrected after they were evicted and what they had contributed was not known: charts do not show it"
)
LEAST_SECONDS = 1.0
"""Health that only counts on is written so often at most."""
MOST_SECONDS = 30.0
"""And health in which nothing changed so often at least: what was written last says until when somebody watched."""


class HealthReport:
    """The health of one source, as the pipeline writes it. `counts` are the source's own."""

    def __init__(self, state: Reduced, buffer: Buffer, counts: Counts, holder: str, clock: Clock) -> None:
        self._state = state
        self._buffer = buffer
        self._counts = counts
        self._before = dict.fromkeys(Counts.__struct_fields__, 0)
        self._holder = holder
        self._clock = clock
        self._received: deque[tuple[float, int]] = deque()
        self._written: Source | None = None
        self.uncorrected = 0

    def count_with(self, counts: Counts) -> None:
        """The source was started (again): what it counted before is kept."""
        for name in counts.__struct_fields__:
            self._before[name] += getattr(self._counts, name)
        self._counts = counts

    def _counted(self, name: str) -> int:
        return self._before[name] + int(getattr(self._counts, name))

    def count(self) -> None:
        """Note how much came by now; once a second."""
        now = self._clock.monotonic()
        self._received.append((now, self._counted("received")))
        while self._received[0][0] < now - RATE_SECONDS and len(self._received) > 1:
            self._received.popleft()

    def now(self) -> Source:
        """The health."""
        now = self._clock.now()
        source = self._state.source_health(now)
        return replace(
            source,
            notes=(*source.notes, UNCORRECTED.format(self.uncorrected)) if self.uncorrected else source.notes,
            holder=self._holder,
            received=self._counted("received"),
            malformed=self._counted("malformed"),
            dropped=self._counted("dropped") + self._buffer.dropped,
            events_per_second=round(self._rate(), 1),
            lag_seconds=round(self._buffer.lag_seconds(), 1),
            at=now,
        )

    def due(self, changed: bool) -> Source | None:  # noqa: FBT001 - the reducer's flag, passed on
        """The health if it has to be written, because it `changed`, counts differ since a while, or it is old."""
        written = self._written
        if written is not None and not changed and self._clock.now() - written.at < LEAST_SECONDS:
            return None
        health = self.now()
        if written is not None and health.at - written.at < MOST_SECONDS and replace(health, at=written.at) == written:
            return None
        self._written = health
        return health

    def forget_written(self) -> None:
        """Write it again the next time: what is stored is another's, or nothing."""
        self._written = None

    def _rate(self) -> float:
        if len(self._received) < 2:
            return 0.0
        (first, then), (last, now) = self._received[0], self._received[-1]
        return (now - then) / (last - first) if last > first else 0.0

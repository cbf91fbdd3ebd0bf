"""When a source was watched: what a rate is divided by, and what a comparison has to know."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

FIELD = "watched"
"""Of the meta hash."""
GAP_SECONDS = 120
"""Nobody watched if nothing was written for so long; a collector writes each half minute, whatever happens."""
REMEMBERED = 32
"""Latest stretches without a collector that are named; earlier ones count as watched."""

Span = tuple[float, float]
"""(start, end), epoch seconds."""


class Watched(msgspec.Struct, frozen=True):
    """Since when a source is watched (0: since longer than anything is kept), until when (0: it is not said), and the latest
    stretches in which no collector ran, oldest first.
    """

    since: int = 0
    until: int = 0
    gaps: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> "Watched":
        """What `text` says; always watched for None (an older Taskscope wrote) or what is no such text."""
        try:
            since, until, *times = map(int, (text or "0 0").split())
            return cls(since, until, tuple(zip(times[::2], times[1::2], strict=True)))
        except ValueError:
            return cls()

    @classmethod
    def begun(cls, meta: Mapping[str, str], began: float) -> "Watched":
        """For a collector that has watched since `began`, over what the meta hash says."""
        if FIELD in meta or any(field.startswith("rolled:") for field in meta):
            return cls.parse(meta.get(FIELD)).resumed(int(began))
        return cls(int(began))

    def resumed(self, began: int) -> "Watched":
        """When a collector goes on that began at `began`: with the stretch in between, if it was long."""
        if not self.until or began - self.until < GAP_SECONDS:
            return self
        return Watched(self.since, began, (*self.gaps, (self.until, began))[-REMEMBERED:])

    def text_at(self, now: float) -> str:
        """As it stands in the meta hash when something is written at `now`."""
        return " ".join(map(str, (self.since, int(now), *(at for gap in self.gaps for at in gap))))

    def unwatched(self, start: float, end: float) -> list[Span]:
        """The parts of a stretch in which nobody watched."""
        last = self.until if self.until and end - self.until >= GAP_SECONDS else end
        spans = ((start, self.since), *self.gaps, (last, end))
        clipped = ((max(start, since), min(end, until)) for since, until in spans)
        return united([span for span in clipped if span[0] < span[1]])


def united(spans: Iterable[Span]) -> list[Span]:
    """The same time, each moment once."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def length(spans: Sequence[Span]) -> float:
    """Seconds of them all."""
    return sum(end - start for start, end in spans)

"""Which closed periods of the rollups were written again: what a reader that keeps sums has to read anew."""

from collections.abc import Iterable, Mapping

import msgspec

PERIOD_SECONDS = 300
"""Corrections are told by this period, whatever resolutions they reach."""
REMEMBERED = 48
"""Latest corrected periods that are named; of earlier ones only the number is known."""
FIELD = "corrected"
"""Of the meta hash."""
DAYS_FIELD = "corrected:86400"
"""Of the meta hash: how many corrections reached the days. A Taskscope that knows no days leaves it behind."""


class Corrected(msgspec.Struct):
    """How many times closed periods were written again, and the starts of the latest of them, oldest first."""

    count: int = 0
    latest: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> "Corrected":
        """What `text` says; nothing for None or what is no such text."""
        try:
            count, *latest = map(int, (text or "0").split())
        except ValueError:
            return cls()
        return cls(count, tuple(latest))

    @property
    def text(self) -> str:
        """As it stands in the meta hash."""
        return " ".join(map(str, (self.count, *self.latest)))

    def add(self, times: Iterable[int]) -> None:
        """Note the closed periods that hold `times`, epoch seconds."""
        starts = sorted({at // PERIOD_SECONDS * PERIOD_SECONDS for at in times})
        self.count += len(starts)
        self.latest = (*self.latest, *starts)[-REMEMBERED:]

    def since(self, count: int) -> frozenset[int] | None:
        """The starts of what was corrected after `count` corrections; None when that is not known any more."""
        new = self.count - count
        if new < 0 or new > len(self.latest):
            return None
        return frozenset(self.latest[len(self.latest) - new :])


def days_rolled(meta: Mapping[str, str]) -> int:
    """Up to when, epoch seconds, the days' rollups are written; 0: none of them is to be trusted."""
    known = meta.get(DAYS_FIELD) == str(Corrected.parse(meta.get(FIELD)).count)
    return int(meta.get("rolled:86400", 0)) if known else 0

"""How long to wait before the next try."""

from random import SystemRandom

FIRST_SECONDS = 0.2
FACTOR = 2.0  # 0.2 s, 0.4 s, 0.8 s, ..


class Backoff:
    """Waits that double up to a bound. A part of each is chance, so that a thousand clients do not come back at once."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._next = FIRST_SECONDS
        self._random = SystemRandom()

    def reset(self) -> None:
        """The last try was good: the next wait is short again."""
        self._next = FIRST_SECONDS

    def pause(self, asked_seconds: float | None = None) -> float:
        """Seconds to wait now: what the api asked for, if it did, but not longer than the bound."""
        usual = self._next * self._random.uniform(0.5, 1.0)
        self._next = min(self._next * FACTOR, self._most_seconds)
        return min(usual if asked_seconds is None else max(asked_seconds, usual), self._most_seconds)

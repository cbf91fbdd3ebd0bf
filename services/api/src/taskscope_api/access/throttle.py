"""Counts failures by address and by credential, and says who has to wait. Who is right never waits."""

import math
from collections import OrderedDict

from taskscope_shared import settings_access as configured
from taskscope_shared.clock import Clock

MAX_KEYS = 10_000
"""Addresses and ids that are remembered; those that failed longest ago are forgotten first."""


class Throttle:
    """Each key may fail so often at once, and again as time passes: a bucket that fills with failures and leaks."""

    def __init__(self, limits: configured.Throttle, clock: Clock) -> None:
        self._most = float(limits.failures)
        self._leak_per_second = limits.failures / limits.seconds
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.refused = 0
        self.forgotten = 0

    def failed(self, *keys: str) -> int:
        """Count a failure of each key: seconds until the next one will be looked at, 0 where none of them failed too often."""
        waits = [self._failed(key) for key in keys]
        longest = math.ceil(max(waits, default=0.0))
        self.refused += longest > 0
        return longest

    def _failed(self, key: str) -> float:
        now = self._clock.monotonic()
        level, at = self._levels.pop(key, (0.0, now))
        level = max(0.0, level - (now - at) * self._leak_per_second)
        wait = max(0.0, (level + 1 - self._most) / self._leak_per_second)
        self._levels[key] = (level if wait else level + 1, now)
        while len(self._levels) > MAX_KEYS:
            self._levels.popitem(last=False)
            self.forgotten += 1
        return wait

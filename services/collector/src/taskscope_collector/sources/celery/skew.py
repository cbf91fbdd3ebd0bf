"""By how much each worker's clock is ahead of ours, estimated from its heartbeats."""

from collections import OrderedDict, deque

SAMPLES = 15
"""Heartbeats looked at: half a minute at the default frequency."""
ENOUGH = 2
"""Samples before an estimate is used: a single one may have waited in a queue."""
APPLIED_FROM = 0.5  # seconds
DROPPED_BELOW = 0.3  # seconds: not at 0.5 again, so that an estimate at the edge does not flap
STEP = 0.1  # seconds: smaller changes of an estimate would only disturb the order of events
HOSTS = 10_000


class ClockSkew:
    """Estimates for each node name. A heartbeat's delay is never negative, so the least (arrival - timestamp) is best."""

    def __init__(self) -> None:
        self._samples: OrderedDict[str, deque[float]] = OrderedDict()
        self.applied: dict[str, float] = {}
        """Node name -> seconds ahead, only where it is to be corrected. Read directly on the hot path."""

    def heard(self, node: str, timestamp: float, arrived: float) -> None:
        """A heartbeat of `node` that it stamped with `timestamp` arrived."""
        samples = self._samples.get(node)
        if samples is None:
            samples = self._samples[node] = deque(maxlen=SAMPLES)
            if len(self._samples) > HOSTS:
                forgotten, _ = self._samples.popitem(last=False)
                self.applied.pop(forgotten, None)
        samples.append(arrived - timestamp)
        self._estimate(node, samples)

    def of(self, node: str) -> float:
        """Seconds by which the node's clock is ahead; 0.0 where unknown or below half a second."""
        return self.applied.get(node, 0.0)

    def _estimate(self, node: str, samples: deque[float]) -> None:
        if len(samples) < ENOUGH:
            return
        ahead = -min(samples)
        known = self.applied.get(node)
        if abs(ahead) < (APPLIED_FROM if known is None else DROPPED_BELOW):
            self.applied.pop(node, None)
        elif known is None or abs(known - ahead) > STEP:
            self.applied[node] = ahead

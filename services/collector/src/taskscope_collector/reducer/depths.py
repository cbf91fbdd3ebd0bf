"""How deep a queue was in each minute of the last hour: stored with it, so that it outlives collectors and pages."""

from msgspec.structs import replace
from taskscope_shared.model import DEPTHS_KEPT, DEPTHS_SECONDS, Queue


def going_on(counted: Queue, before: Queue | None) -> Queue:
    """The queue as it was counted, with the history of what was known before and this count.

    A minute's depth is the first one that was counted in it, so that differences of two are those of whole minutes; one in
    which nobody counted is None.
    """
    minute = counted.at // DEPTHS_SECONDS * DEPTHS_SECONDS
    if before is None or before.depths_at is None or not before.depths:
        return counted if counted.depth is None else replace(counted, depths=(counted.depth,), depths_at=minute)
    depths, last = before.depths, before.depths_at
    passed = round((minute - last) / DEPTHS_SECONDS)
    if abs(passed) >= DEPTHS_KEPT:  # nothing of it is of the last hour; or the clock was wrong that it was told by
        depths, last = (counted.depth,), minute
    elif passed > 0:
        depths, last = (*depths, *(None,) * (passed - 1), counted.depth)[-DEPTHS_KEPT:], minute
    elif passed == 0 and depths[-1] is None:
        depths = (*depths[:-1], counted.depth)
    return replace(counted, depths=depths, depths_at=last)


def merged(known: Queue, stored: Queue) -> Queue:
    """The newer of two that tell of one queue, with the minutes of both; of one that both counted, what was stored."""
    newer = known if known.at > stored.at else stored
    depths = _by_minute(known) | _by_minute(stored)
    if not depths:
        return newer
    last = max(queue.depths_at for queue in (known, stored) if queue.depths_at is not None)
    missed = round((last - min(depths)) / DEPTHS_SECONDS)
    minutes = [last - DEPTHS_SECONDS * back for back in range(min(missed, DEPTHS_KEPT - 1), -1, -1)]
    return replace(newer, depths=tuple(map(depths.get, minutes)), depths_at=last)


def _by_minute(queue: Queue) -> dict[float, int]:
    last = queue.depths_at or 0.0
    return {last - DEPTHS_SECONDS * back: depth for back, depth in enumerate(reversed(queue.depths)) if depth is not None}

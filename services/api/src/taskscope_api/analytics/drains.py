"""How fast queues fill and drain: what ended is counted, what came is derived from it and from how deep they were."""

from collections.abc import Iterable, Mapping

import msgspec
from taskscope_shared.model import DEPTHS_SECONDS, Queue

from taskscope_api.analytics.cellar import Cellar
from taskscope_api.analytics.periods import MINUTE, Marks
from taskscope_api.analytics.question import Question
from taskscope_api.analytics.rates import rate_of
from taskscope_api.analytics.rows import DrainRow
from taskscope_api.analytics.stretch import Stretch, stretch
from taskscope_api.analytics.sums import OVERFLOW
from taskscope_api.analytics.tally import Tally

DRAIN_SECONDS = 900
"""Rates of queues are those of so many seconds, to the minute."""
FRESH_SECONDS = 300
"""A depth that was not counted for longer tells nothing of now."""
LEAST_SECONDS = 180
"""Between two depths that are compared."""
DERIVED = (
    "brokers do not count what arrives: in_per_second is derived, as what ended plus the change of depth over the same "
    "minutes; what was taken and did not end yet, and what a worker keeps for later, is in neither"
)
NO_DEPTH = "its broker does not tell the depth"
TOO_LITTLE = f"its depth has to be known for {LEAST_SECONDS // 60} of the last {DRAIN_SECONDS // 60} minutes, up to now"
NO_QUEUE = "tasks ended whose queue is not known, or is one of too many to be told apart"
NEGATIVE = "more left it than ended: tasks were taken that did not end yet, or messages were removed"
GROWS = "it grows: more comes than leaves"
STEADY = "as much comes as leaves"


class Span(msgspec.Struct, frozen=True):
    """From the beginning of one minute to that of another: epoch seconds."""

    first: int
    last: int


class Course(msgspec.Struct, frozen=True):
    """By how much a queue became deeper in a span, at whose beginning it was `before` deep."""

    span: Span
    before: int
    change: int

    @property
    def per_second(self) -> float:
        """Messages a second; below zero while it drains."""
        return self.change / (self.span.last - self.span.first)


def course_of(queue: Queue, now: float) -> Course | None:
    """Over the longest span of the last minutes at whose ends the depth is known; None where that says too little."""
    minute = int(now) // MINUTE * MINUTE
    known = [(at, depth) for at, depth in _by_minute(queue) if minute - DRAIN_SECONDS <= at <= minute]
    if not known:
        return None
    (first, before), (last, after) = known[0], known[-1]
    if minute - last > FRESH_SECONDS or last - first < LEAST_SECONDS:
        return None
    return Course(Span(first, last), before, after - before)


def _by_minute(queue: Queue) -> list[tuple[int, int]]:
    begin = int(queue.depths_at or 0) - DEPTHS_SECONDS * (len(queue.depths) - 1)
    return [(begin + DEPTHS_SECONDS * at, depth) for at, depth in enumerate(queue.depths) if depth is not None]


async def drain_rows(
    cellar: Cellar, asked: Question, marks: Mapping[str, Marks], now: float, queues: Mapping[str, Queue]
) -> list[DrainRow]:
    """A row for each queue of these sources that the filters let in; none with filters of something else than queues.

    Raises `StoreError`, `BusyError`.
    """
    if asked.filters and asked.marginal != "queue":
        return []
    named = msgspec.structs.replace(asked, marginal="queue", group_by="queue")
    wanted = [each for _, each in sorted(queues.items()) if each.source in marks and named.wants(each.name, None)]
    recent = await stretch(cellar, "queue", int(now) // MINUTE * MINUTE - DRAIN_SECONDS, now, marks, now)
    courses = [course_of(queue, now) for queue in wanted]
    spans = {course.span for course in courses if course is not None}
    summed = {span: await stretch(cellar, "queue", span.first, span.last, marks, now) for span in spans}
    return [
        _row(queue, recent, course, None if course is None else summed[course.span])
        for queue, course in zip(wanted, courses, strict=True)
    ]


def _row(queue: Queue, recent: Stretch, course: Course | None, over: Stretch | None) -> DrainRow:
    out = _ended_per_second(queue, recent)
    seconds, reason = _drain(queue.depth, out)
    left = None if over is None else _ended_per_second(queue, over)
    came, no_rate = _came(queue, course, over, left)
    net, no_net = _net(queue.depth, course)
    no_left = None if left is not None else NO_DEPTH if queue.depth is None else TOO_LITTLE
    unknown = {"in_per_second": no_rate, "out_per_second": no_left, "net_drain_seconds": no_net}
    return DrainRow(
        source=queue.source,
        queue=queue.name,
        depth=queue.depth,
        finished_per_second=out,
        seconds_to_drain=seconds,
        reason=reason,
        in_per_second=came,
        out_per_second=left,
        net_drain_seconds=net,
        grows=None if course is None or queue.depth is None else _grows(queue.depth, course),
        unknown={name: why for name, why in unknown.items() if why is not None},
    )


def _ended_per_second(queue: Queue, over: Stretch) -> float | None:
    return rate_of(over, queue.source, queue.name)


def _drain(depth: int | None, rate: float | None) -> tuple[float | None, str | None]:
    """Seconds, or why they are not known."""
    if depth is None:
        return None, NO_DEPTH
    if depth == 0:
        return 0.0, None
    if not rate:
        return None, f"no task that is known to be of this queue ended in the last {DRAIN_SECONDS // 60} minutes"
    return round(depth / rate, 3), None


def _came(queue: Queue, course: Course | None, over: Stretch | None, left: float | None) -> tuple[float | None, str | None]:
    """Messages a second where `left` went, or why they are not known."""
    if course is None or over is None or left is None:
        return None, NO_DEPTH if queue.depth is None else TOO_LITTLE
    if not left and _hidden(queue, over):
        return None, NO_QUEUE
    came = round(left + course.per_second, 6)
    return (came, None) if came >= 0 else (None, NEGATIVE)


def _hidden(queue: Queue, over: Stretch) -> bool:
    """Whether tasks of the queue may have ended without being known as such."""
    labels = over.by_source[queue.source].by_label
    return OVERFLOW in labels or over.by_source[queue.source].total.total > _attempts(labels.values())


def _attempts(tallies: Iterable[Tally]) -> int:
    return sum(tally.total for tally in tallies)


def _net(depth: int | None, course: Course | None) -> tuple[float | None, str | None]:
    """Seconds until it is empty if it goes on to change as it did, or why it will not be, or that is not known."""
    if depth is None:
        return None, NO_DEPTH
    if course is None:
        return None, TOO_LITTLE
    if depth == 0:
        return 0.0, None
    if course.change >= 0:
        return None, GROWS if _grows(depth, course) else STEADY
    return round(depth / -course.per_second, 3), None


def _grows(depth: int, course: Course) -> bool:
    """Whether it became deeper, and still is."""
    return course.change > 0 and depth > course.before

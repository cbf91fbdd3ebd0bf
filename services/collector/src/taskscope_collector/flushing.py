"""What is told of flushes: a span for each, which its readers continue, how long each took, and how many failed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, Tracer
from taskscope_shared.clock import Clock
from taskscope_shared.providers import Providers
from taskscope_shared.store import Lease, LeaseLostError
from taskscope_shared.tracing import MAX_LINKS, Attributes, going_on, written

from taskscope_collector.outbox import Prepared

NAME = "taskscope_collector"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: an idle source's flush takes 2 ms, one of 5,000 tasks 100."""


class Flushing:
    """Of all sources of a collector. `failures` counts flushes that could not be written, by source."""

    def __init__(self, providers: Providers, clock: Clock) -> None:
        self._clock = clock
        self._tracer: Tracer | None = providers.tracer(NAME)
        meter = providers.meter(NAME)
        self._duration = None if meter is None else duration_of(meter)
        self.failures = Counter[str]()

    @contextmanager
    def of(self, lease: Lease, prepared: Prepared) -> Iterator[None]:
        """Around the writing of one flush, which carries the span's context on if there is one."""
        try:
            if self._tracer is None:
                yield
            else:
                with self._span(self._tracer, lease, prepared):
                    yield
        except LeaseLostError:
            raise
        except Exception:
            self.failures[lease.source] += 1
            raise
        if self._duration is not None:
            self._duration.record(max(0.0, self._clock.now() - prepared.flush.at), {"source": lease.source})

    @contextmanager
    def _span(self, tracer: Tracer, lease: Lease, prepared: Prepared) -> Iterator[None]:
        flush = prepared.flush
        told: Attributes = {
            "taskscope.source": lease.source,
            "taskscope.position": f"{lease.epoch}-{flush.seq}",
            "taskscope.tasks": len(flush.tasks),
            "taskscope.tasks.removed": len(flush.removed),
        }
        # It began when the flush was filled; an idle look that wrote nothing is no span.
        with going_on(tracer, "flush", SpanKind.PRODUCER, told, links=links(prepared), start=flush.at):
            flush.traceparent = written().get("traceparent")
            yield


def duration_of(meter: Meter) -> Histogram:
    """How long flushes take."""
    said = "From the first look at what changed until all of it was written"
    return meter.create_histogram("taskscope.flush.duration", "s", said, explicit_bucket_boundaries_advisory=BUCKETS)


def links(prepared: Prepared) -> list[Link]:
    """To the spans that sent the tasks of the flush, where those are known and were sampled; evenly chosen from too many."""
    drafts = [record.draft for record, _ in prepared.written if record.draft.span_id is not None]
    step = -(-len(drafts) // MAX_LINKS) or 1
    made = []
    for draft in drafts[::step]:
        context = SpanContext(
            int(draft.trace_id or "0", 16), int(draft.span_id or "0", 16), is_remote=True, trace_flags=_SAMPLED
        )
        if context.is_valid:
            made.append(Link(context, {"taskscope.task.id": draft.id}))
    return made


_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

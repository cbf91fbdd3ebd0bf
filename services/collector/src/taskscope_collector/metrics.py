"""What a collector measures of itself. All of it is read when it is collected, by another thread: nothing is counted for it."""

from collections.abc import Callable, Iterable, Iterator
from heapq import nlargest

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from taskscope_shared.model import Source, SourceStatus
from taskscope_shared.providers import Providers

from taskscope_collector.collector import Collector
from taskscope_collector.pipeline import Pipeline

QUEUES = 200
"""Queues of a source with a series of their own: the deepest. The rest is `other`."""
OTHER = "other"

Measure = Callable[[Pipeline], Iterable[Observation]]


def observe(providers: Providers, collector: Collector) -> None:
    """Make all instruments, if they are read. docs/telemetry.md has their names; labels are bounded by the configuration."""
    meter = providers.meter("taskscope_collector")
    if meter is None:
        return

    def reading(measure: Measure) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def look(_: CallbackOptions) -> Iterator[Observation]:
            for pipeline in collector.pipelines:
                yield from measure(pipeline)

        return look

    for name, unit, measure, said in COUNTERS:
        meter.create_observable_counter(name, [reading(measure)], unit, said)
    for name, unit, measure, said in GAUGES:
        meter.create_observable_gauge(name, [reading(measure)], unit, said)
    _observe_failures(meter, collector)


def _observe_failures(meter: Meter, collector: Collector) -> None:
    def look(_: CallbackOptions) -> list[Observation]:
        failures = collector.flush_failures
        return [Observation(failures.get(each.name, 0), {"source": each.name}) for each in collector.pipelines]

    meter.create_observable_counter(
        "taskscope.flush.failures", [look], "{flush}", "Flushes that could not be written; each is tried again"
    )


def _of(value: Callable[[Pipeline], float]) -> Measure:
    """One observation for a source."""
    return lambda pipeline: [Observation(value(pipeline), {"source": pipeline.name})]


def _of_told(value: Callable[[Source], float]) -> Measure:
    return _of(lambda pipeline: value(pipeline.told()))


def _dropped(pipeline: Pipeline) -> list[Observation]:
    """`buffer`: the reducer was behind; `reader`: the reader of the socket was, or the broker cut it."""
    buffered = pipeline.buffer.dropped
    counts = {"buffer": buffered, "reader": pipeline.told().dropped - buffered}
    return [Observation(max(0, count), {"source": pipeline.name, "reason": reason}) for reason, count in counts.items()]


def _status(pipeline: Pipeline) -> list[Observation]:
    """Of the source's holder alone: a standby knows less."""
    if not pipeline.active():
        return []
    now = pipeline.told().status
    return [Observation(int(each is now), {"source": pipeline.name, "status": each.value}) for each in SourceStatus]


def _queues(pipeline: Pipeline) -> list[Observation]:
    """As its broker counts them. Of the holder alone: a standby asks no broker."""
    if not pipeline.active():
        return []
    depths = {queue.name: queue.depth for queue in pipeline.queues() if queue.depth is not None}
    shown = nlargest(QUEUES, depths, key=depths.__getitem__) if len(depths) > QUEUES else list(depths)
    rest = sum(depths.values()) - sum(depths[name] for name in shown)
    found = [Observation(depths[name], {"source": pipeline.name, "queue": name}) for name in shown]
    return [*found, Observation(rest, {"source": pipeline.name, "queue": OTHER})] if len(depths) > QUEUES else found


Instrument = tuple[str, str, Measure, str]
COUNTERS: tuple[Instrument, ...] = (
    ("taskscope.events", "{event}", _of_told(lambda told: told.received), "What came from the broker"),
    ("taskscope.events.dropped", "{event}", _dropped, "Of that, what did not fit and was repaired by asking"),
    ("taskscope.events.undecodable", "{event}", _of_told(lambda told: told.malformed), "Of that, what could not be read"),
)
GAUGES: tuple[Instrument, ...] = (
    ("taskscope.event.lag", "s", _of(lambda p: p.buffer.lag_seconds()), "How long what is reduced next has waited"),
    ("taskscope.buffer.length", "{observation}", _of(lambda p: p.buffer.length), "Observations that wait for the reducer"),
    ("taskscope.buffer.limit", "{observation}", _of(lambda p: p.buffer.limit), "As many fit; what is more is dropped"),
    ("taskscope.lease.held", "1", _of(lambda p: int(p.active())), "1: this collector writes the source, 0: it stands by"),
    ("taskscope.source.status", "1", _status, "1 for the source's status, 0 for the others"),
    ("taskscope.tasks.retained", "{task}", _of_told(lambda told: told.retained), "Tasks that are remembered"),
    ("taskscope.queue.messages", "{message}", _queues, "Messages that wait in a queue"),
)

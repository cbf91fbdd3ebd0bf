"""The canonical order of a task's facts, and which of them say nothing new."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

from taskscope_collector.observations import (
    JobAbandoned,
    JobSeen,
    TaskEvent,
    TaskHeld,
    TaskMissing,
    TaskQueued,
    TaskRedelivered,
    TaskResult,
)
from taskscope_collector.reducer.record import Fact, WorkerDied

RANK = {
    "task-sent": 0,
    "task-received": 1,
    "task-started": 2,
    "task-retried": 3,
    "task-cancelled": 4,
    "task-rejected": 5,
    "task-failed": 6,
    "task-succeeded": 7,
    "task-revoked": 8,
}
"""Order of events of the same moment; other types are none of a task's life."""
FINAL = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED", "RETRY"})
"""Statuses of a result that end a delivery."""

RESTART_SECONDS = 2.0
"""No worker is started again in less; times within one worker are never so far from the order of its clock."""

Timed = TypeVar("Timed", bound=Fact)
_clock = attrgetter("clock")
_at = attrgetter("at")


def ordered_events(facts: Sequence[Fact]) -> list[TaskEvent]:
    """The events in canonical order: by time, but those of one worker process by its clock, which is the truth there.

    Two different orders cannot both be kept by one comparison, so the events are first put in the order of time, and those
    of each process then take their own places in the order of its clock.
    """
    events = [fact for fact in facts if type(fact) is TaskEvent]
    events.sort(key=_event_key)
    if not _are_in_clock_order(events):
        _order_by_clock(events)
    return events


def _are_in_clock_order(events: list[TaskEvent]) -> bool:
    clocks: dict[tuple[str, int], int] = {}
    for event in events:
        if event.clock and event.type != "task-sent":
            worker = (event.hostname, event.pid)
            if event.clock < clocks.get(worker, 0):
                return False
            clocks[worker] = event.clock
    return True


def _order_by_clock(events: list[TaskEvent]) -> None:
    places: dict[tuple[str, int], list[int]] = {}
    for index, event in enumerate(events):
        if event.clock and event.type != "task-sent":
            places.setdefault((event.hostname, event.pid), []).append(index)
    for indices in places.values():
        for life in _lives(events, indices):
            own = sorted((events[index] for index in life), key=_clock)
            for index, event in zip(life, own, strict=True):
                events[index] = event


def _lives(events: list[TaskEvent], indices: list[int]) -> Iterable[list[int]]:
    """One worker's places, parted where its clock began anew: in a container each start has the same name and pid."""
    life = indices[:1]
    for before, index in pairwise(indices):
        if events[index].clock < events[before].clock and events[index].at - events[before].at >= RESTART_SECONDS:
            yield life
            life = []
        life.append(index)
    yield life


def _event_key(event: TaskEvent) -> tuple[float, str, int, int, int]:
    return (event.at, event.hostname, event.pid, event.clock, RANK.get(event.type, 9))


def add(facts: list[Fact], fact: Fact) -> bool:
    """Put `fact` among the others. False when it says nothing that they did not.

    Of observations that are repeated while nothing changes (a worker holds the task, a job's hash was read, progress) the
    latest alone is kept.
    """
    for index, other in enumerate(facts):
        if type(other) is not type(fact) or not _same_subject(other, fact):
            continue
        if type(fact) is TaskEvent or not _is_newer(fact, other):
            return False
        facts[index] = fact
        return True
    facts.append(fact)
    return True


def _is_newer(fact: Fact, other: Fact) -> bool:
    # The text decides between different observations of the same moment, so that the order of arrival does not.
    return fact.at > other.at or (fact.at == other.at and repr(fact) > repr(other))


def by_time(facts: Iterable[Timed]) -> list[Timed]:
    """In the order of time; what is of the same moment, in the order of its text."""
    ordered = sorted(facts, key=_at)
    if any(one.at == other.at for one, other in pairwise(ordered)):
        ordered.sort(key=lambda fact: (fact.at, repr(fact)))
    return ordered


def _same_subject(one: Fact, other: Fact) -> bool:
    match one, other:
        case TaskEvent(), TaskEvent():
            return _same_event(one, other)
        case TaskResult(), TaskResult():
            same = (one.status, one.retries) == (other.status, other.retries)
            return same and (one.status not in FINAL or one.at == other.at)
        case TaskHeld(), TaskHeld():
            same = (one.worker, one.where, one.started_at) == (other.worker, other.where, other.started_at)
            return same and one.retries == other.retries
        case TaskQueued(), TaskQueued():
            return (one.queue, one.retries, one.unacked) == (other.queue, other.retries, other.unacked)
        case WorkerDied(), WorkerDied():
            return (one.worker, one.pid) == (other.worker, other.pid)
        case JobSeen(), JobSeen():
            return False
        case ((TaskMissing() | TaskRedelivered() | JobAbandoned()), _):
            return True
    return one.at == other.at


def _same_event(one: TaskEvent, other: TaskEvent) -> bool:
    if one.type != other.type or one.hostname != other.hostname or one.pid != other.pid:
        return False
    return one.clock == other.clock and _said_at(one) == _said_at(other)


def _said_at(event: TaskEvent) -> float:
    return event.at if event.uncorrected_at is None else event.uncorrected_at

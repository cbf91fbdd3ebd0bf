"""The replica of all sources in memory: what REST and windows read. It is changed by `follower.py` alone."""

import asyncio
from collections.abc import Callable, Iterator
from heapq import merge
from itertools import islice
from typing import Annotated

import msgspec
import numpy as np
from taskscope_shared.model import GROUP_OF, Group, Position, Queue, Source, State, Task, Worker

from taskscope_api.columns import Mask, keep_freed_memory
from taskscope_api.described import Count, says
from taskscope_api.facets import Facets, facets
from taskscope_api.filters import Matcher
from taskscope_api.frame_spans import Arrivals
from taskscope_api.frozen import IN_ORDER, Frozen, FrozenKey
from taskscope_api.held import Held
from taskscope_api.places import Row, first_rows, place_at
from taskscope_api.replica import Replica
from taskscope_api.sorting import Order, Place, Sort


class Page(msgspec.Struct):
    """Rows of a list. `next` is the place of the last row, or None when nothing follows it."""

    tasks: list[Held]
    total: int
    next: Place | None


class GroupCounts(msgspec.Struct):
    """Counts by dashboard group, and how what ended ended.

    `success_rate` is succeeded / (succeeded + failed + rejected + lost), 0 to 1, over the finished tasks that are retained
    (revoked ones are neither); null while there are none. What is retained is bounded by budgets, of which failed and lost
    tasks have their own: for a rate over a period there is `/api/tasks/analytics`.
    """

    total: Annotated[Count, says("All of them")] = 0
    active: Annotated[Count, says("Running")] = 0
    reserved: Annotated[Count, says("With a worker, not started")] = 0
    queued: Annotated[Count, says("Queued, scheduled, deferred or to be retried")] = 0
    finished: Annotated[Count, says("Ended in any way")] = 0
    succeeded: Annotated[Count, says("Succeeded")] = 0
    failed: Annotated[Count, says("Failed")] = 0
    rejected: Annotated[Count, says("Rejected by a worker")] = 0
    lost: Annotated[Count, says("Lost with their worker")] = 0
    success_rate: Annotated[
        float | None, says("succeeded / (succeeded + failed + rejected + lost) of what is retained", 0.98)
    ] = None

    def add(self, state: State, count: int) -> None:
        """Count tasks in a state."""
        self.total += count
        group = GROUP_OF[state]
        if group is Group.ACTIVE:
            self.active += count
        elif group is Group.RESERVED:
            self.reserved += count
        elif group is Group.QUEUED:
            self.queued += count
        else:
            self._end(state, count)

    def _end(self, state: State, count: int) -> None:
        self.finished += count
        if state is State.REVOKED:
            return
        setattr(self, state.value, getattr(self, state.value) + count)
        judged = self.succeeded + self.failed + self.rejected + self.lost
        self.success_rate = self.succeeded / judged if judged else None


COUNTED = {"total": 7, "active": 2, "reserved": 0, "queued": 1, "finished": 4, "succeeded": 3, "failed": 1} | {
    "rejected": 0,
    "lost": 0,
    "success_rate": 0.75,
}
"""An example of `GroupCounts`."""


class Summary(GroupCounts, kw_only=True):
    """SUMMARY of docs/architecture.md. `broker_queued`: messages that the brokers count, None where none tells."""

    revoked: Annotated[Count, says("Revoked")] = 0
    retrying: Annotated[Count, says("To be tried again")] = 0
    scheduled: Annotated[Count, says("For later")] = 0
    by_kind: Annotated[
        dict[str, GroupCounts],
        says("Kind: its counts", {"vod": COUNTED}),
    ] = {}
    broker_queued: Annotated[int | None, says("Messages that the brokers count; null where none tells", 120)] = None


NAMED_STATES = (State.REVOKED, State.RETRYING, State.SCHEDULED)
"""What a summary counts beyond `GroupCounts`."""


class LiveView:
    """All sources' replicas. `on_change(urgent)` is called after a change; `stale` says why a source may be behind."""

    def __init__(self) -> None:
        keep_freed_memory()
        self.replicas: dict[str, Replica] = {}
        self.stale: dict[str, str] = {}
        self.store_lost = False
        self.changes = 0
        self.secondary = 0
        self.arrivals = Arrivals()
        self._listeners: list[Callable[[bool], None]] = []

    # --------------------------------------------------------------------------------------------------------- changes

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call `listener` after each change, with whether tasks changed."""
        self._listeners.append(listener)

    def changed(self, *, tasks: bool) -> None:
        """Tell the listeners; `tasks` is false when only workers, queues or health changed."""
        if tasks:
            self.changes += 1
        else:
            self.secondary += 1
        for listener in self._listeners:
            listener(tasks)

    async def install(self, replica: Replica) -> None:
        """Show this replica instead of what there was of its source."""
        held = self.replicas.get(replica.source)
        for word in [] if held is None else held.texts.words():
            for _ in replica.texts.judge(word, np.flatnonzero(replica.columns.living), replica.columns.capacity):
                await asyncio.sleep(0)
        self.replicas[replica.source] = replica
        self.secondary += 1
        self.changed(tasks=True)

    def forget(self, source: str) -> None:
        """Stop showing a source that is not there any more."""
        self.stale.pop(source, None)
        if self.replicas.pop(source, None) is not None:
            self.changed(tasks=True)

    def mark(self, source: str, reason: str | None) -> None:
        """Say why a source may be behind (None: it is not)."""
        if self.stale.get(source) == reason:
            return
        if reason is None:
            self.stale.pop(source, None)
        else:
            self.stale[source] = reason
        self.changed(tasks=False)

    async def prepare(self, matcher: Matcher, leaving_out: frozenset[str] = frozenset()) -> None:
        """Search the texts for the filter's words without blocking others, so that reading by it does not take long.

        `leaving_out` these fields of the filter, as facets do (which leave out the source, too).
        """
        if not matcher.words:
            return
        for name, replica in list(self.replicas.items()):
            if matcher.source(name) or (leaving_out and matcher.scoped(name)):
                for _ in matcher.judge(replica, leaving_out):
                    await asyncio.sleep(0)

    def mark_store(self, *, lost: bool) -> None:
        """Say whether the store cannot be asked for sources."""
        if lost != self.store_lost:
            self.store_lost = lost
            self.changed(tasks=False)

    # ----------------------------------------------------------------------------------------------------------- tasks

    def wanted(self, matcher: Matcher) -> list[Replica]:
        """The replicas of the sources that are wanted and within the scope."""
        return [replica for name, replica in sorted(self.replicas.items()) if matcher.source(name)]

    def is_stale(self, matcher: Matcher) -> bool:
        """Whether any wanted source may be behind, or there may be sources that are not known."""
        return self.store_lost or any(matcher.source(name) for name in self.stale)

    def is_behind(self, source: str) -> bool:
        """Whether what is known of one source may be behind."""
        return self.store_lost or source in self.stale

    def position(self, scope: Callable[[str], bool]) -> dict[str, tuple[str, Position]]:
        """Incarnation and position of each source in scope: what a token holds."""
        return {name: (replica.incarnation, replica.position) for name, replica in self.replicas.items() if scope(name)}

    def page(self, matcher: Matcher, sort: Sort, limit: int, after: Place | None = None, offset: int = 0) -> Page:
        """The first `limit` tasks that match, in the order of `sort`, behind the place `after`, or the first `offset`."""
        replicas = self.wanted(matcher)
        order = Order(sort, [replica.columns for replica in replicas])
        parts = [(replica, matcher.rows(replica)) for replica in replicas]
        total = sum(len(rows) for _, rows in parts)
        if offset:
            after = place_at(parts, order, offset - 1)
            parts = [] if after is None else parts
        found = list[Row]()
        for replica, rows in parts:
            found += first_rows(replica, order, rows, limit + 1, after)
        found.sort(key=IN_ORDER)
        last = order.place(*found[limit - 1][:3]) if len(found) > limit else None
        return Page([held for *_, held in found[:limit]], total, last)

    def each(self, matcher: Matcher, sort: Sort, size: int) -> Iterator[list[Held]]:
        """All tasks that match now, `size` at a time, in the order of `sort`; the view may change between two steps.

        Which, and in which order, is decided at the call (32 bytes a task are kept); each is as it is when its turn comes,
        and left out when it is gone or does not match any more.
        """
        replicas = self.wanted(matcher)
        order = Order(sort, [replica.columns for replica in replicas])
        parts = [Frozen(replica, order, matcher.rows(replica)) for replica in replicas]
        return self._each(matcher, merge(*(part.keys() for part in parts), key=IN_ORDER), size)

    def _each(self, matcher: Matcher, keys: Iterator[FrozenKey], size: int) -> Iterator[list[Held]]:
        seen: dict[str, tuple[tuple[int, int], Mask]] = {}
        while step := list(islice(keys, size)):
            for name, replica in self.replicas.items():
                state = id(replica), replica.changes
                if name not in seen or seen[name][0] != state:
                    seen[name] = state, replica.columns.mask(matcher.rows(replica))
            yield [held for *_, source, id_ in step if (held := self._held(source, id_)) and seen[source][1][held.row]]

    def _held(self, source: str, id_: str) -> Held | None:
        replica = self.replicas.get(source)
        return None if replica is None else replica.tasks.get(id_)

    def facets(self, matcher: Matcher, limit: int) -> Facets:
        """How many tasks have which values, at most `limit` values of each field."""
        replicas = [replica for name, replica in sorted(self.replicas.items()) if matcher.scoped(name)]
        return facets(matcher, replicas, limit, stale=self.is_stale(matcher))

    def find(self, id_: str, scope: Callable[[str], bool]) -> list[Task]:
        """The tasks of that id, one for each source that has it."""
        found = (replica.tasks.get(id_) for name, replica in sorted(self.replicas.items()) if scope(name))
        return [task.task() for task in found if task is not None]

    # ---------------------------------------------------------------------------------------------------------- counts

    def summary(self, matcher: Matcher) -> Summary:
        """Counts over the wanted sources and kinds; `by_kind` has every kind of those sources."""
        states = dict.fromkeys(State, 0)
        by_kind: dict[str, GroupCounts] = {}
        replicas = self.wanted(matcher)
        for replica in replicas:
            for kind, counts in replica.counts.items():
                of_kind = by_kind.setdefault(kind, GroupCounts())
                for state, count in counts.items():
                    of_kind.add(state, count)
                    if matcher.kind(kind):
                        states[state] += count
        groups = GroupCounts()
        for state, count in states.items():
            groups.add(state, count)
        return Summary(
            **msgspec.structs.asdict(groups),
            **{state.value: states[state] for state in NAMED_STATES},
            by_kind=by_kind,
            broker_queued=_depth(replicas) if matcher.any_kind else None,
        )

    def kinds(self, scope: Callable[[str], bool]) -> list[str]:
        """Configured kinds in the collectors' order, those that were only seen, and `other` at the end."""
        ordered: dict[str, None] = {}
        for name, replica in sorted(self.replicas.items()):
            if scope(name) and replica.health is not None:
                ordered.update(dict.fromkeys(replica.health.kinds))
        for name, replica in sorted(self.replicas.items()):
            if scope(name):
                ordered.update(dict.fromkeys(sorted(replica.counts)))
        ordered.pop("other", None)
        return [*ordered, "other"]

    # ---------------------------------------------------------------------------------------------------- the remainder

    def workers(self, scope: Callable[[str], bool]) -> dict[str, Worker]:
        """Key -> worker, of the sources in scope."""
        return {f"{n}/{w}": worker for n, r in self.replicas.items() if scope(n) for w, worker in r.workers.items()}

    def queues(self, scope: Callable[[str], bool]) -> dict[str, Queue]:
        """Key -> queue, of the sources in scope."""
        return {f"{n}/{q}": queue for n, r in self.replicas.items() if scope(n) for q, queue in r.queues.items()}

    def sources(self, scope: Callable[[str], bool]) -> dict[str, Source]:
        """Name -> health, of the sources in scope that told it."""
        return {n: r.health for n, r in sorted(self.replicas.items()) if scope(n) and r.health is not None}


def _depth(replicas: list[Replica]) -> int | None:
    depths = [queue.depth for replica in replicas for queue in replica.queues.values() if queue.depth is not None]
    return sum(depths) if depths else None

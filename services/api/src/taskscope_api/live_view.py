"""The replica of all sources in memory: what REST and windows read. It is changed by `follower.py` alone."""

import asyncio
from collections.abc import Callable, Iterator
from heapq import merge, nsmallest
from itertools import groupby, islice
from operator import itemgetter
from typing import Annotated

import msgspec
from taskscope_shared.model import GROUP_OF, Group, Position, Queue, Source, State, Task, Worker

from taskscope_api.described import Count, says
from taskscope_api.filters import Matcher
from taskscope_api.held import Cohort, Held
from taskscope_api.replica import BY_UPDATE, Replica
from taskscope_api.sorting import CohortKey, Inner, Sort, Value, value_of

SCATTERED = 5000
"""Up to so many tasks of the wanted workers are gathered and sorted; more are found by reading in order."""

Rank = tuple[int, str]
Row = tuple[float, str, Held]
"""The value sorted by, the task's key and the task: rows of one rank are in ascending order."""


class Place(msgspec.Struct, frozen=True):
    """Where a row stands in a sort: what a cursor holds."""

    rank: Rank
    value: float
    key: str


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


class Summary(GroupCounts, kw_only=True):
    """SUMMARY of docs/architecture.md. `broker_queued`: messages that the brokers count, None where none tells."""

    revoked: Annotated[Count, says("Revoked")] = 0
    retrying: Annotated[Count, says("To be tried again")] = 0
    scheduled: Annotated[Count, says("For later")] = 0
    by_kind: Annotated[
        dict[str, GroupCounts],
        says("Kind: its counts", {"vod": {"total": 7, "active": 2, "reserved": 0, "queued": 1, "finished": 4}}),
    ] = {}
    broker_queued: Annotated[int | None, says("Messages that the brokers count; null where none tells", 120)] = None


NAMED_STATES = (State.REVOKED, State.RETRYING, State.SCHEDULED)
"""What a summary counts beyond `GroupCounts`."""


class LiveView:
    """All sources' replicas. `on_change(urgent)` is called after a change; `stale` says why a source may be behind."""

    def __init__(self) -> None:
        self.replicas: dict[str, Replica] = {}
        self.stale: dict[str, str] = {}
        self.store_lost = False
        self.touched: set[CohortKey] = set()
        self.resets = 0
        self.secondary = 0
        self._listeners: list[Callable[[bool], None]] = []
        self._orders: dict[Inner, asyncio.Future[None]] = {}
        self._used: set[Inner] = set()

    # --------------------------------------------------------------------------------------------------------- changes

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call `listener` after each change, with whether tasks changed."""
        self._listeners.append(listener)

    def changed(self, *, tasks: bool) -> None:
        """Tell the listeners; `tasks` is false when only workers, queues or health changed."""
        if not tasks:
            self.secondary += 1
        for listener in self._listeners:
            listener(tasks)

    def new_replica(self, source: str) -> Replica:
        """An empty replica that is not shown before `install`."""
        return Replica(source, self.touched.add, [BY_UPDATE, *self._orders])

    async def install(self, replica: Replica) -> None:
        """Show this replica instead of what there was of its source."""
        for inner in self._orders.keys() - set(replica.kept):
            await _keep(replica, inner)
        self.replicas[replica.source] = replica
        self.resets += 1
        self.secondary += 1
        self.changed(tasks=True)

    def forget(self, source: str) -> None:
        """Stop showing a source that is not there any more."""
        self.stale.pop(source, None)
        if self.replicas.pop(source, None) is not None:
            self.resets += 1
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

    async def prepare(self, sort: Sort) -> None:
        """See to it that `page` can read by this sort; the first time this takes some 5 µs a task, without blocking others."""
        inner = sort.inner
        self._used.add(inner)
        if inner == BY_UPDATE:
            return
        if inner not in self._orders:
            self._orders[inner] = asyncio.ensure_future(self._keep_everywhere(inner))
        await asyncio.shield(self._orders[inner])

    def use(self, sort: Sort) -> None:
        """Say that somebody still reads by this sort."""
        self._used.add(sort.inner)

    def drop_unused(self) -> None:
        """Forget the orders that nobody read by since the last call: each costs some 100 bytes a task."""
        for inner in [inner for inner, made in self._orders.items() if inner not in self._used and made.done()]:
            del self._orders[inner]
            for replica in self.replicas.values():
                replica.drop(inner)
        self._used.clear()

    async def _keep_everywhere(self, inner: Inner) -> None:
        for replica in list(self.replicas.values()):
            await _keep(replica, inner)

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

    def position(self, scope: Callable[[str], bool]) -> dict[str, tuple[str, Position]]:
        """Incarnation and position of each source in scope: what a token holds."""
        return {name: (replica.incarnation, replica.position) for name, replica in self.replicas.items() if scope(name)}

    def page(self, matcher: Matcher, sort: Sort, limit: int, after: Place | None = None) -> Page:
        """The first `limit` tasks that match, in the order of `sort` (which was prepared), behind the place `after`."""
        self._used.add(sort.inner)
        cohorts = [
            (replica, cohort)
            for replica in self.wanted(matcher)
            for key, cohort in replica.cohorts.items()
            if matcher.cohort(key)
        ]
        if not matcher.workers:
            total = sum(cohort.size for _, cohort in cohorts)
            rows: Iterator[tuple[Rank, Row]] = _rows(cohorts, sort, after)
        else:
            total = sum(len(ids) for replica, cohort in cohorts for ids in _of_workers(replica, cohort, matcher))
            rows = _workers_rows(cohorts, matcher, sort, limit, total, after)
        return _cut(rows, total, limit)

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


async def _keep(replica: Replica, inner: Inner) -> None:
    if inner not in replica.kept:
        for _ in replica.keep(inner):
            await asyncio.sleep(0)


def _rows(cohorts: list[tuple[Replica, Cohort]], sort: Sort, after: Place | None) -> Iterator[tuple[Rank, Row]]:
    ranked = sorted(
        ((sort.rank(cohort.key), index) for index, (_, cohort) in enumerate(cohorts)),
        reverse=sort.descending and sort.shared is not None,
    )
    for rank, group in groupby(ranked, key=itemgetter(0)):
        if after is not None and _precedes(rank, after.rank, sort):
            continue
        place = after if after is not None and after.rank == rank else None
        start = None if place is None else place.value
        merged = merge(*(cohorts[index][0].read(cohorts[index][1], sort.inner, start) for _, index in group))
        for row in merged:
            if place is None or (row[0], row[1]) > (place.value, place.key):
                yield rank, row


def _precedes(rank: Rank, other: Rank, sort: Sort) -> bool:
    return rank > other if sort.descending and sort.shared is not None else rank < other


def _of_workers(replica: Replica, cohort: Cohort, matcher: Matcher) -> Iterator[set[str]]:
    for worker in matcher.workers:
        ids = replica.ids_of(worker, cohort.key)
        if ids:
            yield ids


def _workers_rows(
    cohorts: list[tuple[Replica, Cohort]], matcher: Matcher, sort: Sort, limit: int, total: int, after: Place | None
) -> Iterator[tuple[Rank, Row]]:
    if total > SCATTERED:
        return (found for found in _rows(cohorts, sort, after) if found[1][2].worker in matcher.workers)
    value = value_of(sort.inner)
    backwards = sort.descending and sort.shared is not None
    ranks = sorted({sort.rank(cohort.key) for _, cohort in cohorts}, reverse=backwards)
    places = {rank: index for index, rank in enumerate(ranks)}
    gathered = _gathered(cohorts, matcher, value, lambda key: places[sort.rank(key)])
    if after is not None:
        gone = sum(_precedes(rank, after.rank, sort) for rank in ranks) - 0.5  # between its neighbours
        behind = (places.get(after.rank, gone), after.value, after.key)
        gathered = (row for row in gathered if row[:3] > behind)
    return ((ranks[place], (number, key, task)) for place, number, key, task in nsmallest(limit + 1, gathered))


def _gathered(
    cohorts: list[tuple[Replica, Cohort]], matcher: Matcher, value: Value, place: Callable[[CohortKey], int]
) -> Iterator[tuple[int, float, str, Held]]:
    for replica, cohort in cohorts:
        tasks, prefix, here = replica.tasks, replica.source + "/", place(cohort.key)
        for ids in _of_workers(replica, cohort, matcher):
            for id_ in ids:
                task = tasks[id_]
                yield here, value(task), prefix + id_, task


def _cut(rows: Iterator[tuple[Rank, Row]], total: int, limit: int) -> Page:
    shown = list(islice(rows, limit + 1))
    last = None
    if len(shown) > limit:
        rank, (value, key, _) = shown[limit - 1]
        last = Place(rank, value, key)
    return Page([row[2] for _, row in shown[:limit]], total, last)


def _depth(replicas: list[Replica]) -> int | None:
    depths = [queue.depth for replica in replicas for queue in replica.queues.values() if queue.depth is not None]
    return sum(depths) if depths else None

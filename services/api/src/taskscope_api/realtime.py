"""The body of `/api/tasks/realtime`: what is going on now, and what ended last."""

from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import Annotated, TypeVar

import msgspec
from taskscope_shared.model import GROUP_OF, Group, Queue, Worker, WorkerState

from taskscope_api import cursors
from taskscope_api.described import Count, Stale, Time, says
from taskscope_api.filters import Filter, Matcher
from taskscope_api.live_view import Summary
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, sort_named
from taskscope_api.wire import QueueRow, SourceRow, TaskRow, WorkerRow, queue_row, source_row, task_row, time_text, worker_row

LIVE_ROWS = 200
FINISHED_ROWS = 50
WORKER_ROWS = 500
QUEUE_ROWS = 500
"""`/api/workers` and `/api/queues` have them all, by pages."""
Row = TypeVar("Row")
LIVE_STATES = tuple(state for state, group in GROUP_OF.items() if group is not Group.FINISHED)


class Realtime(msgspec.Struct):
    """The body of `/api/tasks/realtime`.

    `summary` counts what is retained; `tasks` are those that did not end, running ones first, at most 200, with their
    progress; `finished` are the newest 50 that did.
    """

    at: Annotated[Time, says("The api's clock")]
    stale: Stale
    position: Annotated[str, says("Where this stands: hand it to the WebSocket as `since`", "kwGQwA")]
    summary: Annotated[Summary, says("Counts over all tasks of the kind and source")]
    tasks: Annotated[list[TaskRow], says("Tasks that did not finish, running ones first; at most 200")]
    finished: Annotated[list[TaskRow], says("The newest 50 that finished")]
    workers: Annotated[list[WorkerRow], says("Workers of the source, by key; of more than 500 those that are online first")]
    workers_total: Annotated[Count, says("How many there are", 3)]
    queues: Annotated[list[QueueRow], says("Its queues, by key; of more than 500 the deepest")]
    queues_total: Annotated[Count, says("How many there are", 5)]
    sources: Annotated[list[SourceRow], says("The sources themselves")]


def realtime_body(services: Services, wanted: Filter, scope: frozenset[str] | None) -> Realtime:
    """The body for the kinds and sources of `wanted`; its other fields do not matter."""
    live = services.live
    matcher = Matcher(wanted, scope)
    unfinished = Matcher(Filter(kind=wanted.kind, source=wanted.source, state=LIVE_STATES), scope)
    finished = Matcher(Filter(kind=wanted.kind, source=wanted.source, group=(Group.FINISHED,)), scope)
    sort = sort_named(DEFAULT_SORT)
    workers, queues = live.workers(matcher.source), live.queues(matcher.source)
    return Realtime(
        at=time_text(services.clock.now()) or "",
        stale=live.is_stale(matcher),
        position=cursors.token(live.position(matcher.source)),
        summary=live.summary(matcher),
        tasks=[task_row(task.task()) for task in live.page(unfinished, sort_named("live"), LIVE_ROWS).tasks],
        finished=[task_row(task.task()) for task in live.page(finished, sort, FINISHED_ROWS).tasks],
        workers=[worker_row(worker) for worker in _chosen(workers, WORKER_ROWS, _is_away)],
        workers_total=len(workers),
        queues=[queue_row(queue) for queue in _chosen(queues, QUEUE_ROWS, _not_deep)],
        queues_total=len(queues),
        sources=[source_row(source, live.stale.get(name)) for name, source in live.sources(matcher.source).items()],
    )


def _chosen(rows: Mapping[str, Row], most: int, rank: Callable[[Row], int]) -> list[Row]:
    """The rows by key; of more than `most` those of the lowest ranks."""
    keys = rows if len(rows) <= most else nsmallest(most, rows, key=lambda key: (rank(rows[key]), key))
    return [rows[key] for key in sorted(keys)]


def _is_away(worker: Worker) -> int:
    return worker.state is not WorkerState.ONLINE


def _not_deep(queue: Queue) -> int:
    return -(queue.depth or 0)

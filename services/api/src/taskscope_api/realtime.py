"""The body of `/api/tasks/realtime`: what is going on now, and what ended last."""

import msgspec
from taskscope_shared.model import GROUP_OF, Group

from taskscope_api import cursors
from taskscope_api.filters import Filter, Matcher
from taskscope_api.live_view import Summary
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, sort_named
from taskscope_api.wire import QueueRow, SourceRow, TaskRow, WorkerRow, queue_row, source_row, task_row, time_text, worker_row

LIVE_ROWS = 200
FINISHED_ROWS = 50
LIVE_STATES = tuple(state for state, group in GROUP_OF.items() if group is not Group.FINISHED)


class Realtime(msgspec.Struct):
    """The body of `/api/tasks/realtime`.

    `summary` counts what is retained; `tasks` are those that did not end, running ones first, at most 200, with their
    progress; `finished` are the newest 50 that did.
    """

    at: str
    stale: bool
    position: str
    summary: Summary
    tasks: list[TaskRow]
    finished: list[TaskRow]
    workers: list[WorkerRow]
    queues: list[QueueRow]
    sources: list[SourceRow]


def realtime_body(services: Services, wanted: Filter, scope: frozenset[str] | None) -> Realtime:
    """The body for the kinds and sources of `wanted`; its other fields do not matter."""
    live = services.live
    matcher = Matcher(wanted, scope)
    unfinished = Matcher(Filter(kind=wanted.kind, source=wanted.source, state=LIVE_STATES), scope)
    finished = Matcher(Filter(kind=wanted.kind, source=wanted.source, group=(Group.FINISHED,)), scope)
    sort = sort_named(DEFAULT_SORT)
    return Realtime(
        at=time_text(services.clock.now()) or "",
        stale=live.is_stale(matcher),
        position=cursors.token(live.position(matcher.source)),
        summary=live.summary(matcher),
        tasks=[task_row(task.task()) for task in live.page(unfinished, sort_named("live"), LIVE_ROWS).tasks],
        finished=[task_row(task.task()) for task in live.page(finished, sort, FINISHED_ROWS).tasks],
        workers=[worker_row(worker) for worker in live.workers(matcher.source).values()],
        queues=[queue_row(queue) for queue in live.queues(matcher.source).values()],
        sources=[source_row(source, live.stale.get(name)) for name, source in live.sources(matcher.source).items()],
    )

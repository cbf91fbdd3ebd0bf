"""The body of `/api/tasks/realtime`: what is going on now, and what ended last."""

from typing import Annotated

import msgspec
from taskscope_shared.model import GROUP_OF, Group

from taskscope_api import cursors
from taskscope_api.described import Stale, Time, says
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

    at: Annotated[Time, says("The api's clock")]
    stale: Stale
    position: Annotated[str, says("Where this stands: hand it to the WebSocket as `since`", "kwGQwA")]
    summary: Annotated[Summary, says("Counts over all tasks of the kind and source")]
    tasks: Annotated[list[TaskRow], says("Tasks that did not finish, running ones first; at most 200")]
    finished: Annotated[list[TaskRow], says("The newest 50 that finished")]
    workers: Annotated[list[WorkerRow], says("All workers of the source")]
    queues: Annotated[list[QueueRow], says("All its queues")]
    sources: Annotated[list[SourceRow], says("The sources themselves")]


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

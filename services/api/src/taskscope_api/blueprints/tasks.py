"""Tasks: the realtime page's body, lists and single ones."""

from http import HTTPStatus

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import GROUP_OF, Group, Task

from taskscope_api import cursors
from taskscope_api.answers import answer
from taskscope_api.errors import ApiError, Problem
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import DEFAULT_PAGE, NoQuery, RealtimeQuery, TaskQuery, TasksQuery, limit_of, parameters, single
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, sort_named
from taskscope_api.wire import (
    Realtime,
    TaskDetail,
    TaskList,
    queue_row,
    source_row,
    task_detail,
    task_row,
    time_text,
    worker_row,
)

LIVE_ROWS = 200
FINISHED_ROWS = 50
LIVE_STATES = tuple(state for state, group in GROUP_OF.items() if group is not Group.FINISHED)


def tasks_blueprint(services: Services) -> Blueprint:
    """`/api/tasks...`."""
    blueprint = Blueprint("tasks", __name__)
    live = services.live

    @blueprint.get("/api/tasks/realtime")
    @requires(Role.VIEWER, services.access)
    @document_querystring(RealtimeQuery)
    @document_response(Realtime)
    @document_response(Problem, 400)
    async def realtime() -> Response:
        """What the realtime page shows: summary, live tasks, newest finished ones, workers, queues and sources."""
        wanted = filter_of(parameters(RealtimeQuery))
        return answer(realtime_body(services, wanted, principal().sources))

    @blueprint.get("/api/tasks")
    @requires(Role.VIEWER, services.access)
    @document_querystring(TasksQuery)
    @document_response(TaskList)
    @document_response(Problem, 400)
    async def tasks() -> Response:
        """A page of the tasks that match the filter. `total` counts all that match."""
        given = parameters(TasksQuery)
        sort = sort_named(single(given, "sort") or DEFAULT_SORT)
        cursor = single(given, "cursor")
        after = None if cursor is None else cursors.place_of(cursor, sort.name)
        matcher = Matcher(filter_of(given), principal().sources)
        await live.prepare(sort)
        page = live.page(matcher, sort, limit_of(given, DEFAULT_PAGE), after)
        following = None if page.next is None else cursors.cursor(sort.name, page.next)
        return answer(TaskList([task_row(task.task()) for task in page.tasks], following, page.total))

    @blueprint.get("/api/tasks/<task_id>")
    @requires(Role.VIEWER, services.access)
    @document_querystring(TaskQuery)
    @document_response(TaskDetail)
    @document_response(Problem, 404)
    @document_response(Problem, 409)
    async def task(task_id: str) -> Response:
        """One task with all that is kept. 409 when several sources have that id: the problem names them, `source` picks one."""
        source = single(parameters(TaskQuery), "source")
        found = [one for one in live.find(task_id, principal().may_see) if source in (None, one.source)]
        return answer(task_detail(_only(found, task_id)))

    @blueprint.get("/api/tasks/<string:source>/<path:task_id>")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(TaskDetail)
    @document_response(Problem, 404)
    async def task_of_source(source: str, task_id: str) -> Response:
        """One task of one source, with all that is kept."""
        parameters(NoQuery)
        found = [one for one in live.find(task_id, principal().may_see) if one.source == source]
        return answer(task_detail(_only(found, task_id)))

    return blueprint


def realtime_body(services: Services, wanted: Filter, scope: frozenset[str] | None) -> Realtime:
    """The body of `/api/tasks/realtime`."""
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


def _only(found: list[Task], task_id: str) -> Task:
    if not found:
        raise ApiError(HTTPStatus.NOT_FOUND, "unknown-task", f"no task {task_id[:200]!r} is retained")
    if len(found) > 1:
        sources = [task.source for task in found]
        raise ApiError(
            HTTPStatus.CONFLICT,
            "ambiguous-task",
            f"several sources have a task {task_id[:200]!r}: say ?source= with one of {', '.join(sources)}",
            field="source",
            sources=sources,
        )
    return found[0]

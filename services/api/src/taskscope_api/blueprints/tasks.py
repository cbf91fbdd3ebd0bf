"""Tasks: the realtime page's body, lists and single ones."""

from http import HTTPStatus

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import Task

from taskscope_api.answers import answer
from taskscope_api.details import TaskDetail, task_detail
from taskscope_api.errors import ApiError, Problem
from taskscope_api.facets import LEFT_OUT, Facets
from taskscope_api.filters import Matcher, filter_of
from taskscope_api.listing import tasks_answer
from taskscope_api.openapi import also_as
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import (
    DEFAULT_PAGE,
    FacetsQuery,
    NoQuery,
    RealtimeQuery,
    TaskQuery,
    TasksQuery,
    limit_of,
    parameters,
    single,
)
from taskscope_api.realtime import Realtime, realtime_body
from taskscope_api.relatives import relatives_of
from taskscope_api.services import Services
from taskscope_api.wire import TaskList


def tasks_blueprint(services: Services) -> Blueprint:
    """`/api/tasks...`."""
    blueprint = Blueprint("tasks", __name__)
    live = services.live

    @blueprint.get("/api/tasks/realtime")
    @requires(Role.VIEWER, services.access)
    @services.kept
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
    @also_as("text/csv", "key,id,state\r\narchivist/6f1d2c,6f1d2c,running\r\n")
    @also_as("application/x-ndjson", '{"key":"archivist/6f1d2c","id":"6f1d2c","state":"running"}\n')
    @document_response(Problem, 400)
    @document_response(Problem, 406)
    @document_response(Problem, 429)
    async def tasks() -> Response:
        """A page of the tasks that match the filter. `total` counts all that match.

        With `format` csv or ndjson, or such an Accept header: all of them as a file, without pages.
        """
        return await tasks_answer(services, parameters(TasksQuery), principal().sources)

    @blueprint.get("/api/tasks/facets")
    @requires(Role.VIEWER, services.access)
    @document_querystring(FacetsQuery)
    @document_response(Facets)
    @document_response(Problem, 400)
    async def facets() -> Response:
        """How the tasks of a filter are spread over states, kinds, names, queues, workers and sources.

        Each field is counted without the filter's values of that same field. The most frequent values are listed (`limit`);
        `others` sums the tasks of those that are not.
        """
        given = parameters(FacetsQuery)
        matcher = Matcher(filter_of(given), principal().sources)
        await live.prepare(matcher, LEFT_OUT)
        return answer(live.facets(matcher, limit_of(given, DEFAULT_PAGE)))

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
        return answer(await _detail(services, _only(found, task_id)))

    @blueprint.get("/api/tasks/<string:source>/<path:task_id>")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(TaskDetail)
    @document_response(Problem, 404)
    async def task_of_source(source: str, task_id: str) -> Response:
        """One task of one source, with all that is kept."""
        parameters(NoQuery)
        found = [one for one in live.find(task_id, principal().may_see) if one.source == source]
        return answer(await _detail(services, _only(found, task_id)))

    return blueprint


async def _detail(services: Services, task: Task) -> TaskDetail:
    place = await services.asking.place(task)
    relatives, stale = relatives_of(services.live, task), services.live.is_behind(task.source)
    return task_detail(task, place, relatives, stale=stale, trace_url=services.trace_url)


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

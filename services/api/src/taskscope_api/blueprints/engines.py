"""What one engine runs: the lists of `/api/tasks` and `/api/workers` with the engine fixed."""

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import Engine

from taskscope_api.answers import answer
from taskscope_api.blueprints.cluster import worker_list
from taskscope_api.engine_lists import EngineTasks, EngineTasksQuery, EngineWorkersQuery, engine_tasks
from taskscope_api.errors import Problem
from taskscope_api.openapi import also_as
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import parameters
from taskscope_api.services import Services
from taskscope_api.wire import WorkerList

CSV = "key,id,state\r\narchivist/6f1d2c,6f1d2c,running\r\n"
NDJSON = '{"key":"archivist/6f1d2c","id":"6f1d2c","state":"running"}\n'


def engines_blueprint(services: Services) -> Blueprint:
    """`/api/celery/...` and `/api/rq/...`."""
    blueprint = Blueprint("engines", __name__)
    live = services.live

    @blueprint.get("/api/celery/tasks")
    @requires(Role.VIEWER, services.access)
    @document_querystring(EngineTasksQuery)
    @document_response(EngineTasks)
    @also_as("text/csv", CSV)
    @also_as("application/x-ndjson", NDJSON)
    @document_response(Problem, 400)
    @document_response(Problem, 406)
    @document_response(Problem, 429)
    async def celery_tasks() -> Response:
        """Celery's tasks: a page as `/api/tasks` gives it, with what goes on now and what ended last.

        With `format` csv or ndjson, or such an Accept header: all that match as a file, without pages.
        """
        return await engine_tasks(services, parameters(EngineTasksQuery), principal().sources, Engine.CELERY)

    @blueprint.get("/api/rq/jobs")
    @requires(Role.VIEWER, services.access)
    @document_querystring(EngineTasksQuery)
    @document_response(EngineTasks)
    @also_as("text/csv", CSV)
    @also_as("application/x-ndjson", NDJSON)
    @document_response(Problem, 400)
    @document_response(Problem, 406)
    @document_response(Problem, 429)
    async def rq_jobs() -> Response:
        """RQ's jobs: a page as `/api/tasks` gives it, with what goes on now and what ended last.

        With `format` csv or ndjson, or such an Accept header: all that match as a file, without pages.
        """
        return await engine_tasks(services, parameters(EngineTasksQuery), principal().sources, Engine.RQ)

    @blueprint.get("/api/celery/workers")
    @requires(Role.VIEWER, services.access)
    @document_querystring(EngineWorkersQuery)
    @document_response(WorkerList)
    @document_response(Problem, 400)
    async def celery_workers() -> Response:
        """Celery's workers that match."""
        return answer(worker_list(live, parameters(EngineWorkersQuery), principal().sources, Engine.CELERY))

    @blueprint.get("/api/rq/workers")
    @requires(Role.VIEWER, services.access)
    @document_querystring(EngineWorkersQuery)
    @document_response(WorkerList)
    @document_response(Problem, 400)
    async def rq_workers() -> Response:
        """RQ's workers that match."""
        return answer(worker_list(live, parameters(EngineWorkersQuery), principal().sources, Engine.RQ))

    return blueprint

"""`/api/tasks/analytics`: docs/analytics.md."""

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.store import Reader

from taskscope_api.analytics.desk import Desk
from taskscope_api.analytics.question import question
from taskscope_api.analytics.rows import Analytics, AnalyticsQuery
from taskscope_api.answers import answer
from taskscope_api.errors import Problem
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import parameters
from taskscope_api.services import Services

STALE_HEADER = "X-Taskscope-Stale"


def analytics_blueprint(services: Services, reader: Reader) -> Blueprint:
    """Analytics over the rollups that `reader` reads."""
    blueprint = Blueprint("analytics", __name__)
    desk = Desk(reader, services.live, services.fleet, services.clock)
    blueprint.after_app_serving(desk.close)

    @blueprint.get("/api/tasks/analytics")
    @requires(Role.VIEWER, services.access)
    @document_querystring(AnalyticsQuery)
    @document_response(Analytics)
    @document_response(Problem, 503)
    async def analytics() -> Response:
        """What ended in a window: rates, durations, series and trends, by name, kind, queue, worker or source."""
        asked = question(parameters(AnalyticsQuery), services.clock.now())
        found = await desk.answer(asked, principal().sources)
        response = answer(found)
        if found.stale:
            response.headers[STALE_HEADER] = "true"
        return response

    return blueprint

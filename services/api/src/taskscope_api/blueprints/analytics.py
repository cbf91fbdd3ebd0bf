"""`/api/tasks/analytics`: docs/analytics.md."""

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.store import Reader

from taskscope_api.analytics.desk import Desk
from taskscope_api.analytics.failures import FailureIndex, Failures
from taskscope_api.analytics.question import failing, question
from taskscope_api.analytics.rows import Analytics, AnalyticsQuery, FailuresQuery
from taskscope_api.answers import KEPT, answer
from taskscope_api.errors import Problem
from taskscope_api.export_analytics import export_analytics, export_failures, table_asked
from taskscope_api.export_rows import Format
from taskscope_api.exports import format_asked
from taskscope_api.filters import filter_of
from taskscope_api.openapi import also_as
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import parameters
from taskscope_api.services import Services

FILTERS = ("kind", "name", "queue", "worker", "source")
STALE_HEADER = "X-Taskscope-Stale"


def analytics_blueprint(services: Services, reader: Reader) -> Blueprint:
    """Analytics over the rollups that `reader` reads."""
    blueprint = Blueprint("analytics", __name__)
    desk = Desk(reader, services.live, services.fleet, services.clock)
    index = FailureIndex(services.live)
    blueprint.after_app_serving(desk.close)

    @blueprint.get("/api/tasks/analytics")
    @requires(Role.VIEWER, services.access)
    @document_querystring(AnalyticsQuery)
    @document_response(Analytics)
    @also_as(
        "text/csv", "start,end,group_by,group,attempts\r\n2026-03-01T09:30:00.000Z,2026-03-02T09:30:00.000Z,name,vod,12\r\n"
    )
    @also_as("application/x-ndjson", '{"start":"2026-03-01T09:30:00.000Z","group":"vod","attempts":12}\n')
    @document_response(Problem, 406)
    @document_response(Problem, 429)
    @document_response(Problem, 503)
    async def analytics() -> Response:
        """What ended in a window: rates, durations, series and trends, by name, kind, queue, worker or source.

        With `format` csv or ndjson, or such an Accept header: a line for each group, or for each point of the series.
        """
        query = parameters(AnalyticsQuery)
        format_, table = format_asked(query), table_asked(query)
        asked = question(query, services.clock.now())
        given = await desk.answer(asked, principal().sources)
        if format_ is Format.JSON:
            response = Response(given.body, content_type="application/json", headers={"Cache-Control": KEPT, "Vary": "Accept"})
        else:
            response = await export_analytics(services.exports, services.clock, given.answer, format_, table)
        if given.answer.stale:
            response.headers[STALE_HEADER] = "true"
        return response

    @blueprint.get("/api/tasks/analytics/failures")
    @requires(Role.VIEWER, services.access)
    @document_querystring(FailuresQuery)
    @document_response(Failures)
    @also_as(
        "text/csv", "start,end,exception_type,count\r\n2026-03-01T09:30:00.000Z,2026-03-02T09:30:00.000Z,ValueError,12\r\n"
    )
    @also_as("application/x-ndjson", '{"start":"2026-03-01T09:30:00.000Z","exception_type":"ValueError","count":12}\n')
    @document_response(Problem, 406)
    @document_response(Problem, 429)
    async def failures() -> Response:
        """Why retained tasks failed: by type of exception and shape of message, with an example each.

        With `format` csv or ndjson, or such an Accept header: a line for each group.
        """
        given = parameters(FailuresQuery)
        format_, now = format_asked(given), services.clock.now()
        wanted = filter_of({name: values for name, values in given.items() if name in FILTERS})
        asked = failing(given, now)
        found = await index.grouped(asked, wanted, principal().sources, now)
        if format_ is not Format.JSON:
            return await export_failures(services.exports, services.clock, found, format_)
        response = answer(found, moments=("start", "end") if asked.until is None else ())
        response.vary.add("Accept")
        return response

    return blueprint

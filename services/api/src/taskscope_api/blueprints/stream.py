"""`GET /api/stream`: the push protocol as server-sent events, for whoever wants no WebSocket (docs/api.md)."""

from functools import partial
from http import HTTPStatus

from quart import Blueprint, Response, request
from quart_schema import document_headers, document_querystring, document_response

from taskscope_api.asked import asked
from taskscope_api.blueprints.push import PROTOCOL, Connected
from taskscope_api.clients import Client
from taskscope_api.errors import ApiError, Problem, respond
from taskscope_api.frames import frame
from taskscope_api.openapi import answers_text
from taskscope_api.principals import Principal, Role, principal, requires
from taskscope_api.queries import parameters
from taskscope_api.services import Services
from taskscope_api.sockets import RIGHTS_ENDED
from taskscope_api.streamed import Slot
from taskscope_api.streams import (
    CONTENT_TYPE,
    HEADERS,
    MEDIA_TYPE,
    RIGHTS_ENDED_FRAME,
    End,
    StreamHeaders,
    StreamQuery,
    bring,
    join_of,
    new_end,
)
from taskscope_api.subscriptions import Join, subscription
from taskscope_api.wire import time_text

RETRY_SECONDS = 5
EXAMPLE = """\
retry: 2000

event: connected
data: {"status":"connected","timestamp":"2026-03-01T09:30:00.250Z","protocol":1}

event: task_updates
id: lZGTAaFz
data: {"kind":"snapshot","position":"lZGTAaFz","total":1,"tasks":[{"key":"archivist/6f1d2c","state":"running"}]}

"""


def stream_blueprint(services: Services) -> Blueprint:
    """Windows as server-sent events."""
    blueprint = Blueprint("stream", __name__)

    @blueprint.get("/api/stream")
    @requires(Role.VIEWER, services.access)
    @document_headers(StreamHeaders)
    @document_querystring(StreamQuery)
    @answers_text(MEDIA_TYPE, "Events without end", EXAMPLE)
    @document_response(Problem, 400)
    @document_response(Problem, 429)
    @document_response(Problem, 503)
    async def stream() -> Response:
        """The tasks that match the filter, pushed as they change, as server-sent events.

        `connected` comes first, then `task_updates`: a snapshot of the window, and deltas from then on, each with its position
        as `id`. `error` says what was wrong with a token, or that rights ended; after `resync` (the reader was too slow) the
        stream ends, and whoever comes back with `Last-Event-ID` goes on from there. The data are those of the WebSocket
        (`/asyncapi.json`).
        """
        join = join_of(parameters(StreamQuery), request.headers.get("Last-Event-ID"))
        if request.method == "HEAD":
            subscription(join, principal().sources)
            return Response(content_type=CONTENT_TYPE, headers=HEADERS)
        try:
            return await _opened(services, join, principal())
        except ApiError as error:
            if error.problem.status != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            response = respond(error.problem)
            response.headers["Retry-After"] = str(RETRY_SECONDS)
            return response

    return blueprint


async def _opened(services: Services, join: Join, asking: Principal) -> Response:
    wanted = subscription(join, asking.sources)
    client, end = Client(tally=services.tallies.stream), new_end()
    slot = _entered(services, client, asking, end)
    client.offer(frame("connected", Connected("connected", time_text(services.clock.now()), PROTOCOL)))
    await services.hub.join(client, wanted, join.since)
    if (noted := asked()) is not None:
        noted.end = partial(bring, end)
    response = Response(services.streams.body(client, slot, end), content_type=CONTENT_TYPE, headers=HEADERS)
    response.timeout = None
    return response


def _entered(services: Services, client: Client, asking: Principal, end: End) -> Slot:
    """A place among all sockets, whose rights are watched. Raises `ApiError` when there are too many."""
    sockets = services.sockets
    closed = {RIGHTS_ENDED: RIGHTS_ENDED_FRAME}
    ways = (lambda code, _: bring(end, closed.get(code))), partial(services.hub.cut, client)
    watched = sockets.enter(client, asking, services.identity.addresses.client(request.scope), ways)
    watched.join(services.clock.monotonic())
    services.tallies.stream.clients += 1

    def leave() -> None:
        services.tallies.stream.clients -= 1
        services.hub.leave(client)
        sockets.leave(watched)

    return Slot(leave)

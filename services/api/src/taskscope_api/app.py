"""The application: live view, followers, hub and routes, put together."""

import asyncio
from pathlib import Path

from quart import Quart
from taskscope_shared.clock import Clock
from taskscope_shared.providers import Providers
from taskscope_shared.replicas import Replicas
from taskscope_shared.requests import Asker
from taskscope_shared.settings import Settings
from taskscope_shared.store import Reader
from taskscope_shared.token_uses import TokenUses

from taskscope_api import errors, finishing, openapi
from taskscope_api.access.identity import identity_of
from taskscope_api.asking import Asking
from taskscope_api.base_path import BasePath
from taskscope_api.blueprints.analytics import analytics_blueprint
from taskscope_api.blueprints.cluster import cluster_blueprint
from taskscope_api.blueprints.documentation import documentation_blueprint
from taskscope_api.blueprints.engines import engines_blueprint
from taskscope_api.blueprints.health import health_blueprint
from taskscope_api.blueprints.push import push_blueprint
from taskscope_api.blueprints.session import session_blueprint
from taskscope_api.blueprints.signing_in import signing_in_blueprint
from taskscope_api.blueprints.stream import stream_blueprint
from taskscope_api.blueprints.tasks import tasks_blueprint
from taskscope_api.blueprints.web import web_blueprint
from taskscope_api.draining import Draining
from taskscope_api.exports import Exports
from taskscope_api.fleet import Fleet
from taskscope_api.front import Application, Front
from taskscope_api.hub import Hub
from taskscope_api.kept import KeptAnswers
from taskscope_api.limits import MAX_BODY
from taskscope_api.live_view import LiveView
from taskscope_api.metrics import observe
from taskscope_api.principals import Access
from taskscope_api.services import Services
from taskscope_api.shelf import Shelf
from taskscope_api.socket_io.address import advertised
from taskscope_api.socket_io.mounted import SocketIo
from taskscope_api.sockets import Sockets

NAME = "taskscope_api"
HEADERS = {"X-Content-Type-Options": "nosniff"}
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


def create_app(
    settings: Settings,
    reader: Reader,
    clock: Clock,
    *,
    web_root: Path | None = None,
    access: Access | None = None,
    asker: Asker | None = None,
    token_uses: TokenUses | None = None,
    replicas: Replicas | None = None,
    providers: Providers | None = None,
) -> Quart:
    """The api over `reader`. It follows the store from when it is served until it ends.

    `web_root` holds the built dashboard (None: the api alone); `access` tells who asks (None: as the settings say);
    `asker` asks the collectors (None: what only they know is null); `token_uses` keeps when tokens were used last;
    `replicas` finds this api's other processes (None: there are none); `providers` say where telemetry goes (None: nowhere).
    Raises `SettingsError` for a secret that cannot be read.
    """
    live = LiveView()
    fleet = Fleet(reader, live, clock)
    identity = identity_of(settings, clock, access, token_uses)
    services = Services(
        live=live,
        fleet=fleet,
        hub=Hub(live, clock, fleet.has_read, settings.api.push, None if providers is None else providers.tracer(NAME)),
        sockets=Sockets(settings.api.push, identity.access, clock),
        clock=clock,
        identity=identity,
        asking=Asking(asker, clock, live.stale.get),
        kept=KeptAnswers(live),
        exports=Exports(identity.access),
        trace_url=settings.api.trace_url,
    )
    socket_io = SocketIo(services, replicas, None if replicas is None else advertised(settings.api))
    app = Quart("taskscope_api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False  # a task's id may hold two in a row
    openapi.install(app)
    del app.__dict__["make_response"]  # quart-schema's converts what routes answer; ours all answer with a Response
    errors.install(app)
    finishing.install(app)
    _routes(app, services, socket_io, web_root)
    app.register_blueprint(analytics_blueprint(services, reader))
    _run_while_serving(app, services, socket_io)
    app.extensions |= {
        "taskscope": services,
        "taskscope_socket_io": socket_io,
        "taskscope_draining": Draining(services.sockets, socket_io),
    }
    shelf = Shelf(app.asgi_app, services.kept, services.access, live)
    inner = socket_io.around(shelf)
    if prefix := settings.api.base_path:
        inner = BasePath(inner, prefix)
    front = Front(inner, clock, HEADERS, PAGE_HEADERS, services.identity.addresses)
    app.asgi_app = _observed(front, providers, services)  # type: ignore[assignment, method-assign]  # messages are mappings
    return app


def _observed(front: Front, providers: Providers | None, services: Services) -> Application:
    """`front` with spans and metrics, where those are exported."""
    if providers is None or providers.off:
        return front
    from taskscope_api.observed import Observed  # OpenTelemetry's instrumentation, for those alone who use it

    observe(providers, services)
    return Observed(front, providers, services.clock)


def _routes(app: Quart, services: Services, socket_io: SocketIo, web_root: Path | None) -> None:
    for blueprint in (
        tasks_blueprint(services),
        cluster_blueprint(services),
        engines_blueprint(services),
        health_blueprint(services, socket_io),
        push_blueprint(services),
        session_blueprint(services),
        stream_blueprint(services),
        documentation_blueprint(services),
        signing_in_blueprint(services),
    ):
        app.register_blueprint(blueprint)
    if web_root is not None:
        app.register_blueprint(web_blueprint(services, web_root))


def _run_while_serving(app: Quart, services: Services, socket_io: SocketIo) -> None:
    running: list[asyncio.Task[None]] = []

    @app.before_serving
    async def _begin() -> None:
        running.append(asyncio.create_task(services.fleet.run(), name="fleet"))
        running.append(asyncio.create_task(services.hub.run(), name="hub"))
        running.extend(asyncio.create_task(run(), name="identity") for run in services.identity.background)
        running.append(asyncio.create_task(services.sockets.run(), name="sockets"))
        running.append(asyncio.create_task(socket_io.run(), name="socket-io"))

    @app.after_serving
    async def _end() -> None:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        running.clear()
        await services.asking.close()

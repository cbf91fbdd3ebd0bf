"""Health for people, and probes for Kubernetes."""

import msgspec
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import SourceStatus

from taskscope_api.answers import answer
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import NoQuery, parameters
from taskscope_api.services import Services
from taskscope_api.wire import time_text


class Dependency(msgspec.Struct):
    """`status` is ok, degraded or down; `detail` says why it is not ok."""

    status: str
    detail: str | None = None


class SourceHealth(msgspec.Struct):
    """One source: as its collector says (`status`, `reason`), and why the api may be behind it (`stale`)."""

    name: str
    status: str
    reason: str | None
    stale: str | None
    tasks: int
    position: str | None
    snapshots: int
    gaps: int
    undecodable: int


class LiveViewHealth(msgspec.Struct):
    """The replica in memory, and who looks at it."""

    status: str
    tasks: int
    clients: int
    clients_cut: int


class Health(msgspec.Struct):
    """`status` is the worst of all: ok, degraded (something is stale or down) or down (nothing can be shown)."""

    status: str
    at: str
    ready: bool
    stale: bool
    redis: Dependency
    live_view: LiveViewHealth
    sources: list[SourceHealth]


class Probe(msgspec.Struct):
    """What a probe is told."""

    status: str


def health_blueprint(services: Services) -> Blueprint:
    """`/api/health`, `/livez`, `/readyz`."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/api/health")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(Health)
    async def health() -> Response:
        """Every dependency's state. Always 200: the body says what is wrong."""
        parameters(NoQuery)
        return answer(_health(services))

    @blueprint.get("/livez")
    @requires(Role.PUBLIC, services.access)
    @document_response(Probe)
    async def livez() -> Response:
        """The process answers."""
        return answer(Probe("ok"))

    @blueprint.get("/readyz")
    @requires(Role.PUBLIC, services.access)
    @document_response(Probe)
    @document_response(Probe, 503)
    async def readyz() -> Response:
        """There is a state to show. It stays ready when Redis is lost: what it has is served on, marked stale."""
        ready = services.fleet.ready
        return answer(Probe("ok" if ready else "not ready"), 200 if ready else 503)

    return blueprint


def _health(services: Services) -> Health:
    fleet, live = services.fleet, services.live
    sources = [_source(services, name) for name in sorted(fleet.followers) if principal().may_see(name)]
    redis = Dependency("ok") if fleet.store.up else Dependency("down", fleet.store.reason)
    well = fleet.store.up and all(source.status == "ok" for source in sources)
    return Health(
        status="down" if not fleet.ready else "ok" if well else "degraded",
        at=time_text(services.clock.now()) or "",
        ready=fleet.ready,
        stale=not fleet.store.up or any(source.stale is not None for source in sources),
        redis=redis,
        live_view=LiveViewHealth(
            status="ok" if not live.stale else "degraded",
            tasks=sum(len(replica.tasks) for replica in live.replicas.values()),
            clients=services.hub.clients,
            clients_cut=services.hub.cuts,
        ),
        sources=sources,
    )


def _source(services: Services, name: str) -> SourceHealth:
    follower, replica = services.fleet.followers[name], services.live.replicas.get(name)
    told = None if replica is None else replica.health
    stale = services.live.stale.get(name)
    status = "degraded" if told is None else _STATUS[told.status]
    return SourceHealth(
        name=name,
        status="degraded" if status == "ok" and stale is not None else status,
        reason="its collector has not told yet" if told is None else told.reason,
        stale=stale,
        tasks=0 if replica is None else len(replica.tasks),
        position=None if replica is None else str(replica.position),
        snapshots=follower.snapshots,
        gaps=follower.gaps,
        undecodable=follower.undecodable,
    )


_STATUS = {
    SourceStatus.UP: "ok",
    SourceStatus.STARTING: "degraded",
    SourceStatus.DEGRADED: "degraded",
    SourceStatus.DOWN: "down",
}

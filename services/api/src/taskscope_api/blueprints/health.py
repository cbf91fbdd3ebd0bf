"""Health for people, and probes for Kubernetes."""

from importlib.metadata import version
from typing import Annotated, NamedTuple

import msgspec
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import SourceStatus

from taskscope_api.answers import answer
from taskscope_api.described import Count, Flag, Time, says
from taskscope_api.fleet import StoreHealth
from taskscope_api.hub import Hub
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import NoQuery, parameters
from taskscope_api.services import Services
from taskscope_api.socket_io.mounted import SocketIo
from taskscope_api.sockets import Sockets
from taskscope_api.wire import time_text


class Dependency(msgspec.Struct):
    """`status` is ok, degraded or down; `detail` says why it is not ok."""

    status: Annotated[str, says("ok, degraded or down", "ok", enum=["ok", "degraded", "down"])]
    detail: Annotated[str | None, says("Why it is not ok", "connection refused")] = None


class PushHealth(msgspec.Struct):
    """What goes to WebSockets and streams."""

    status: Annotated[str, says("ok, or degraded when rounds failed", "ok", enum=["ok", "degraded"])]
    rounds: Annotated[Count, says("Rounds of pushing since the start")]
    failures: Annotated[Count, says("Rounds and windows that failed; the log says why")]
    sockets: Annotated[Count, says("WebSockets and streams that are open")]
    windows: Annotated[Count, says("Different subscriptions")]
    refused: Annotated[dict[str, int], says("What these were refused, by the kind of the error", {"too-many-joins": 3})]


class SocketIoHealth(msgspec.Struct):
    """What goes to clients of Socket.IO, and what is passed on to other replicas."""

    status: Annotated[str, says("ok, or degraded when something of ours failed", "ok", enum=["ok", "degraded"])]
    connections: Annotated[Count, says("Connections that are open on this replica")]
    whole: Annotated[Count, says("Clients among them that get whole snapshots")]
    snapshots: Annotated[Count, says("Whole snapshots that were sent")]
    skipped: Annotated[Count, says("Whole snapshots that a client did not get since it had not taken the one before")]
    refused: Annotated[Count, says("Connections that were one too many")]
    throttled: Annotated[Count, says("Messages that came too fast")]
    garbage: Annotated[Count, says("Connections that ended since what they sent was no packet")]
    overfull: Annotated[Count, says("Connections that ended since they took nothing of what waited for them")]
    passed_on: Annotated[Count, says("Requests and WebSockets of sessions of other replicas that were passed on to these")]
    not_passed_on: Annotated[Count, says("Those whose replica did not answer, or that were too many at once")]
    complaints: Annotated[Count, says("What the library complained of: requests that came at the wrong moment, and defects")]
    failures: Annotated[Count, says("Messages and snapshots that failed; the log says why")]


class SourceHealth(msgspec.Struct):
    """One source: as its collector says (`status`, `reason`), and why the api may be behind it (`stale`)."""

    name: Annotated[str, says("As configured", "archivist")]
    status: Annotated[str, says("As its collector says", "ok", enum=["ok", "degraded", "down"])]
    reason: Annotated[str | None, says("Why it is not ok", "the broker refuses connections")]
    stale: Annotated[str | None, says("Why the api may be behind its collector; null while it is not", "Redis does not answer")]
    tasks: Annotated[Count, says("Tasks held in memory")]
    position: Annotated[str | None, says("Up to where its log was read: `epoch-seq`", "1772357400250-17")]
    snapshots: Annotated[Count, says("How often all of it was read")]
    gaps: Annotated[Count, says("How often something published was missed")]
    undecodable: Annotated[Count, says("Messages that could not be read")]


class LiveViewHealth(msgspec.Struct):
    """The replica in memory, and who looks at it."""

    status: Annotated[str, says("ok, or degraded while Redis is away or a source is stale", "ok", enum=["ok", "degraded"])]
    tasks: Annotated[Count, says("Tasks held in memory")]
    clients: Annotated[Count | None, says("WebSockets that have a subscription; null for who may not see all sources", 12)]
    clients_cut: Annotated[Count | None, says("Those that were too slow and were cut; null as above", 0)]


class Health(msgspec.Struct):
    """`status` is the worst of all: ok, degraded (something is stale or down) or down (nothing can be shown)."""

    status: Annotated[str, says("The worst of all", "ok", enum=["ok", "degraded", "down"])]
    at: Annotated[Time, says("The api's clock")]
    ready: Annotated[Flag, says("Whether every source was read once")]
    stale: Annotated[Flag, says("Whether anything shown may be behind")]
    version: Annotated[str, says("Of the api", "0.1.0")]
    uptime_seconds: Annotated[float, says("Since the api began", 5400.25)]
    redis: Annotated[Dependency, says("Where the collectors publish")]
    identity: Annotated[Dependency, says("What tells who asks: degraded while its tokens or a provider cannot be had")]
    push: Annotated[PushHealth | None, says("What goes to WebSockets and streams; null for who may not see all sources")]
    socket_io: Annotated[SocketIoHealth | None, says("What goes to clients of Socket.IO; null for who may not see all sources")]
    live_view: Annotated[LiveViewHealth, says("The replica in memory")]
    sources: Annotated[list[SourceHealth], says("Each source that who asks may see")]


class Probe(msgspec.Struct):
    """What a probe is told."""

    status: Annotated[str, says("ok, or not ready", "ok", enum=["ok", "not ready"])]


def health_blueprint(services: Services, socket_io: SocketIo) -> Blueprint:
    """`/api/health`, `/livez`, `/readyz`."""
    blueprint = Blueprint("health", __name__)
    process = _Process(version("taskscope-api"), services.clock.monotonic())

    @blueprint.get("/api/health")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(Health)
    async def health() -> Response:
        """Every dependency's state. Always 200: the body says what is wrong."""
        parameters(NoQuery)
        return answer(_health(services, socket_io, process), keep=False)

    @blueprint.get("/livez")
    @requires(Role.PUBLIC, services.access)
    @document_response(Probe)
    async def livez() -> Response:
        """The process answers."""
        return answer(Probe("ok"), keep=False)

    @blueprint.get("/readyz")
    @requires(Role.PUBLIC, services.access)
    @document_response(Probe)
    @document_response(Probe, 503)
    async def readyz() -> Response:
        """There is a state to show. It stays ready when Redis is lost: what it has is served on, marked stale. It is not ready
        any more when it is about to end.
        """
        ready = services.fleet.ready and not services.sockets.is_leaving
        return answer(Probe("ok" if ready else "not ready"), 200 if ready else 503, keep=False)

    return blueprint


class _Process(NamedTuple):
    version: str
    began: float


def _health(services: Services, socket_io: SocketIo, process: _Process) -> Health:
    fleet, hub, asking = services.fleet, services.hub, principal()
    sees_all = asking.sources is None  # what all clients together do tells something of sources that others look at
    sources = [_source(services, name) for name in sorted(fleet.followers) if asking.may_see(name)]
    identity, ready = _identity(services), fleet.has_read(asking.may_see)
    redis = _redis(fleet.store)
    stale = redis.status != "ok" or any(source.stale is not None for source in sources)
    well = redis.status == "ok" and identity.status == "ok" and all(source.status == "ok" for source in sources)
    return Health(
        status="down" if not ready else "ok" if well else "degraded",
        at=time_text(services.clock.now()) or "",
        ready=ready,
        stale=stale,
        version=process.version,
        uptime_seconds=round(services.clock.monotonic() - process.began, 3),
        redis=redis,
        identity=identity,
        push=_push(hub, services.sockets) if sees_all else None,
        socket_io=_socket_io(socket_io) if sees_all else None,
        live_view=LiveViewHealth(
            status="degraded" if stale else "ok",
            tasks=sum(source.tasks for source in sources),
            clients=hub.clients if sees_all else None,
            clients_cut=hub.cuts if sees_all else None,
        ),
        sources=sources,
    )


def _redis(store: StoreHealth) -> Dependency:
    if not store.up:
        return Dependency("down", store.reason)
    return Dependency("ok") if store.refusal is None else Dependency("degraded", store.refusal)


def _identity(services: Services) -> Dependency:
    file = services.identity.token_file
    trouble = [f"{each.issuer}: {each.trouble}" for each in services.identity.providers if each.trouble is not None]
    if file is not None and file.reason is not None:
        trouble.insert(0, file.reason)
    return Dependency("degraded", "; ".join(trouble)) if trouble else Dependency("ok")


def _push(hub: Hub, sockets: Sockets) -> PushHealth:
    failures = hub.failures + sockets.failures
    status = "degraded" if failures else "ok"
    return PushHealth(status, hub.rounds, failures, sockets.open, hub.windows, dict(sorted(sockets.refused.items())))


def _socket_io(socket_io: SocketIo) -> SocketIoHealth:
    clients, passed_on = socket_io.clients, socket_io.forwarding.counts
    snapshots, counts = clients.snapshots, clients.sessions.counts
    failures = clients.failures + snapshots.failures
    return SocketIoHealth(
        status="degraded" if failures else "ok",
        connections=len(clients.sessions.by_id),
        whole=snapshots.clients,
        snapshots=snapshots.sent,
        skipped=snapshots.skipped,
        refused=counts.refused,
        throttled=counts.throttled,
        garbage=counts.garbage,
        overfull=counts.overfull,
        passed_on=passed_on.requests + passed_on.sockets,
        not_passed_on=passed_on.failed + passed_on.refused,
        complaints=clients.server.complaints.count,
        failures=failures,
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

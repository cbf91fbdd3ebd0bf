"""Workers, queues, sources and kinds."""

from http import HTTPStatus

import msgspec
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import Engine

from taskscope_api.answers import answer
from taskscope_api.asking import WorkerDetail
from taskscope_api.cluster_pages import page_of
from taskscope_api.cluster_queries import (
    KIND_SORTS,
    QUEUE_SORTS,
    SOURCE_SORTS,
    WORKER_SORTS,
    KindsQuery,
    QueuesQuery,
    SourcesQuery,
    WorkersQuery,
    names_of,
    sources_of,
    wanted_queues,
    wanted_sources,
    wanted_workers,
)
from taskscope_api.errors import ApiError, Problem
from taskscope_api.live_view import GroupCounts, LiveView
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import NoQuery, Parameters, parameters
from taskscope_api.services import Services
from taskscope_api.wire import KindList, KindRow, QueueList, SourceList, WorkerList, queue_row, source_row, worker_row

Scope = frozenset[str] | None


def cluster_blueprint(services: Services) -> Blueprint:
    """`/api/workers`, `/api/queues`, `/api/sources`, `/api/kinds`."""
    blueprint = Blueprint("cluster", __name__)
    live = services.live

    @blueprint.get("/api/workers")
    @requires(Role.VIEWER, services.access)
    @document_querystring(WorkersQuery)
    @document_response(WorkerList)
    @document_response(Problem, 400)
    async def workers() -> Response:
        """The workers that match."""
        return answer(worker_list(live, parameters(WorkersQuery), principal().sources))

    @blueprint.get("/api/workers/<string:source>/<path:name>")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(WorkerDetail)
    @document_response(Problem, 404)
    async def worker(source: str, name: str) -> Response:
        """One worker, with the tasks that it knows and its configuration, as it says itself when it is asked now.

        It has 3 s to answer; `unknown` says why it did not.
        """
        parameters(NoQuery)
        found = live.workers(lambda each: each == source and principal().may_see(each)).get(f"{source}/{name}")
        if found is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "unknown-worker", f"no worker {name[:200]!r} is known of this source")
        return answer(await services.asking.worker(found, stale=live.is_behind(source)))

    @blueprint.get("/api/queues")
    @requires(Role.VIEWER, services.access)
    @document_querystring(QueuesQuery)
    @document_response(QueueList)
    @document_response(Problem, 400)
    async def queues() -> Response:
        """The queues that match, as their brokers count them."""
        return answer(queue_list(live, parameters(QueuesQuery), principal().sources))

    @blueprint.get("/api/sources")
    @requires(Role.VIEWER, services.access)
    @document_querystring(SourcesQuery)
    @document_response(SourceList)
    @document_response(Problem, 400)
    async def sources() -> Response:
        """The sources that match, with their health."""
        return answer(source_list(live, parameters(SourcesQuery), principal().sources))

    @blueprint.get("/api/kinds")
    @requires(Role.VIEWER, services.access)
    @document_querystring(KindsQuery)
    @document_response(KindList)
    @document_response(Problem, 400)
    async def kinds() -> Response:
        """The kinds with the counts of their tasks, in the configuration's order, `other` last."""
        return answer(kind_list(live, parameters(KindsQuery), principal().sources))

    return blueprint


def worker_list(live: LiveView, given: Parameters, scope: Scope, engine: Engine | None = None) -> WorkerList:
    """The page of workers that `given` asks for. Raises `ApiError`."""
    wanted, within = wanted_workers(given), sources_of(given, scope)
    there = live.workers(within.source).items()
    items = {key: worker for key, worker in there if wanted(worker) and engine in (None, worker.engine)}
    page, following, total = page_of("workers", items, given, WORKER_SORTS)
    return WorkerList([worker_row(worker) for worker in page], following, total, live.is_stale(within))


def queue_list(live: LiveView, given: Parameters, scope: Scope) -> QueueList:
    """The page of queues that `given` asks for. Raises `ApiError`."""
    wanted, within = wanted_queues(given), sources_of(given, scope)
    items = {key: queue for key, queue in live.queues(within.source).items() if wanted(queue)}
    page, following, total = page_of("queues", items, given, QUEUE_SORTS)
    return QueueList([queue_row(queue) for queue in page], following, total, live.is_stale(within))


def source_list(live: LiveView, given: Parameters, scope: Scope) -> SourceList:
    """The page of sources that `given` asks for. Raises `ApiError`."""
    wanted, within = wanted_sources(given), sources_of(given, scope)
    items = {name: source for name, source in live.sources(within.source).items() if wanted(source)}
    page, following, total = page_of("sources", items, given, SOURCE_SORTS)
    rows = [source_row(source, live.stale.get(source.name)) for source in page]
    return SourceList(rows, following, total, live.is_stale(within))


def kind_list(live: LiveView, given: Parameters, scope: Scope) -> KindList:
    """The page of kinds that `given` asks for. Raises `ApiError`."""
    names, within = names_of(given, "kind"), sources_of(given, scope)
    counts = live.summary(within).by_kind
    items = {
        f"{place:06}": KindRow(**msgspec.structs.asdict(counts.get(name, GroupCounts())), name=name)
        for place, name in enumerate(live.kinds(within.source))
        if names is None or names.match(name)
    }
    page, following, total = page_of("kinds", items, given, KIND_SORTS)
    return KindList(page, following, total, live.is_stale(within))

"""Workers, queues, sources and kinds."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response
from taskscope_shared.model import Queue, Source, Worker

from taskscope_api import cursors
from taskscope_api.answers import answer
from taskscope_api.errors import Problem
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.live_view import GroupCounts, Place
from taskscope_api.principals import Role, principal, requires
from taskscope_api.queries import ListQuery, Parameters, RealtimeQuery, limit_of, parameters, single
from taskscope_api.services import Services
from taskscope_api.subscriptions import MAX_LIMIT
from taskscope_api.wire import KindList, KindRow, QueueList, SourceList, WorkerList, queue_row, source_row, worker_row

Item = TypeVar("Item", Worker, Queue, Source)
KEY_SORT = "key"


def cluster_blueprint(services: Services) -> Blueprint:
    """`/api/workers`, `/api/queues`, `/api/sources`, `/api/kinds`."""
    blueprint = Blueprint("cluster", __name__)
    live = services.live

    def scoped() -> tuple[Parameters, Filter, Callable[[str], bool]]:
        given = parameters(ListQuery)
        wanted = filter_of(given)
        return given, wanted, Matcher(wanted, principal().sources).source

    @blueprint.get("/api/workers")
    @requires(Role.VIEWER, services.access)
    @document_querystring(ListQuery)
    @document_response(WorkerList)
    @document_response(Problem, 400)
    async def workers() -> Response:
        """Workers by key."""
        given, wanted, scope = scoped()
        page, following, total = _page(live.workers(scope), given, wanted)
        return answer(WorkerList([worker_row(worker) for worker in page], following, total))

    @blueprint.get("/api/queues")
    @requires(Role.VIEWER, services.access)
    @document_querystring(ListQuery)
    @document_response(QueueList)
    @document_response(Problem, 400)
    async def queues() -> Response:
        """Queues by key, as their brokers count them."""
        given, wanted, scope = scoped()
        page, following, total = _page(live.queues(scope), given, wanted)
        return answer(QueueList([queue_row(queue) for queue in page], following, total))

    @blueprint.get("/api/sources")
    @requires(Role.VIEWER, services.access)
    @document_querystring(ListQuery)
    @document_response(SourceList)
    @document_response(Problem, 400)
    async def sources() -> Response:
        """Sources by name, with their health."""
        given, wanted, scope = scoped()
        page, following, total = _page(live.sources(scope), given, wanted)
        return answer(SourceList([source_row(source, live.stale.get(source.name)) for source in page], following, total))

    @blueprint.get("/api/kinds")
    @requires(Role.VIEWER, services.access)
    @document_querystring(RealtimeQuery)
    @document_response(KindList)
    @document_response(Problem, 400)
    async def kinds() -> Response:
        """Kinds in the configuration's order, `other` last, with the counts of their tasks."""
        wanted = filter_of(parameters(RealtimeQuery))
        matcher = Matcher(Filter(source=wanted.source), principal().sources)
        counts = live.summary(matcher).by_kind
        names = [name for name in live.kinds(matcher.source) if not wanted.kind or name in wanted.kind]
        rows = [KindRow(**msgspec.structs.asdict(counts.get(name, GroupCounts())), name=name) for name in names]
        return answer(KindList(rows, None, len(rows)))

    return blueprint


def _page(items: Mapping[str, Item], given: Parameters, wanted: Filter) -> tuple[list[Item], str | None, int]:
    keys = sorted(key for key, item in items.items() if not wanted.engine or item.engine in wanted.engine)
    limit, cursor = limit_of(given, MAX_LIMIT), single(given, "cursor")
    behind = "" if cursor is None else cursors.place_of(cursor, KEY_SORT).key
    shown = [key for key in keys if key > behind][: limit + 1]
    following = cursors.cursor(KEY_SORT, Place((0, ""), 0.0, shown[limit - 1])) if len(shown) > limit else None
    return [items[key] for key in shown[:limit]], following, len(keys)

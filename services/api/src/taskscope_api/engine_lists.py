"""The tasks of one engine: a page of them, with what goes on and what ended last in the same answer."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec.structs import replace
from quart import Response
from taskscope_shared.model import FINISHED, GROUP_OF, Engine, State

from taskscope_api.answers import answer
from taskscope_api.cluster_queries import WorkersQuery
from taskscope_api.described import Count, Stale, Time, Token, says
from taskscope_api.export_rows import Format
from taskscope_api.export_tasks import export_tasks
from taskscope_api.exports import columns_asked, format_asked
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.listing import task_page
from taskscope_api.live_view import LiveView, Summary
from taskscope_api.queries import Parameters, TasksQuery
from taskscope_api.realtime import LIVE_STATES
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, LIVE, Sort, sort_named
from taskscope_api.wire import TaskRow, task_row, time_text

LIVE_ROWS = 50
HISTORY_ROWS = 50


def query_without(query: type[msgspec.Struct], name: str, doc: str, field: str = "engine") -> type[msgspec.Struct]:
    """A query string's struct without the field that the route fixes."""
    there = [(one.name, one.type, one.default) for one in msgspec.structs.fields(query) if one.name != field]
    made = msgspec.defstruct(name, there, kw_only=True, module=__name__)
    made.__doc__ = doc
    return made


EngineTasksQuery = query_without(TasksQuery, "EngineTasksQuery", "Of `/api/celery/tasks` and `/api/rq/jobs`.")
EngineWorkersQuery = query_without(WorkersQuery, "EngineWorkersQuery", "Of `/api/celery/workers` and `/api/rq/workers`.")


class EngineTasks(msgspec.Struct):
    """A page of an engine's tasks, as `/api/tasks` gives it, with what goes on now and what ended last.

    `at` comes first: a tag leaves it out there (`conditional.py`).
    """

    at: Annotated[Time, says("The api's clock")]
    items: Annotated[list[TaskRow], says("The page")]
    next_cursor: Annotated[Token | None, says("Give it as `cursor` for the page behind this one; null: there is none")]
    total: Annotated[Count, says("All that match the filter")]
    stale: Stale
    summary: Annotated[Summary, says("Counts over all retained tasks of the kinds asked for")]
    live: Annotated[list[TaskRow], says("Tasks that match and did not finish, running ones first, with progress; at most 50")]
    history: Annotated[list[TaskRow], says("The newest 50 that match and finished")]


async def engine_tasks(services: Services, given: Parameters, scope: frozenset[str] | None, engine: Engine) -> Response:
    """The answer of an engine's list: JSON, or a file as `/api/tasks` gives it. Raises `ApiError`."""
    format_ = format_asked(given)
    wanted = replace(filter_of(given), engine=(engine.value,))
    within = _sources(services.live, engine, scope)
    if format_ is not Format.JSON:
        return await export_tasks(services, given, format_, within, wanted)
    fields = columns_asked(given, TaskRow.__struct_fields__)
    body = await _body(services, given, within, wanted)
    if fields is not None:
        for part in ("items", "live", "history"):
            setattr(body, part, [{name: getattr(row, name) for name in fields} for row in getattr(body, part)])
    response = answer(body)
    response.vary.add("Accept")
    return response


async def _body(services: Services, given: Parameters, within: frozenset[str], wanted: Filter) -> EngineTasks:
    live = services.live
    page = await task_page(live, given, within, wanted)
    matcher = Matcher(wanted, within)
    return EngineTasks(
        at=time_text(services.clock.now()) or "",
        items=page.items,
        next_cursor=page.next_cursor,
        total=page.total,
        stale=page.stale,
        summary=live.summary(matcher),
        live=_first(live, wanted, within, LIVE_STATES, sort_named(LIVE), LIVE_ROWS),
        history=_first(live, wanted, within, tuple(FINISHED), sort_named(DEFAULT_SORT), HISTORY_ROWS),
    )


def _first(
    live: LiveView, wanted: Filter, within: frozenset[str], states: Iterable[State], sort: Sort, limit: int
) -> list[TaskRow]:
    """The first tasks in these states, of those wanted."""
    both = [state for state in states if _in(wanted.state, state) and _in(wanted.group, GROUP_OF[state])]
    if not both:
        return []
    matcher = Matcher(replace(wanted, state=tuple(both), group=()), within)
    return [task_row(task.task()) for task in live.page(matcher, sort, limit).tasks]


def _in(asked: tuple[str, ...], value: str) -> bool:
    return not asked or value in asked


def _sources(live: LiveView, engine: Engine, scope: frozenset[str] | None) -> frozenset[str]:
    """The sources of the engine within the scope; also those that did not say yet what they are."""
    return frozenset(
        name
        for name, replica in live.replicas.items()
        if (replica.health is None or replica.health.engine is engine) and (scope is None or name in scope)
    )

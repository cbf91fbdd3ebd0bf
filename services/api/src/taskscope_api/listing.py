"""Tasks from a query string, by pages or as a file: one way for every route that lists tasks."""

from quart import Response

from taskscope_api import cursors
from taskscope_api.answers import answer
from taskscope_api.export_rows import Format
from taskscope_api.export_tasks import export_tasks
from taskscope_api.exports import columns_asked, format_asked
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.live_view import LiveView
from taskscope_api.queries import DEFAULT_PAGE, Parameters, limit_of, offset_of, single
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, sort_named
from taskscope_api.wire import TaskList, TaskRow, task_row


async def tasks_answer(
    services: Services, given: Parameters, scope: frozenset[str] | None, wanted: Filter | None = None
) -> Response:
    """A page as JSON, or all that match as a file, as `format` or the Accept header say.

    Raises `ApiError` that names the parameter that is wrong.
    """
    format_ = format_asked(given)
    if format_ is not Format.JSON:
        return await export_tasks(services, given, format_, scope, wanted)
    fields = columns_asked(given, TaskRow.__struct_fields__)
    page = await task_page(services.live, given, scope, wanted)
    if fields is not None:
        page.items = [{name: getattr(row, name) for name in fields} for row in page.items]  # type: ignore[misc]  # chosen members
    response = answer(page)
    response.vary.add("Accept")
    return response


async def task_page(live: LiveView, given: Parameters, scope: frozenset[str] | None, wanted: Filter | None = None) -> TaskList:
    """The page that `given` asks for, of the tasks that match `wanted` (None: the filter in `given`) within `scope`.

    Raises `ApiError` that names the parameter that is wrong.
    """
    sort = sort_named(single(given, "sort") or DEFAULT_SORT)
    cursor, offset = single(given, "cursor"), offset_of(given)
    wanted = filter_of(given) if wanted is None else wanted
    listed = cursors.of_list(wanted)
    after = None if cursor is None else cursors.place_of(cursor, sort.name, listed)
    matcher = Matcher(wanted, scope)
    limit = limit_of(given, DEFAULT_PAGE)
    await live.prepare(matcher)
    page = live.page(matcher, sort, limit, after, offset)
    following = None if page.next is None else cursors.cursor(sort.name, listed, page.next)
    return TaskList([task_row(task.task()) for task in page.tasks], following, page.total, live.is_stale(matcher))

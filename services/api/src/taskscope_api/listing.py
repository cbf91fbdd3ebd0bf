"""A page of tasks from a query string: one way for every route that lists tasks."""

from taskscope_api import cursors
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.live_view import LiveView
from taskscope_api.queries import DEFAULT_PAGE, Parameters, limit_of, single
from taskscope_api.sorting import DEFAULT_SORT, sort_named
from taskscope_api.wire import TaskList, task_row


async def task_page(live: LiveView, given: Parameters, scope: frozenset[str] | None, wanted: Filter | None = None) -> TaskList:
    """The page that `given` asks for, of the tasks that match `wanted` (None: the filter in `given`) within `scope`.

    Raises `ApiError` that names the parameter that is wrong.
    """
    sort = sort_named(single(given, "sort") or DEFAULT_SORT)
    cursor = single(given, "cursor")
    after = None if cursor is None else cursors.place_of(cursor, sort.name)
    matcher = Matcher(filter_of(given) if wanted is None else wanted, scope)
    limit = limit_of(given, DEFAULT_PAGE)
    await live.prepare(sort)
    page = live.page(matcher, sort, limit, after)
    following = None if page.next is None else cursors.cursor(sort.name, page.next)
    return TaskList([task_row(task.task()) for task in page.tasks], following, page.total)

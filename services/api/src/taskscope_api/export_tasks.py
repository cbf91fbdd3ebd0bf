"""Tasks as rows of an export: all that match, however many, while they change."""

from collections.abc import AsyncGenerator, Sequence

import msgspec
from quart import Response

from taskscope_api.errors import ApiError
from taskscope_api.export_rows import Format
from taskscope_api.exports import columns_asked, writer_of
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.live_view import LiveView
from taskscope_api.queries import Parameters, limit_of, single
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, Sort, sort_named
from taskscope_api.wire import TaskRow, task_row

MAX_ROWS = 10_000_000
"""The largest `limit` of an export."""
STEP = 64
"""Tasks read in one step."""
WIDE = "unknown"
"""A sentence for each null: a third of a row. A CSV has it when it is asked for."""
COLUMNS = tuple(name for name in TaskRow.__struct_fields__ if name != WIDE)


async def export_tasks(
    services: Services, given: Parameters, format_: Format, scope: frozenset[str] | None, wanted: Filter | None = None
) -> Response:
    """All tasks that match `wanted` (None: the filter in `given`) within `scope`, as a file.

    Raises `ApiError` that names the parameter that is wrong.
    """
    for name in ("cursor", "offset"):
        if single(given, name) is not None:
            raise ApiError.of_field(name, f"an export has no pages: leave {name} out; limit= bounds it")
    sort = sort_named(single(given, "sort") or DEFAULT_SORT)
    matcher = Matcher(filter_of(given) if wanted is None else wanted, scope)
    limit = limit_of(given, MAX_ROWS, MAX_ROWS)
    writer = writer_of(format_, COLUMNS, columns_asked(given, TaskRow.__struct_fields__))
    await services.live.prepare(matcher)
    batches = _batches(services.live, matcher, sort, limit)
    return services.exports.stream("tasks", format_, writer, batches, services.clock)


async def _batches(live: LiveView, matcher: Matcher, sort: Sort, limit: int) -> AsyncGenerator[Sequence[msgspec.Struct]]:
    """Which tasks, and in which order, is decided at the beginning; each is read when its turn comes.

    So an export ends however fast tasks change, has none of them twice, and holds little while its reader is slow.
    """
    left = limit
    for held in live.each(matcher, sort, STEP):
        yield [task_row(one.task()) for one in held[:left]]
        left -= len(held)
        if left <= 0:
            return

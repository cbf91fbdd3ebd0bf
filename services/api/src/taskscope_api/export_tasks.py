"""Tasks as rows of an export: all that match, however many, while they change."""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence

import msgspec
from quart import Response

from taskscope_api.errors import ApiError
from taskscope_api.export_rows import Format
from taskscope_api.exports import Exports, columns_asked, writer_of
from taskscope_api.filters import Filter, Matcher, filter_of
from taskscope_api.held import Held
from taskscope_api.live_view import LiveView, Place
from taskscope_api.queries import Parameters, limit_of, single
from taskscope_api.services import Services
from taskscope_api.sorting import DEFAULT_SORT, Sort, sort_named
from taskscope_api.wire import TaskRow, task_row

MAX_ROWS = 10_000_000
"""The largest `limit` of an export."""
PAGE = 500
"""Tasks found in one step."""
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
    if single(given, "cursor") is not None:
        raise ApiError.of_field("cursor", "an export has no pages: leave cursor out; limit= bounds it")
    sort = sort_named(single(given, "sort") or DEFAULT_SORT)
    matcher = Matcher(filter_of(given) if wanted is None else wanted, scope)
    limit = limit_of(given, MAX_ROWS, MAX_ROWS)
    writer = writer_of(format_, COLUMNS, columns_asked(given, TaskRow.__struct_fields__))
    await services.live.prepare(sort)
    batches = _batches(services.exports, services.live, matcher, sort, limit)
    return services.exports.stream("tasks", format_, writer, batches, services.clock)


class _Chosen(msgspec.Struct):
    """Which tasks, in order: 16 bytes each."""

    sources: list[str] = []
    ids: list[str] = []

    def add(self, held: Held) -> None:
        """Append one."""
        self.sources.append(held.source)
        self.ids.append(held.id)

    def __len__(self) -> int:
        return len(self.ids)


async def _batches(
    exports: Exports, live: LiveView, matcher: Matcher, sort: Sort, limit: int
) -> AsyncGenerator[Sequence[msgspec.Struct]]:
    """Which tasks, and in which order, is decided at the beginning; each is read when its turn comes.

    So an export ends however fast tasks change, has none of them twice, and holds ids alone while its reader is slow.
    """
    chosen = await _choose(exports, live, matcher, sort, limit)
    for first in range(0, len(chosen), STEP):
        part = slice(first, first + STEP)
        yield [
            task_row(held.task()) for held in _current(live, matcher, zip(chosen.sources[part], chosen.ids[part], strict=True))
        ]


async def _choose(exports: Exports, live: LiveView, matcher: Matcher, sort: Sort, limit: int) -> _Chosen:
    chosen, seen = _Chosen(), defaultdict[str, set[str]](set)
    async for held in _each(exports, live, matcher, sort, limit):
        if held.id not in seen[held.source]:  # one that changes meanwhile may be met again behind
            seen[held.source].add(held.id)
            chosen.add(held)
    return chosen


async def _each(exports: Exports, live: LiveView, matcher: Matcher, sort: Sort, limit: int) -> AsyncIterator[Held]:
    """All that match, in order, while the view changes. It ends even if tasks move behind faster than they are met."""
    after: Place | None = None
    met, most = 0, limit
    while met < most:
        page = live.page(matcher, sort, min(PAGE, most - met), after)
        most = min(most, 2 * page.total) if after is None else most
        for held in page.tasks:
            yield held
        met, after = met + len(page.tasks), page.next
        if after is None:
            return
        await exports.pause()


def _current(live: LiveView, matcher: Matcher, keys: Iterable[tuple[str, str]]) -> Iterator[Held]:
    """What is held of these tasks now, without those that left or do not match any more."""
    for source, id_ in keys:
        replica = live.replicas.get(source)
        held = None if replica is None else replica.tasks.get(id_)
        if held is not None and _matches(matcher, held):
            yield held


def _matches(matcher: Matcher, held: Held) -> bool:
    return matcher.cohort(held.cohort.key) and (not matcher.workers or held.worker in matcher.workers)

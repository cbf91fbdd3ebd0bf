"""Query strings of the lists of workers, queues, sources and kinds, and what they let in."""

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from taskscope_shared.model import Engine, Queue, Source, SourceStatus, Worker, WorkerState

from taskscope_api.described import says
from taskscope_api.errors import ApiError
from taskscope_api.filters import MAX_VALUES, Matcher, filter_of
from taskscope_api.queries import Cursor, PageSize, Parameters, Values, single
from taskscope_api.subscriptions import MAX_LIMIT
from taskscope_api.wildcards import Wildcards

MAX_TEXT = 200
"""Characters of `q`."""
KEY = "key"
WORKER_SORTS = (
    KEY, "name", "source", "engine", "state", "hostname", "pool", "concurrency", "active", "reserved", "prefetch", "processed",
    "failed", "heartbeat_at", "started_at", "version", "clock_skew_seconds",
)  # fmt: skip
QUEUE_SORTS = (
    KEY, "name", "source", "engine", "depth", "unacked", "scheduled", "deferred", "running", "failed", "consumers",
    "oldest_at", "at",
)  # fmt: skip
SOURCE_SORTS = (
    KEY, "name", "engine", "status", "since", "received", "malformed", "dropped", "late", "events_per_second", "lag_seconds",
    "retained", "evicted", "uncounted_queued", "at",
)  # fmt: skip
KIND_SORTS = (
    "configured", "name", "total", "active", "reserved", "queued", "finished", "succeeded", "failed", "rejected", "lost",
    "success_rate",
)  # fmt: skip

Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


def _sorts(names: tuple[str, ...]) -> msgspec.Meta:
    both = [name for field in names for name in (field, f"-{field}")]
    return says("What to order by, descending with `-`; what is null comes last", f"-{names[-1]}", enum=both)


class OfSources(msgspec.Struct, kw_only=True):
    """What all these lists take."""

    source: Annotated[Values | None, says("Sources, any of which", ["archivist"])] = None
    limit: Annotated[PageSize, says("Items of a page")] = MAX_LIMIT
    cursor: Annotated[Cursor | None, says("`next_cursor` of the page before, with the same parameters")] = None


class WorkersQuery(OfSources, kw_only=True):
    """Of `/api/workers`."""

    engine: Annotated[list[Engine] | None, says("Engines, any of which", ["celery"])] = None
    state: Annotated[list[WorkerState] | None, says("States, any of which", ["online"])] = None
    name: Annotated[Values | None, says("Names, any of which; `*` stands for any text", ["celery@encoder-*"])] = None
    queue: Annotated[Values | None, says("Queues that the worker reads, any of which", ["vod"])] = None
    q: Annotated[Text | None, says("Words that all occur in name, host, state, pool, version, queues or detail", "encoder")] = (
        None
    )
    sort: Annotated[str, _sorts(WORKER_SORTS)] = KEY


class QueuesQuery(OfSources, kw_only=True):
    """Of `/api/queues`."""

    engine: Annotated[list[Engine] | None, says("Engines, any of which", ["celery"])] = None
    name: Annotated[Values | None, says("Names, any of which; `*` stands for any text", ["vod*"])] = None
    q: Annotated[Text | None, says("Words that all occur in name, source or detail", "vod")] = None
    sort: Annotated[str, _sorts(QUEUE_SORTS)] = KEY


class SourcesQuery(OfSources, kw_only=True):
    """Of `/api/sources`."""

    engine: Annotated[list[Engine] | None, says("Engines, any of which", ["celery"])] = None
    status: Annotated[list[SourceStatus] | None, says("How they are, any of which", ["down"])] = None
    name: Annotated[Values | None, says("Names, any of which; `*` stands for any text", ["archiv*"])] = None
    q: Annotated[Text | None, says("Words that all occur in name, reason or notes", "refused")] = None
    sort: Annotated[str, _sorts(SOURCE_SORTS)] = KEY


class KindsQuery(OfSources, kw_only=True):
    """Of `/api/kinds`."""

    kind: Annotated[Values | None, says("Kinds, any of which; `*` stands for any text", ["vod"])] = None
    sort: Annotated[str, _sorts(KIND_SORTS)] = "configured"


def engines_of(given: Parameters) -> frozenset[str]:
    """The engines asked for; empty for all."""
    return frozenset(filter_of(_some(given, "engine")).engine)


def sources_of(given: Parameters, scope: frozenset[str] | None) -> Matcher:
    """What lets in all tasks of the sources that are wanted and within the scope."""
    return Matcher(filter_of(_some(given, "source")), scope)


def wanted_workers(given: Parameters) -> Callable[[Worker], bool]:
    """Raises `ApiError` that names the parameter that is wrong."""
    engines, states, names = engines_of(given), _chosen(given, "state", WorkerState), names_of(given, "name")
    queues = frozenset(filter_of(_some(given, "queue")).queue)
    words = _words(given)

    def wanted(worker: Worker) -> bool:
        return (
            (not engines or worker.engine in engines)
            and (not states or worker.state in states)
            and (names is None or names.match(worker.name))
            and (not queues or not queues.isdisjoint(worker.queues or ()))
            and _said(
                words,
                worker.name,
                worker.hostname,
                worker.state,
                worker.pool,
                worker.version,
                worker.detail,
                *worker.queues or (),
            )
        )

    return wanted


def wanted_queues(given: Parameters) -> Callable[[Queue], bool]:
    """Raises `ApiError` that names the parameter that is wrong."""
    engines, names, words = engines_of(given), names_of(given, "name"), _words(given)

    def wanted(queue: Queue) -> bool:
        return (
            (not engines or queue.engine in engines)
            and (names is None or names.match(queue.name))
            and _said(words, queue.name, queue.source, queue.detail)
        )

    return wanted


def wanted_sources(given: Parameters) -> Callable[[Source], bool]:
    """Raises `ApiError` that names the parameter that is wrong."""
    engines, states, names = engines_of(given), _chosen(given, "status", SourceStatus), names_of(given, "name")
    words = _words(given)

    def wanted(source: Source) -> bool:
        return (
            (not engines or source.engine in engines)
            and (not states or source.status in states)
            and (names is None or names.match(source.name))
            and _said(words, source.name, source.status, source.reason, *source.notes)
        )

    return wanted


def names_of(given: Parameters, field: str) -> Wildcards | None:
    """The names asked for in a field; None for all."""
    asked: tuple[str, ...] = getattr(filter_of(_some(given, field)), field)
    return Wildcards(asked) if asked else None


def _some(given: Parameters, field: str) -> Parameters:
    """That parameter alone: others of the name of a task's filter mean something else here."""
    return {field: given.get(field, ())}


def _chosen(given: Parameters, field: str, choices: Iterable[str]) -> frozenset[str]:
    asked = [part.strip() for value in given.get(field, ()) for part in value.split(",") if part.strip()]
    if len(asked) > MAX_VALUES:
        raise ApiError.of_field(field, f"{len(asked)} values are too many; at most {MAX_VALUES}")
    there_are = tuple(choices)
    for value in asked:
        if value not in there_are:
            raise ApiError.of_field(field, f"{value[:100]!r} is not one of {', '.join(there_are)}")
    return frozenset(asked)


def _words(given: Parameters) -> list[str]:
    text = single(given, "q") or ""
    if len(text) > MAX_TEXT:
        raise ApiError.of_field("q", f"{len(text)} characters are too many; at most {MAX_TEXT}")
    return text.casefold().split()


def _said(words: list[str], *texts: str | None) -> bool:
    if not words:
        return True
    text = "\n".join(part for part in texts if part).casefold()
    return all(word in text for word in words)

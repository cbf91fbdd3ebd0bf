"""What is said about a configuration: to people, without secrets."""

from collections.abc import Iterator

from taskscope_shared.settings import CelerySource, Settings, SourceSettings, shown_url


def has_own_redis(settings: Settings) -> bool:
    """Whether nobody named a Redis for Taskscope itself, so that `up` runs one of its own."""
    return "url" not in settings.redis.model_fields_set


def greeting(settings: Settings, address: str, *, has_page: bool) -> str:
    """What `up` says once it serves at `address`."""
    return "\n".join(["", *_lines(settings, address, has_page=has_page), "", "Press Ctrl-C to stop.", ""])


def _lines(settings: Settings, address: str, *, has_page: bool) -> Iterator[str]:
    yield f"Taskscope is at {address}{settings.api.base_path}/#realtime"
    if not has_page:
        yield "  This installation has no page, only the api: build it with `make web`."
    yield ""
    for source in settings.sources:
        yield f"  watching   {describe(source)}"
    if not settings.sources:
        yield "  watching   nothing yet: stop, and start with --celery URL, --rq URL or --config FILE"
    if settings.access.mode not in (None, "none"):
        tokens = f", tokens of {settings.access.tokens.file}" if settings.access.tokens else ""
        yield f"  asks       who one is: mode {settings.access.mode}{tokens}"
        if settings.access.session.key is None:
            yield "             browsers sign in again after a restart, unless access.session.key is set"
    own = "a Valkey of its own; what it knows is forgotten at the end"
    yield f"  remembers  in {own if has_own_redis(settings) else shown_url(settings.redis.url)}"


def describe(source: SourceSettings) -> str:
    """A source in one line, without secrets."""
    if not isinstance(source, CelerySource):
        return f"{source.name} (RQ): {shown_url(source.redis_url)}"
    if source.result_backend is None:
        results = "no result backend"
    elif source.result_backend == source.broker_url:
        results = "results there, too"
    else:
        results = f"results in {shown_url(source.result_backend)}"
    return f"{source.name} (Celery): {shown_url(source.broker_url)}, {results}"

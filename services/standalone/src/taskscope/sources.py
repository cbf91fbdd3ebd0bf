"""`taskscope check` and `taskscope events`: each source once, without a collector."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from taskscope_collector.observations import CHECK_FAILED, SourceRunner
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.source import CelerySourceRunner
from taskscope_collector.sources.rq.source import RqSourceRunner
from taskscope_shared.clock import SystemClock
from taskscope_shared.keys import KEY_TTL_SECONDS, Keys
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import CelerySource, Settings, SourceSettings, resolve_url, shown_url
from taskscope_shared.store import StoreError

from taskscope.greeting import describe, has_own_redis

NO_SOURCES = "No source is configured: name one with --celery URL, --rq URL or --config FILE."


def check(settings: Settings) -> int:
    """Say what our Redis and each source answer; 0 when all do, else 1."""
    return asyncio.run(_check(settings))


def events(settings: Settings, *, on: bool) -> int:
    """Switch off what was switched on, or allow it again; 0 when that was done everywhere, else 1."""
    return asyncio.run(_events_on(settings) if on else _events_off(settings))


async def _check(settings: Settings) -> int:
    if not settings.sources:
        _say(NO_SOURCES)
        return 1
    answers = await asyncio.gather(_check_redis(settings), *(_check_source(each, settings) for each in settings.sources))
    for title, lines in answers:
        _say(*([title] if title else []), *(f"  {line}" for line in lines))
    failed = any(line.startswith(CHECK_FAILED) for _, lines in answers for line in lines)
    _say("", "Something does not answer." if failed else "The configuration is right, and everything answers.")
    return 1 if failed else 0


async def _check_redis(settings: Settings) -> tuple[str, list[str]]:
    if has_own_redis(settings):
        return "", []
    title = f"Taskscope's own Redis: {shown_url(settings.redis.url)}"
    store = RedisStore.from_settings(settings, SystemClock())
    try:
        await store.ping()
    except StoreError as error:
        return title, [f"{CHECK_FAILED}{error}"]
    finally:
        await store.close()
    return title, ["answers"]


async def _check_source(source: SourceSettings, settings: Settings) -> tuple[str, list[str]]:
    return describe(source), await _runner(source, settings).check()


def _runner(source: SourceSettings, settings: Settings) -> SourceRunner:
    redactor, clock = Redactor(settings.redaction), SystemClock()
    if isinstance(source, CelerySource):
        return CelerySourceRunner(source, redactor, clock)
    return RqSourceRunner(source, redactor, clock)


# -------------------------------------------------------------------------------------------------------------- Events


async def _events_off(settings: Settings) -> int:
    """The mark comes first: a collector that runs would switch them on again."""
    celery = _celery(settings)
    if not celery:
        _say(NO_SOURCES if not settings.sources else "No Celery source is configured: there is nothing to switch off.")
        return 0 if settings.sources else 1
    marked = await _mark(settings, lambda link, key: link.call(("SET", key, "1", "EX", KEY_TTL_SECONDS)))
    statuses = [await _switch_off(source, settings) for source in celery]
    return 0 if marked and all(statuses) else 1


async def _switch_off(source: CelerySource, settings: Settings) -> bool:
    try:
        async with asyncio.timeout(30):
            workers = await _runner(source, settings).events_off()
    except Exception as error:  # noqa: BLE001 - the boundary of this source: said, and the next one is tried
        _say(f"{source.name}: not switched off: {str(error) or type(error).__name__}")
        return False
    _say(f"{source.name}: {workers} worker{'' if workers == 1 else 's'} switched off")
    return True


async def _events_on(settings: Settings) -> int:
    if has_own_redis(settings):
        _say("There is no mark to take away: name Taskscope's own Redis with --redis URL or --config FILE.")
        return 1
    if not await _mark(settings, lambda link, key: link.call(("DEL", key))):
        return 1
    _say("Collectors that run may switch events on again.")
    return 0


async def _mark(settings: Settings, change: Callable[[RedisLink, str], Awaitable[object]]) -> bool:
    """Change the stop mark of each Celery source in our Redis; whether that worked."""
    if has_own_redis(settings):
        _say("A `taskscope up` with a Valkey of its own is not told (nobody else reaches it): stop it first.")
        return True
    link = RedisLink(lambda: resolve_url(settings.redis.url))
    try:
        for source in _celery(settings):
            await change(link, Keys(settings.redis.prefix).stop_mark(source.name))
    except StoreError as error:
        _say(f"Collectors that run are not told: {error}")
        return False
    finally:
        await link.drop()
    return True


def _celery(settings: Settings) -> list[CelerySource]:
    return [source for source in settings.sources if isinstance(source, CelerySource)]


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()

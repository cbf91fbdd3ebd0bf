"""`taskscope check` and `taskscope events`: each source once, without a collector."""

import asyncio
import logging
import sys

from taskscope_collector.observations import CHECK_FAILED, SourceRunner
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.source import CelerySourceRunner
from taskscope_collector.sources.rq.source import RqSourceRunner
from taskscope_shared import codec
from taskscope_shared.clock import SystemClock
from taskscope_shared.keys import KEY_TTL_SECONDS, Keys
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import CelerySource, Settings, SourceSettings, resolve_url, shown_url
from taskscope_shared.store import StoreError

from taskscope.access import check_access
from taskscope.greeting import describe, has_own_redis

NO_SOURCES = "No source is configured: name one with --celery URL, --rq URL or --config FILE."
OFF_SECONDS = 30.0
"""For all workers of a source."""


def check(settings: Settings) -> int:
    """Say what our Redis and each source answer; 0 when all do, else 1."""
    _quiet()
    return asyncio.run(_check(settings))


def events(settings: Settings, *, on: bool) -> int:
    """Switch off what was switched on, or allow it again; 0 when that was done everywhere, else 1."""
    if not _celery(settings):
        _say("No Celery source is configured: there is nothing to switch.")
        return 1
    if has_own_redis(settings):
        _say(
            "Name Taskscope's own Redis with --redis URL or --config FILE: it remembers which workers were switched on.",
            "A `taskscope up` with a Valkey of its own switches them off when it stops.",
        )
        return 1
    _quiet()
    return asyncio.run(_events_on(settings) if on else _events_off(settings))


async def _check(settings: Settings) -> int:
    if not settings.sources:
        _say(NO_SOURCES)
        return 1
    answers = [check_access(settings)]
    answers += await asyncio.gather(_check_redis(settings), *(_check_source(each, settings) for each in settings.sources))
    for title, lines in answers:
        _say(*([title] if title else []), *(f"  {line}" for line in lines))
    failed = any(line.startswith(CHECK_FAILED) for _, lines in answers for line in lines)
    _say("", "Something is wrong, or does not answer." if failed else "The configuration is right, and everything answers.")
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
    if isinstance(source, CelerySource):
        return _celery_runner(source, settings)
    return RqSourceRunner(source, Redactor(settings.redaction), SystemClock())


def _celery_runner(source: CelerySource, settings: Settings) -> CelerySourceRunner:
    return CelerySourceRunner(source, Redactor(settings.redaction), SystemClock())


# -------------------------------------------------------------------------------------------------------------- Events


async def _events_off(settings: Settings) -> int:
    """The mark comes first: a collector that runs would switch them on again."""
    link = RedisLink(lambda: resolve_url(settings.redis.url))
    try:
        return 0 if all([await _switch_off(source, settings, link) for source in _celery(settings)]) else 1
    finally:
        await link.drop()


async def _switch_off(source: CelerySource, settings: Settings, link: RedisLink) -> bool:
    """Mark the source, and ask those of its workers that our Redis remembers as switched on by us."""
    keys = Keys(settings.redis.prefix)
    try:
        async with asyncio.timeout(OFF_SECONDS):
            mark = ("SET", keys.stop_mark(source.name), "1", "EX", KEY_TTL_SECONDS)
            _, stored = await link.call(mark, ("HVALS", keys.workers(source.name)))
            ours = [worker.name for worker in map(codec.decode_worker, stored) if worker.events_enabled_by_us]
            answered = await _celery_runner(source, settings).events_off(ours) if ours else 0
    except Exception as error:  # noqa: BLE001 - the boundary of this source: said, and the next one is tried
        _say(f"{source.name}: not switched off: {str(error) or type(error).__name__}")
        return False
    _say(f"{source.name}: {len(ours)} of its workers were switched on, {answered} are switched off now")
    return answered == len(ours)


async def _events_on(settings: Settings) -> int:
    link = RedisLink(lambda: resolve_url(settings.redis.url))
    try:
        await link.call(*(("DEL", Keys(settings.redis.prefix).stop_mark(source.name)) for source in _celery(settings)))
    except StoreError as error:
        _say(f"The mark is still there: {error}")
        return 1
    finally:
        await link.drop()
    _say("Collectors that run may switch events on again.")
    return 0


def _celery(settings: Settings) -> list[CelerySource]:
    return [source for source in settings.sources if isinstance(source, CelerySource)]


def _quiet() -> None:
    """The lines say what is wrong; what libraries log about it would stand between them."""
    logging.getLogger().addHandler(logging.NullHandler())


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()

"""`taskscope check` and `taskscope events`: each source once, without a collector."""

import asyncio
import logging
import sys

from taskscope_collector.observations import CHECK_FAILED, SourceRunner
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.source import CelerySourceRunner
from taskscope_collector.sources.rq.source import RqSourceRunner
from taskscope_collector.worker_events import allow, celery_sources, switch_off
from taskscope_shared.clock import SystemClock
from taskscope_shared.keys import KEY_TTL_SECONDS
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import CelerySource, Settings, SourceSettings, shown_url
from taskscope_shared.store import StoreError

from taskscope.access import check_access
from taskscope.greeting import describe, has_own_redis

NO_SOURCES = "No source is configured: name one with --celery URL, --rq URL or --config FILE."


def check(settings: Settings) -> int:
    """Say what our Redis and each source answer; 0 when all do, else 1."""
    _quiet()
    return asyncio.run(_check(settings))


def events(settings: Settings, *, on: bool) -> int:
    """Switch off what was switched on, or allow it again; 0 when that was done everywhere, else 1."""
    if not celery_sources(settings):
        _say("No Celery source is configured: there is nothing to switch.")
        return 1
    if has_own_redis(settings):
        _say(
            "Name Taskscope's own Redis with --redis URL or --config FILE: it remembers which workers were switched on.",
            "A `taskscope up` with a Valkey of its own switches them off when it stops.",
        )
        return 1
    _quiet()
    return 0 if asyncio.run(allow(settings, _say) if on else switch_off(settings, _say, KEY_TTL_SECONDS)) else 1


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
    redactor, clock = Redactor(settings.redaction), SystemClock()
    if isinstance(source, CelerySource):
        return CelerySourceRunner(source, redactor, clock)
    return RqSourceRunner(source, redactor, clock)


def _quiet() -> None:
    """The lines say what is wrong; what libraries log about it would stand between them."""
    logging.getLogger().addHandler(logging.NullHandler())


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()

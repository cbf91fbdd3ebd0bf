"""Switching the workers' events off that collectors switched on, and allowing it again, without a collector."""

import asyncio
from collections.abc import Callable

from taskscope_shared import codec
from taskscope_shared.clock import SystemClock
from taskscope_shared.keys import Keys
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.settings import CelerySource, Settings, resolve_url
from taskscope_shared.store import StoreError

from taskscope_collector.redaction import Redactor

OFF_SECONDS = 30.0
"""For all workers of a source; sources are asked at the same time."""

Say = Callable[[str], None]


def celery_sources(settings: Settings) -> list[CelerySource]:
    """Those whose workers can be switched."""
    return [source for source in settings.sources if isinstance(source, CelerySource)]


async def switch_off(settings: Settings, say: Say, mark_seconds: int) -> bool:
    """Ask all workers that were switched on to send no events; whether all of them answered. `say` gets a line a source.

    A mark in our Redis comes first, and stays for `mark_seconds`: a collector that runs would switch them on again.
    """
    link = RedisLink(lambda: resolve_url(settings.redis.url))
    try:
        sources = celery_sources(settings)
        return all(await asyncio.gather(*(_switch_off(source, settings, link, say, mark_seconds) for source in sources)))
    finally:
        await link.drop()


async def _switch_off(source: CelerySource, settings: Settings, link: RedisLink, say: Say, mark_seconds: int) -> bool:
    """Mark the source, and ask those of its workers that our Redis remembers as switched on by us."""
    from taskscope_collector.sources.celery.source import CelerySourceRunner  # what it needs is loaded when it is used

    keys = Keys(settings.redis.prefix)
    try:
        async with asyncio.timeout(OFF_SECONDS):
            mark = ("SET", keys.stop_mark(source.name), "1", "EX", mark_seconds)
            _, stored = await link.call(mark, ("HVALS", keys.workers(source.name)))
            ours = [worker.name for worker in map(codec.decode_worker, stored) if worker.events_enabled_by_us]
            runner = CelerySourceRunner(source, Redactor(settings.redaction), SystemClock())
            answered = await runner.events_off(ours) if ours else 0
    except Exception as error:  # noqa: BLE001 - the boundary of this source: said, and the others are tried
        say(f"{source.name}: not switched off: {str(error) or type(error).__name__}")
        return False
    say(f"{source.name}: {len(ours)} of its workers were switched on, {answered} are switched off now")
    return answered == len(ours)


async def allow(settings: Settings, say: Say) -> bool:
    """Take the marks away; whether that was done."""
    link = RedisLink(lambda: resolve_url(settings.redis.url))
    try:
        await link.call(*(("DEL", Keys(settings.redis.prefix).stop_mark(source.name)) for source in celery_sources(settings)))
    except StoreError as error:
        say(f"The mark is still there: {error}")
        return False
    finally:
        await link.drop()
    say("Collectors that run may switch events on again.")
    return True

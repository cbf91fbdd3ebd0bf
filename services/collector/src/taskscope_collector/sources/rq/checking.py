"""What an RQ source answers, in lines for people (`taskscope check`)."""

import asyncio

from taskscope_shared.settings import RqSource, SecretUnavailableError, resolve_url

from taskscope_collector.observations import CHECK_FAILED, Counts
from taskscope_collector.sources.faults import reason_of
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.keys import Keys
from taskscope_collector.sources.rq.tracking import Changes, open_tracking

DEADLINE_SECONDS = 10.0


async def check_rq(settings: RqSource) -> list[str]:
    """Connect, count, and try what watching needs; a failure is a line, too."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await _check(settings)
    except (OSError, RespError, ValueError, SecretUnavailableError) as error:
        return [f"{CHECK_FAILED}redis does not answer: {reason_of(error)}"]


async def _check(settings: RqSource) -> list[str]:
    url = resolve_url(settings.redis_url)
    keys = Keys(settings.key_prefix)
    connection = await RespConnection.open(url)
    try:
        lines = ["redis: answers"]
        lines.append(await _listed(connection, "queues", keys.queues, "is the key prefix right?"))
        lines.append(await _listed(connection, "workers", keys.workers, "none is running"))
        lines.append(await _subscribers(connection, keys))
    finally:
        await connection.close()
    return [*lines, await _tracking(url, keys) if settings.tracking else "changes: polled, as configured"]


async def _listed(connection: RespConnection, what: str, key: str, hint: str) -> str:
    count = await connection.execute("SCARD", key)
    return f"{what}: {count}" if count else f"{what}: none in {key}; {hint}"


async def _subscribers(connection: RespConnection, keys: Keys) -> str:
    try:
        await connection.execute("PUBSUB", "NUMSUB", keys.channel("none"))
    except RespError as error:
        return f"workers' channels: not to be seen ({error}); a killed worker is noticed when its entry expires"
    return "workers' channels: can be seen"


async def _tracking(url: str, keys: Keys) -> str:
    try:
        connection = await open_tracking(url, keys, Changes(keys, Counts()))
    except RespError as error:
        return f"changes: polled, since the server refuses to push them ({error})"
    await connection.close()
    return "changes: pushed by the server"

"""What a Celery source answers, in lines for people (`taskscope check`)."""

import asyncio

from taskscope_shared.settings import resolve_url

from taskscope_collector.observations import CHECK_FAILED
from taskscope_collector.sources.celery.links import Link, link_of
from taskscope_collector.sources.celery.mailbox import Question
from taskscope_collector.sources.celery.names import glob_escaped, result_prefix
from taskscope_collector.sources.celery.parts import Parts
from taskscope_collector.sources.celery.supervision import EXPECTED_FAULTS
from taskscope_collector.sources.faults import reason_of
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.resp_url import SCHEMES

DEADLINE_SECONDS = 10.0


async def check_celery(parts: Parts) -> list[str]:
    """Ask everything once; a failure is a line, too."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            lines = await _broker(link_of(parts))
    except EXPECTED_FAULTS as error:
        lines = [f"{CHECK_FAILED}broker: {reason_of(error)}"]
    return [*lines, await _results(parts)]


async def _broker(link: Link) -> list[str]:
    async with link.mailbox() as mailbox:
        answers = await mailbox.ask([Question("ping")])
    replied = sorted(answers.workers())
    await link.try_events()
    shown = f": {', '.join(replied[:10])}{' …' if len(replied) > 10 else ''}" if replied else ""
    silent = (answers.subscribed or 0) - len(replied)
    busy = f"; {silent} more listen but did not answer (busy with a solo pool?)" if silent > 0 else ""
    return [f"broker: {link.transport}, answers", f"workers: {len(replied)} answered{shown}{busy}", "events: can be received"]


async def _results(parts: Parts) -> str:
    settings = parts.settings
    if settings.result_backend is None:
        return "result backend: none configured, so there is no progress, and outcomes come from events alone"
    try:
        url = resolve_url(settings.result_backend)
        if url.partition(":")[0] not in SCHEMES:
            return f"result backend: {url.partition(':')[0]} cannot be read, so there is no progress"
        connection = await RespConnection.open(url)
        try:
            await connection.execute("PSUBSCRIBE", f"{glob_escaped(result_prefix(settings.result_keyprefix))}*")
        except RespError as error:
            return f"result backend: answers, and is polled, since it may not be subscribed to ({error})"
        finally:
            await connection.close()
    except EXPECTED_FAULTS as error:
        return f"{CHECK_FAILED}result backend: {reason_of(error)}"
    return "result backend: answers, and publishes progress and results"

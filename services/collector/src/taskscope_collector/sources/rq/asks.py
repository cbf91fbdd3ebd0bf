"""What is asked about single RQ jobs and workers, on demand."""

from taskscope_shared.requests import Place, WorkerFacts

from taskscope_collector.configuration import shown_settings
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.resp import RespConnection, RespError
from taskscope_collector.sources.rq.keys import Keys

JOBS = 1_000
"""Ids of a queue that are looked at, from the end that workers take from."""
GONE = "it is not in its queue any more: a worker took it, or it was removed"
BEHIND = "more jobs of the queue than those are not looked through"
NO_NAMES = "RQ's workers register no names: they import whatever function a job names"
NO_WORKER = "RQ keeps nothing of this worker (any more)"


async def place(connection: RespConnection, keys: Keys, job_id: str, queue: str) -> Place:
    """Workers take from the head of the list (LPOP). Raises OSError or RespError."""
    key = keys.queue(queue)
    depth, index = await connection.pipeline([("LLEN", key), ("LPOS", key, job_id, "MAXLEN", JOBS)])
    if isinstance(depth, RespError):
        raise depth
    if isinstance(index, RespError):  # a server before 6.0.6, or one that forbids it
        ids = await connection.execute("LRANGE", key, 0, JOBS - 1)
        wanted = job_id.encode()
        index = ids.index(wanted) if wanted in ids else None
    if index is not None:
        return Place(index + 1, index, depth)
    return Place(None, JOBS, depth, BEHIND) if depth > JOBS else Place(None, None, depth, GONE)


async def worker_facts(connection: RespConnection, keys: Keys, name: str, redactor: Redactor) -> WorkerFacts:
    """Its hash is all that RQ knows. Raises OSError or RespError."""
    pairs = await connection.execute("HGETALL", keys.worker(name))
    texts = [part.decode("utf-8", "replace") for part in pairs]
    fields = dict(zip(texts[::2], texts[1::2], strict=True))
    if not fields:
        return WorkerFacts(None, None, {"registered": NO_NAMES, "configuration": NO_WORKER})
    return WorkerFacts(None, shown_settings(fields, redactor), {"registered": NO_NAMES})

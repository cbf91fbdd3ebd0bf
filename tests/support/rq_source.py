"""What tests of the RQ source share: a source that is quick, and jobs as RQ writes them."""

import pickle
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis
from support.rq_site import RqSite
from support.watch import Watched
from taskscope_shared.settings import RqSource

CREATED = "2026-01-02T03:04:05.678901Z"


@asynccontextmanager
async def watching(url: str, **settings: Any) -> AsyncIterator[Watched]:
    """A source that runs; `settings` may go beyond what a configuration may say, to be quick."""
    source = RqSource(name="media", redis_url=url).model_copy(update=settings)
    async with Watched(source) as watched:
        yield watched


def put_job(client: redis.Redis, job_id: str, status: str, **fields: object) -> None:
    mapping: dict[Any, Any] = {
        "status": status,
        "created_at": CREATED,
        "origin": "main",
        "description": "app.jobs.encode(7)",
        "data": zlib.compress(pickle.dumps(("app.jobs.encode", None, (7,), {}))),
        **fields,
    }
    client.hset(f"rq:job:{job_id}", mapping=mapping)
    client.sadd("rq:queues", "rq:queue:main")


def expire_run(site: RqSite, seconds: float) -> None:
    """As if the only run of the queue `main` had last been vouched for until `seconds` ago."""
    runs: Any = site.redis.zrange("rq:wip:main", 0, -1)
    site.redis.zadd("rq:wip:main", {runs[0]: time.time() - seconds}, xx=True)

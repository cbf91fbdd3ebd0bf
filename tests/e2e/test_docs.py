"""`/docs` in Chromium: it shows every operation and message, asks the api, and asks nobody else."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
from support.api import Writing, served, task
from support.servers import unavailable
from support.waiting import eventually
from taskscope_api import asyncapi, openapi
from taskscope_api.app import create_app
from taskscope_api.blueprints.documentation import BUNDLED
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Api, Settings
from taskscope_shared.settings_access import Access, Tokens
from taskscope_shared.testing import MemoryStore

WEB = Path(__file__).parents[2] / "services" / "web"
SCRIPT = Path(__file__).with_name("test_docs_page.mjs")
SECONDS = 90.0


@pytest.fixture
def _browser() -> None:
    if shutil.which("node") is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        unavailable("the page cannot be opened: there is no node, or no playwright-core in services/web/node_modules")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        unavailable("the page cannot be opened: there is no /usr/bin/chromium")
    if not BUNDLED.is_dir():
        unavailable("the viewer is not there: `make viewer` brings it")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_browser")
@pytest.mark.parametrize("base", ["", "/monitoring/tasks"])
async def test_the_viewer_shows_all_asks_the_api_and_nobody_else(base: str) -> None:
    clock = SystemClock()
    store = MemoryStore(clock)
    await (await Writing(store, clock).begin()).write(task("a"))
    app = create_app(Settings(api=Api(base_path=base)), store, clock)
    operations = sum(len(methods) for methods in openapi.document(app)["paths"].values())
    async with served(app) as port:
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        seen = await _look(f"http://127.0.0.1:{port}{base}")
    push = seen.pop("push")
    described = [message for channel in asyncapi.document()["channels"].values() for message in channel["messages"]]
    assert (push["messages"], push["errors"], push["outside"], push["fits"]) == (len(described), [], [], True)
    assert "Tasks that the window shows, 1 to 500" in str(push["text"])
    for width, page in seen.items():
        assert (width, page["outside"], page["errors"]) == (width, [], [])
        assert (width, page["operations"], page["status"], page["fits"]) == (width, operations, "200", True)
    assert seen["wide"]["background"] != seen["narrow"]["background"]


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_browser")
async def test_who_did_not_sign_in_is_told_so_and_where(tmp_path: Path) -> None:
    (tmp_path / "tokens.yaml").write_text("[]\n")
    clock = SystemClock()
    access = Access(mode="token", tokens=Tokens(file=str(tmp_path / "tokens.yaml")))
    app = create_app(Settings(access=access), MemoryStore(clock), clock)
    async with served(app) as port:
        seen = await _look(f"http://127.0.0.1:{port}", "unknown")
    for page in seen.values():
        assert "say who you are, by one of: token. Sign in, and come back." in " ".join(str(page["text"]).split())
        assert page["leads"] == f"http://127.0.0.1:{port}/"


async def _look(url: str, *who: str) -> dict[str, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        "node", SCRIPT, WEB, url, *who, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    seen: dict[str, dict[str, object]] = json.loads(output)
    return seen

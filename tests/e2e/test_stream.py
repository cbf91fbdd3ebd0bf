"""`/api/stream` in Chromium: an `EventSource` follows it, and comes back by itself where it was."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
from support.access import Seeing
from support.api import Writing, served, task
from support.servers import unavailable
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.principals import Principal
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import State
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

WEB = Path(__file__).parents[2] / "services" / "web"
SCRIPT = Path(__file__).with_name("test_stream_page.mjs")
SECONDS = 60.0


class Interrupted(Seeing):
    """Ends what is open once."""

    interrupt = False

    def holds(self, principal: Principal) -> bool:  # noqa: ARG002 - the protocol's
        held, self.interrupt = not self.interrupt, False
        return held


@pytest.fixture
def _browser() -> None:
    if shutil.which("node") is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        unavailable("no page can be opened: there is no node, or no playwright-core in services/web/node_modules")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        unavailable("no page can be opened: there is no /usr/bin/chromium")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_browser")
async def test_an_event_source_follows_and_comes_back() -> None:
    clock, access = SystemClock(), Interrupted("s")
    store = MemoryStore(clock)
    writing = await Writing(store, clock).begin()
    await writing.write(task("a"))
    app = create_app(Settings(), store, clock, access=access)
    async with served(app) as port:
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        process = await asyncio.create_subprocess_exec(
            "node", SCRIPT, WEB, f"http://127.0.0.1:{port}", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            assert await process.stdout.readline() == b"following\n"
            access.interrupt = True
            await writing.write(task("a", state=State.SUCCEEDED))
            seen = json.loads(await process.stdout.readline())
            assert await process.wait() == 0
    assert seen["opened"] == 2
    assert seen["kinds"][0] == "snapshot"
    assert seen["ids"] == len(seen["kinds"]), "each update had its position as id"

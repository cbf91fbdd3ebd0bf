"""Every example of docs/api.md and docs/client.md, as it stands, against an api that is served."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.api import Writing, served, task
from support.servers import unavailable
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Attempt, Engine, Progress, Queue, State, Worker, WorkerState
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = [
    (f"{name}-{number}-{language}", language, text)
    for name in ("api", "client")
    for number, (language, text) in enumerate(
        re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / f"{name}.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]
RUN = {
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
SECONDS = 30.0


@pytest.fixture
async def port() -> AsyncIterator[int]:
    clock = SystemClock()
    store, now = MemoryStore(clock), clock.now()
    states = list(State)
    tasks = [
        task(
            str(number),
            state=states[number % len(states)],
            kind="vod",
            exception_type="ValueError" if states[number % len(states)] is State.FAILED else None,
            runtime_seconds=1.5,
            started_at=now - 2,
            finished_at=now if states[number % len(states)] is State.FAILED else None,
            updated_at=now,
        )
        for number in range(450)
    ]
    attempt = Attempt(1, State.RETRYING, worker="w", finished_at=now)
    tasks.append(task("6f1d2c", history=(attempt,), attempts=2, progress=Progress(1, 4, 25.0, "one", now), updated_at=now))
    worker = Worker("celery@encoder-1", "archivist", Engine.CELERY, WorkerState.ONLINE, heartbeat_at=now)
    queues = [Queue("vod", "archivist", Engine.CELERY, depth=3)]
    await (await Writing(store, clock, "archivist").begin()).write(*tasks, workers=[worker], queues=queues)
    app = create_app(Settings(), store, clock)
    async with served(app) as port:
        await eventually(lambda: app.extensions["taskscope"].fleet.ready)
        yield port


@pytest.mark.parametrize(("language", "text"), [example[1:] for example in EXAMPLES], ids=[example[0] for example in EXAMPLES])
async def test_an_example_of_a_guide_runs(language: str, text: str, port: int) -> None:
    program = {"bash": "curl", "javascript": "node"}.get(language)
    if program is not None and shutil.which(program) is None:
        unavailable(f"an example cannot run: there is no {program}")
    code = text.replace("127.0.0.1:5051", f"127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(
        *RUN[language], code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    assert output.strip()


def test_the_guides_have_examples_in_every_language() -> None:
    assert {language for _, language, _ in EXAMPLES} == set(RUN)
    assert len([name for name, *_ in EXAMPLES if name.startswith("client")]) > 5

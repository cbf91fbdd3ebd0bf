"""The collector: its sources go on without each other, share the budgets, and say how they are."""

import asyncio
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.servers import free_port
from support.tiny_source import TinySource, TinyState, event
from support.waiting import eventually, wait_for
from taskscope_collector import collector as collecting
from taskscope_collector.collector import Collector
from taskscope_collector.observations import Reconnected
from taskscope_collector.probes import serving
from taskscope_collector.reducer.state import ReducerSettings
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import SourceStatus, State
from taskscope_shared.settings import CelerySource, Retention, RqSource, Settings
from taskscope_shared.store import StoreError
from taskscope_shared.testing import MemoryStore

SETTINGS = Settings(
    sources=(CelerySource(name="a", broker_url="redis://nowhere"), RqSource(name="b", redis_url="redis://nowhere")),
    retention=Retention(finished=1000, failed=400, queued=200),
)


class Fixture:
    """A collector over the store's twin, with a source and a state of a few lines for each configured source."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.sources: dict[str, list[TinySource]] = {"a": [], "b": []}
        self.states: dict[str, TinyState] = {}
        self.settings: dict[str, ReducerSettings] = {}
        self.collector = Collector(
            SETTINGS, store, SystemClock(), make_runner=self._runner, make_state=self._state, holder="me"
        )

    def _runner(self, settings: Any, *_: object) -> TinySource:
        self.sources[settings.name].append(TinySource())
        return self.sources[settings.name][-1]

    def _state(self, settings: ReducerSettings) -> TinyState:
        self.settings[settings.source] = settings
        return self.states.setdefault(settings.source, TinyState(settings.source))

    async def stored(self, source: str) -> dict[str, State]:
        snapshot = await self.store.snapshot(source)
        return {task.id: task.state for task in snapshot.tasks} if snapshot else {}


@asynccontextmanager
async def running() -> AsyncIterator[Fixture]:
    made = Fixture(MemoryStore(SystemClock()))
    task = asyncio.create_task(made.collector.run())
    try:
        await eventually(lambda: made.collector.is_ready() and all(made.sources.values()))
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_each_source_sees_is_stored_under_its_name() -> None:
    async with running() as made:
        made.sources["a"][0].send(event("1"))
        made.sources["b"][0].send(event("2"))
        await eventually(lambda: _has(made, {"a": ["1"], "b": ["2"]}))


async def test_a_source_is_told_that_it_is_active() -> None:
    async with running() as made:
        view = made.sources["a"][0].view
        assert view is not None
        assert view.active()


async def test_budgets_are_divided_among_the_sources() -> None:
    async with running() as made:
        for name in "ab":
            settings = made.settings[name]
            assert (settings.finished, settings.failed, settings.queued) == (500, 200, 100)


async def test_a_source_that_crashes_is_started_again_and_the_other_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "RESTART_SECONDS", (0.01,))
    async with running() as made:
        made.sources["a"][0].crash(RuntimeError("boom"))
        made.sources["b"][0].send(event("2"))
        await eventually(lambda: len(made.sources["a"]) == 2)
        made.sources["a"][1].send(event("1"))
        await eventually(lambda: _has(made, {"a": ["1"], "b": ["2"]}))
        assert made.collector.health()["sources"]["a"]["crashes"] == 1
        assert made.collector.health()["sources"]["b"]["crashes"] == 0


async def test_a_crash_is_shown_as_the_sources_health_and_what_was_open_has_to_be_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collecting, "RESTART_SECONDS", (60.0,))
    async with running() as made:
        made.sources["a"][0].crash(RuntimeError("boom"))
        state = made.states["a"]
        await eventually(lambda: state.health is not None and state.gaps)
        assert state.health is not None
        assert (state.health.status, state.health.reason) == (SourceStatus.DOWN, "crashed: RuntimeError: boom")
        assert isinstance(state.gaps[0], Reconnected)


async def test_it_is_not_ready_while_the_store_is_away() -> None:
    async with running() as made:
        made.store.fault = StoreError("away")
        await eventually(lambda: not made.collector.is_ready())
        assert made.collector.health()["sources"]["a"]["store"] == "away"
        made.store.fault = None
        await eventually(made.collector.is_ready)


async def test_stopping_gives_the_leases_up() -> None:
    async with running() as made:
        store = made.store
    for name in "ab":
        assert await store.acquire(name, "next", 1.0) is not None


async def _has(made: Fixture, expected: dict[str, list[str]]) -> bool:
    return {name: list(await made.stored(name)) for name in expected} == expected


class TestProbes:
    async def test_it_lives_and_is_ready(self) -> None:
        async with serving("127.0.0.1", 0, lambda: {"ready": True}) as port:
            assert await asyncio.to_thread(_get, port, "/livez") == (200, {"alive": True})
            assert await asyncio.to_thread(_get, port, "/readyz") == (200, {"ready": True})

    async def test_it_lives_and_is_not_ready(self) -> None:
        async with serving("127.0.0.1", 0, lambda: {"ready": False, "why": "x"}) as port:
            assert await asyncio.to_thread(_get, port, "/readyz") == (503, {"ready": False, "why": "x"})

    async def test_another_path_is_not_found_and_nonsense_is_survived(self) -> None:
        async with serving("127.0.0.1", 0, lambda: {"ready": True}) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 100_000 + b"\n")
            await reader.read()
            writer.close()
            assert (await asyncio.to_thread(_get, port, "/"))[0] == 404


def _get(port: int, path: str) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, msgspec.json.decode(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, msgspec.json.decode(error.read())


class TestCommand:
    def test_help_teaches_with_an_example(self) -> None:
        assert "broker_url:" in _run("--help").stdout

    def test_wrong_settings_are_said_all_at_once_and_end_it_with_2(self, tmp_path: Path) -> None:
        config = tmp_path / "taskscope.yaml"
        config.write_text("sources: [{name: a, engine: celery}]\nlease_seconds: 0\n")
        done = _run("--config", str(config))
        assert done.returncode == 2
        assert "broker_url" in done.stderr
        assert "lease_seconds" in done.stderr

    def test_nothing_to_watch_is_said(self) -> None:
        done = _run()
        assert (done.returncode, "nothing to watch" in done.stderr) == (2, True)

    def test_a_wrong_health_address_is_said(self) -> None:
        assert "is not HOST:PORT" in _run("--health", "5052").stderr

    def test_it_answers_probes_while_the_store_is_away_and_ends_at_sigterm(self, tmp_path: Path) -> None:
        config, port = tmp_path / "taskscope.yaml", free_port()
        config.write_text(
            "redis: {url: redis://127.0.0.1:1/0}\nsources: [{name: a, engine: celery, broker_url: redis://127.0.0.1:1/0}]\n"
        )
        process = subprocess.Popen(
            [*_command(), "--config", str(config), "--health", f"127.0.0.1:{port}"], stderr=subprocess.PIPE
        )
        try:
            wait_for(lambda: _answers(port), seconds=30)
            assert _get(port, "/readyz")[0] == 503
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.communicate()


def _answers(port: int) -> bool:
    try:
        return _get(port, "/livez")[0] == 200
    except OSError:
        return False


def _command() -> list[str]:
    return [sys.executable, "-m", "taskscope_collector"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASKSCOPE_")}
    return subprocess.run([*_command(), *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment)

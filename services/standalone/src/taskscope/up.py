"""`taskscope up`: collector, api and page in one process."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import uvicorn
from taskscope_api.__main__ import server_config
from taskscope_api.access.sessions import random_key
from taskscope_api.app import create_app
from taskscope_api.exposure import exposure
from taskscope_api.services import Services
from taskscope_collector.collector import Collector, make_runner
from taskscope_collector.metrics import observe
from taskscope_collector.observations import SourceRunner
from taskscope_collector.redaction import Redactor
from taskscope_shared import telemetry
from taskscope_shared.clock import Clock, SystemClock
from taskscope_shared.heap import freeze
from taskscope_shared.providers import Providers, begin
from taskscope_shared.redis_requests import RedisAnswerer, RedisAsker
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import Redis, Retention, Settings, SettingsError, SourceSettings, otel
from taskscope_shared.settings_access import Access
from taskscope_shared.token_uses import RedisTokenUses

from taskscope.embedded import EmbeddedValkeyError, embedded_valkey
from taskscope.greeting import greeting, has_own_redis
from taskscope.listening import ListenError, address_of, listen
from taskscope.options import ACCESS_HINT

WEB_ROOT = Path(__file__).parent / "web"
STOP_SECONDS = 15.0
"""How long requests, the last flush and the leases may take after Ctrl-C."""
EVENTS_OFF_SECONDS = 5.0
"""For the workers of one source."""

_log = logging.getLogger(__name__)


def up(settings: Settings) -> int:
    """Watch and serve until Ctrl-C or SIGTERM; the exit status."""
    if (warning := exposure(settings)) is not None:
        _complain(f"{warning}\n{ACCESS_HINT}")
        return 2
    try:
        providers = begin(otel(), "taskscope")
    except SettingsError as error:
        _complain(str(error))
        return 2
    telemetry.configure("taskscope", settings.log_level, json=False, more=providers.handlers)
    # Every request and every frame of each client would be a line, and everybody who is let in.
    for name in ("uvicorn", "taskscope_api.access", "taskscope_api.audit"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with listen(settings.api.host, settings.api.port) as listener, _redis(settings) as redis:
            hello = greeting(settings, address_of(listener), has_page=WEB_ROOT.is_dir())
            own = has_own_redis(settings)
            ours = settings.model_copy(update={"redis": redis, "access": _signing(settings.access)})
            return asyncio.run(_serve(ours, listener, hello, providers, forgetful=own))
    except (ListenError, EmbeddedValkeyError) as error:
        _complain(str(error))
        return 1
    except SettingsError as error:  # a secret that could not be read
        _complain(str(error))
        return 2
    finally:
        providers.end()


def _signing(access: Access) -> Access:
    """With a key for sessions: no other replica needs the same, and the greeting says that they end with us."""
    if access.session.key is not None:
        return access
    return access.model_copy(update={"session": access.session.model_copy(update={"key": random_key()})})


@contextlib.contextmanager
def _redis(settings: Settings) -> Iterator[Redis]:
    """The Redis that was named, or one of our own while the context lasts."""
    if not has_own_redis(settings):
        yield settings.redis
        return
    with embedded_valkey(SystemClock()) as url:
        yield settings.redis.model_copy(update={"url": url})


class _Server(uvicorn.Server):
    """Tells when it serves, and leaves signals to `_serve`, which has more than it to stop."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class _Runners:
    """Makes the sources' runners, and remembers the last one of each source."""

    def __init__(self) -> None:
        self._made: dict[str, SourceRunner] = {}

    def make(self, source: SourceSettings, share: Retention, redactor: Redactor, clock: Clock) -> SourceRunner:
        """As the collector does it."""
        runner = self._made[source.name] = make_runner(source, share, redactor, clock)
        return runner

    async def events_off(self) -> None:
        """Ask the workers that we switched on to stop sending events. Nobody else would know which they are."""
        for name, runner in self._made.items():
            try:
                async with asyncio.timeout(EVENTS_OFF_SECONDS):
                    await runner.events_off()
            except Exception as error:  # noqa: BLE001 - the boundary of this source, whose broker may be gone: said, and on with the next
                _log.warning("events that were switched on stay on: %r", error, extra={"source": name})


async def _serve(settings: Settings, listener: socket.socket, hello: str, providers: Providers, *, forgetful: bool) -> int:
    """`forgetful`: what the store knows is gone at the end."""
    clock, runners = SystemClock(), _Runners()
    writer = RedisStore.from_settings(settings, clock)
    reader = RedisStore.from_settings(settings, clock)
    asker, answerer = RedisAsker.from_settings(settings), RedisAnswerer.from_settings(settings)
    app = create_app(
        settings,
        reader,
        clock,
        web_root=WEB_ROOT if WEB_ROOT.is_dir() else None,
        asker=asker,
        token_uses=RedisTokenUses.from_settings(settings),
        providers=providers,
    )
    config = server_config(app, settings)
    config.load()
    server = _Server(config, lambda: _say(hello))
    collector = Collector(settings, writer, clock, make_runner=runners.make, answerer=answerer, providers=providers)
    _observe(providers, collector, app.extensions["taskscope"])
    freeze()
    try:
        return await _run(collector.run() if settings.sources else _nothing_to_watch(), server, listener)
    finally:
        if forgetful:
            await runners.events_off()
        for each in (asker, answerer, writer, reader):
            await each.close()


def _observe(providers: Providers, collector: Collector, services: Services) -> None:
    """What both parts have in common is told once; the api has its own metrics with its app."""
    observe(providers, collector)
    providers.observe_redis(lambda: services.fleet.store.up and collector.reaches_store())


async def _nothing_to_watch() -> None:
    await asyncio.get_running_loop().create_future()


async def _run(collecting: Coroutine[None, None, None], server: _Server, listener: socket.socket) -> int:
    """Both until a signal, or until one of them ends by itself: that is a fault."""
    stopping = _signals(server)
    collector = asyncio.create_task(collecting, name="collector")
    api = asyncio.create_task(server.serve([listener]), name="api")
    await asyncio.wait({collector, api}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    collector.cancel()
    ended, unfinished = await asyncio.wait({collector, api}, timeout=STOP_SECONDS)
    faults = [error for task in ended if not task.cancelled() and (error := task.exception()) is not None]
    for fault in faults:
        _log.error("taskscope ends: a part of it failed", exc_info=fault)
    if unfinished:
        _log.error("taskscope ends, but did not finish: %s", ", ".join(sorted(task.get_name() for task in unfinished)))
    return 0 if stopping.is_set() and not faults and not unfinished else 1


def _signals(server: _Server) -> asyncio.Event:
    """The first Ctrl-C or SIGTERM ends the server in peace, the next one at once."""
    stopping = asyncio.Event()

    def stop() -> None:
        server.force_exit = stopping.is_set()
        server.should_exit = True
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopping


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")

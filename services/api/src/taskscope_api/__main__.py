"""`taskscope-api`: the api as a service of its own."""

import argparse
import asyncio
import gc
import logging
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from taskscope_shared import settings, telemetry
from taskscope_shared.clock import SystemClock
from taskscope_shared.ending import SIGNALS, end_when_told
from taskscope_shared.heap import freeze
from taskscope_shared.providers import Providers, begin
from taskscope_shared.redis_replicas import RedisReplicas
from taskscope_shared.redis_requests import RedisAsker
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import Settings, SettingsError
from taskscope_shared.token_uses import RedisTokenUses

from taskscope_api.app import create_app
from taskscope_api.draining import Draining
from taskscope_api.exposure import exposure
from taskscope_api.http_protocol import MAX_HEAD, http_protocol
from taskscope_api.services import Services
from taskscope_api.ws_protocol import WebSocketProtocol

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5
"""For requests that are being answered, after clients that stay were let go."""
PING_SECONDS = 20.0
"""Between pings of a WebSocket, and how long their answers may take."""
MESSAGE_BYTES = 64 * 1024
"""Of a client's message; ours are not bounded by it."""
BACKLOG = 2048
MOST_FILES = 65_536
COLLECT_AFTER = (20_000, 20, 20)
"""Tasks make no cycles: looking for those less often saves 5 % of what a change costs, and pauses."""


def main() -> None:
    """Read the settings and serve until SIGTERM. Exits 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="taskscope-api", description="REST and push over what the collector publishes.")
    parser.add_argument("--config", type=Path, help="the YAML file (TASKSCOPE_CONFIG)")
    arguments = parser.parse_args()
    try:
        # It holds no secrets that it has no use for.
        configured = settings.load(arguments.config, with_brokers=False, with_telemetry=True)
        if (warning := exposure(configured)) is not None:
            _refuse(warning)
        providers = begin(settings.otel(), "taskscope-api")
    except SettingsError as error:
        _refuse(str(error))
    telemetry.configure("taskscope-api", configured.log_level, json=True, more=providers.handlers)
    for name in ("uvicorn", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    end_when_told()
    gc.set_threshold(*COLLECT_AFTER)
    _allow_files()
    try:
        asyncio.run(_serve(configured, providers))
    except SettingsError as error:  # a secret that could not be read
        _refuse(str(error))
    finally:
        providers.end()


def _allow_files() -> None:
    """As many open files as the system lets this process have: each WebSocket is one, and many systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_in_peace(*_: object) -> None:
    """uvicorn ends at a signal and then raises it again, which would end the process as if it had been killed."""


def _refuse(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise SystemExit(2)


async def _serve(configured: Settings, providers: Providers) -> None:
    clock = SystemClock()
    store = RedisStore.from_settings(configured, clock)
    asker, replicas = RedisAsker.from_settings(configured), RedisReplicas.from_settings(configured)
    try:
        uses = RedisTokenUses.from_settings(configured)
        app = create_app(configured, store, clock, asker=asker, token_uses=uses, replicas=replicas, providers=providers)
        services: Services = app.extensions["taskscope"]
        providers.observe_redis(lambda: services.fleet.store.up)
        config = server_config(app, configured)
        config.load()
        freeze()
        for number in SIGNALS:
            signal.signal(number, _end_in_peace)
        await Server(config, app.extensions["taskscope_draining"]).serve()
    finally:
        await asker.close()
        await replicas.close()
        await store.close()


class Server(uvicorn.Server):
    """Lets its clients go when it is told to end; told so twice, it ends at once."""

    def __init__(self, config: uvicorn.Config, draining: Draining) -> None:
        super().__init__(config)
        self._draining = draining
        self._is_leaving = False
        self._leaving: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        if not self.started or self._is_leaving:
            super().handle_exit(sig, frame)
            return
        self._is_leaving = True
        asyncio.get_running_loop().call_soon_threadsafe(self._begin_to_leave, sig)

    def _begin_to_leave(self, sig: int) -> None:
        self._leaving = asyncio.create_task(self._leave(sig), name="leave")

    async def _leave(self, sig: int) -> None:
        logger.info("leaving: %s", signal.Signals(sig).name)
        try:
            await self._draining.run()
        finally:
            super().handle_exit(sig, None)


def server_config(app: object, configured: Settings) -> uvicorn.Config:
    """How the app is served. One frame goes to many clients as it is, so nothing is compressed for each of them."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # Quart is an ASGI application
        host=configured.api.host,
        port=configured.api.port,
        backlog=BACKLOG,
        http=http_protocol(),
        h11_max_incomplete_event_size=MAX_HEAD,
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe every process of this machine; `addresses.py` believes who is configured
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()

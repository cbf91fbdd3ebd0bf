"""`taskscope-collector`: the collector as a service of its own."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import NoReturn

from taskscope_shared import settings, telemetry
from taskscope_shared.clock import SystemClock
from taskscope_shared.ending import SIGNALS, end_when_told
from taskscope_shared.heap import freeze
from taskscope_shared.providers import Providers, begin
from taskscope_shared.redis_requests import RedisAnswerer
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.settings import Settings, SettingsError

from taskscope_collector.collector import Collector
from taskscope_collector.metrics import observe
from taskscope_collector.probes import serving
from taskscope_collector.worker_events import allow, celery_sources, switch_off

log = logging.getLogger(__name__)

DESCRIPTION = """\
Watches Celery and RQ, and publishes to Taskscope's own Redis what every task is doing.

Nothing is installed in the workers. Several collectors with the same configuration share the work: each source is written
by one of them, and another takes over within seconds when that one goes.
"""
EPILOG = """\
An example of the YAML file:

  redis: {url: redis://127.0.0.1:6379/0}        # Taskscope's own
  sources:
    - {name: archive, engine: celery, broker_url: redis://broker:6379/0, result_backend: redis://broker:6379/1}
    - {name: reports, engine: rq, redis_url: redis://queue:6379/0}

`taskscope-collector events off` leaves the workers as they were. `taskscope check` says what answers and what does not.
Exits 2 when the configuration cannot be used.
"""

EVENTS_DESCRIPTION = """\
Asks the workers to send no events that were asked to send them, and leaves a mark in Taskscope's own Redis for ten minutes, so
that collectors that run leave them alone until these have been stopped; `events on` takes it away. Ends within 30 s and with 0,
also when a broker or Redis does not answer: then it says so.
"""
MARK_SECONDS = 600


def main() -> None:
    """Read the settings, and collect until SIGTERM, or switch events."""
    end_when_told()
    arguments = _arguments()
    try:
        # It asks nobody who they are, and a command that ends at once exports nothing.
        configured = settings.load(arguments.config, with_access=False, with_telemetry=arguments.command is None)
    except SettingsError as error:
        _refuse(str(error))
    if not configured.sources:
        _refuse("sources: there is nothing to watch (add a source; taskscope-collector --help has an example)")
    if arguments.command == "events":
        _switch_events(configured, on=arguments.switch == "on")
        return
    try:
        providers = begin(settings.otel(), "taskscope-collector")
    except SettingsError as error:
        _refuse(str(error))
    telemetry.configure("taskscope-collector", configured.log_level, json=True, more=providers.handlers)
    host, _, port = arguments.health.rpartition(":")
    try:
        asyncio.run(_collect(configured, host, int(port), providers))
    except OSError as error:
        _refuse(f"--health {arguments.health}: {error}")
    finally:
        providers.end()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="taskscope-collector",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the YAML file (else TASKSCOPE_CONFIG, else TASKSCOPE_*)")
    parser.add_argument(
        "--health",
        type=_address,
        default="127.0.0.1:5052",
        metavar="HOST:PORT",
        help="where to answer /livez and /readyz (default: %(default)s; port 0: any)",
    )
    commands = parser.add_subparsers(dest="command", metavar="events off|on", title="instead of collecting")
    events = commands.add_parser(
        "events", help="switch the workers' events off that were switched on", description=EVENTS_DESCRIPTION
    )
    events.add_argument("switch", choices=["off", "on"])
    events.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="the YAML file, as above")
    return parser.parse_args()


def _switch_events(configured: Settings, *, on: bool) -> None:
    """Do what can be done, and say what cannot: whoever takes Taskscope away is not held up by a broker that is gone."""
    logging.getLogger().addHandler(logging.NullHandler())  # the lines say what is wrong
    if not celery_sources(configured):
        _say("No Celery source is configured: there is nothing to switch.")
        return
    asyncio.run(allow(configured, _say) if on else switch_off(configured, _say, MARK_SECONDS))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as in 0.0.0.0:5052")
    return text


def _refuse(text: str) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise SystemExit(2)


async def _collect(configured: Settings, host: str, port: int, providers: Providers) -> None:
    """Until SIGTERM or SIGINT; then what is left is written and the leases are given up."""
    clock = SystemClock()
    store = RedisStore.from_settings(configured, clock)
    answerer = RedisAnswerer.from_settings(configured)
    collector = Collector(configured, store, clock, answerer=answerer, providers=providers)
    observe(providers, collector)
    providers.observe_redis(collector.reaches_store)
    try:
        async with serving(host, port, collector.health) as served:
            log.info(
                "collecting", extra={"sources": len(configured.sources), "holder": collector.holder, "health_port": served}
            )
            freeze()
            await _until_stopped(asyncio.create_task(collector.run(), name="collector"))
    finally:
        await answerer.close()
        await store.close()


async def _until_stopped(collecting: asyncio.Task[None]) -> None:
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, collecting.cancel)
    try:
        await collecting
    except asyncio.CancelledError:
        log.info("stopped")


if __name__ == "__main__":
    main()

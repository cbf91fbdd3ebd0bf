"""What an export of 100,000 tasks costs, and what others notice of it: `python tests/bench/run.py export`.

As a script it is one of the clients: `export_load.py read URL` takes an export, `export_load.py probe URL SECONDS` asks again and again.
"""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from rig import HERE, Rig, Service, median, quantile, report, rig

Row = tuple[str, str, str]  # figure, to reach, measured
RETAINED = 100_000
EVENTS_PER_SECOND = 2000
EXPORTS = 5
PROBE_SECONDS = 10
PAUSE_SECONDS = 0.01
"""Between two requests of the client that watches."""


def export_load() -> list[Row]:
    """Exports while events arrive and another client asks for a page of 50."""
    with rig(rq=False) as it:
        _, api = it.start_all()
        _fill(it)
        before = it.source("celery")["received"]
        events = it.generate(rate=EVENTS_PER_SECOND, seconds=240, start=10_000_000)
        try:
            it.wait(lambda: bool(it.source("celery")["received"] > before + EVENTS_PER_SECOND), "events arrive")
            alone = report(_client(it, "probe", "/api/tasks?limit=50", PROBE_SECONDS))
            rows = [_measured(it, api, format_, alone) for format_ in ("csv", "ndjson")]
        finally:
            events.kill()
            events.wait()
    return rows


def _fill(it: Rig) -> None:
    report(it.generate(rate=12_000, tasks=RETAINED))
    it.wait(lambda: bool(it.get("/api/tasks?limit=1")["total"] >= RETAINED * 0.99), "tasks retained", 90)


def _measured(it: Rig, api: Service, format_: str, alone: dict[str, Any]) -> Row:
    watch = _Memory(api)
    probe = _client(it, "probe", "/api/tasks?limit=50", 600)
    watch.begin()
    used = api.cpu()
    taken = [report(_client(it, "read", f"/api/tasks?format={format_}&state=succeeded")) for _ in range(EXPORTS)]
    used, grown = (api.cpu() - used) / EXPORTS, watch.end()
    probe.terminate()
    seen = report(probe)
    seconds, size = median([one["seconds"] for one in taken]), taken[-1]["bytes"]
    text = (
        f"{seconds:.1f} s ({max(one['seconds'] for one in taken):.1f} s at most) for {taken[-1]['rows']:,} rows, {size / 1e6:.0f} MB; "
        f"{used:.1f} s of the api's CPU, the other requests' included; {grown / 1e6:.1f} MB above idle; a page of 50 meanwhile p50 {seen['p50']:.0f} ms, p99 {seen['p99']:.0f} ms "
        f"({seen['requests']:,} requests; without an export {alone['p50']:.0f} and {alone['p99']:.0f} ms)"
    )
    return (
        f"export of 100,000 tasks as {format_.upper()}, {EVENTS_PER_SECOND:,} events/s arriving",
        "≤ 5 s, ≤ 20 MB above idle, other requests' p99 ≤ 50 ms",
        text,
    )


class _Memory:
    """How far a process's resident bytes rise above the highest of the seconds before."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._idle = self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def begin(self) -> None:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            self._idle = max(self._idle, self._service.rss())
            time.sleep(0.02)
        self._thread.start()

    def end(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak - self._idle

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self._peak = max(self._peak, self._service.rss())


def _client(it: Rig, what: str, path: str, *args: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "export_load.py"), what, f"http://127.0.0.1:{it.api_port}{path}", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def read(url: str) -> dict[str, float]:
    """Take an export; `rows` without the header row of a CSV. Raises IncompleteRead when it was cut."""
    began, size, lines = time.monotonic(), 0, 0
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310 - the rig's own api
        while part := answer.read(1 << 18):
            size += len(part)
            lines += part.count(b"\n")
        is_csv = answer.headers["Content-Type"].startswith("text/csv")
    return {"seconds": time.monotonic() - began, "bytes": size, "rows": lines - is_csv}


def probe(url: str, seconds: float) -> dict[str, float]:
    """Ask again and again, over one connection, until the time is over or SIGTERM; latencies in milliseconds."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    took: list[float] = []
    over = _terminated()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not over.is_set():
        began = time.monotonic()
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"{url} was answered by {answer.status}")
        took.append((time.monotonic() - began) * 1000)
        time.sleep(PAUSE_SECONDS)
    return {"requests": len(took), "p50": quantile(took, 0.5), "p99": quantile(took, 0.99), "max": max(took)}


def _terminated() -> threading.Event:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    return over


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[2]) if sys.argv[1] == "read" else probe(sys.argv[2], float(sys.argv[3]))))

"""A thousand browsers live: the figures of pushing (`python tests/bench/run.py push`)."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

from rig import HERE, Rig, Service, quantile, rig

Row = tuple[str, str, str]
CLIENTS = 1000
UNFILTERED = 200
EVENTS_A_SECOND = 2000
SECONDS = 30.0
PROCESSES = 2
"""Among which the clients are divided."""
SAMPLED = 2
"""Clients of each subscription that read their frames whole."""
FIELDS = [
    *("key", "id", "source", "engine", "state", "group", "version", "name", "kind", "queue", "worker"),
    *("sent_at", "received_at", "started_at", "finished_at", "eta_at", "updated_at", "wait_seconds"),
    *("runtime_seconds", "retries", "attempts", "exception_type", "exception", "progress", "detail"),
    *("uncertain", "unknown"),
]
"""What the page asks for (`ROW_FIELDS` of its protocol.ts)."""
KINDS = ("vod", "transcription", "cleanup", "other")
FILTERS: list[dict[str, list[str]]] = [
    {},
    *({"kind": [kind]} for kind in KINDS),
    *({"kind": [kind], "group": ["finished"]} for kind in KINDS),
    {"group": ["finished"]},
    {"state": ["succeeded"]},
    {"state": ["running", "succeeded"]},
    *({"kind": [kind, "other"]} for kind in KINDS[:3]),
    *({"worker": [f"worker-{number}@bench"]} for number in range(5)),
]
"""Twenty subscriptions; each matches at least 5 % of the tasks, the first one all."""
CONFIG = {"api": {"push": {"connections_per_address": 2 * CLIENTS}}}
"""All come from one address here."""


class Crowd:
    """Clients in processes of their own: the first filter has `unfiltered` of them, the others share the rest."""

    def __init__(
        self, it: Rig, clients: int, seconds: float, *, returns: bool = False, stopped: int = 0, processes: int = PROCESSES
    ) -> None:
        unfiltered = clients * UNFILTERED // CLIENTS
        share, more = divmod(clients - unfiltered, len(FILTERS) - 1)
        counts = [unfiltered, *(share + (number < more) for number in range(len(FILTERS) - 1))]
        self.parts = []
        for part in range(processes):
            groups = [
                {
                    "clients": count // processes + (part < count % processes),
                    "join": {"filter": wanted, "sort": "live", "limit": 100, "fields": FIELDS},
                    "sampled": SAMPLED // processes,
                    "stopped": stopped if part == 0 and not wanted else 0,
                }
                for count, wanted in zip(counts, FILTERS, strict=True)
            ]
            plan = {"port": it.api_port, "seconds": seconds, "groups": groups, "returns": returns}
            command = [sys.executable, str(HERE / "crowd.py"), json.dumps(plan)]
            self.parts.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for process in self.parts:
            assert process.stdout is not None
            process.stdout.readline()

    def begin(self) -> None:
        """Let them count from now on."""
        for process in self.parts:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def seen(self) -> dict[str, Any]:
        """What all saw together, once their time is over."""
        told = [json.loads(process.communicate()[0]) for process in self.parts]
        return {name: sum((one[name] for one in told[1:]), told[0][name]) for name in told[0]}


class Asking:
    """Somebody who asks the api now and then, and how long it took: milliseconds."""

    def __init__(self, it: Rig) -> None:
        self._it = it
        self.took: list[float] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        paths = ("/api/tasks?limit=50", "/api/tasks/realtime", "/api/health")
        while not self._ends.wait(0.1):
            began = time.monotonic()
            with contextlib.suppress(OSError):
                self._it.get(paths[len(self.took) % len(paths)])
                self.took.append((time.monotonic() - began) * 1000)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()


@contextlib.contextmanager
def loaded(retained: int) -> Iterator[tuple[Rig, Service]]:
    """A rig that retains so many tasks, and its api."""
    from figures import _fill

    with rig(rq=False, config=CONFIG) as it:
        _, api = it.start_all()
        _fill(it, retained)
        yield it, api


def push_load(retained: int = 100_000, clients: int = CLIENTS, seconds: float = SECONDS, pairs: int = 3) -> list[Row]:
    """All of issue 5's table that is about WebSockets."""
    with loaded(retained) as (it, api):
        rows = _crowded(it, api, clients, seconds)
        rows.append(_stopped(it, clients, seconds, pairs))
        rows.append(_returned(it, api, clients))
    return rows


def _crowded(it: Rig, api: Service, clients: int, seconds: float) -> list[Row]:
    time.sleep(2)
    rss = api.rss()
    crowd = Crowd(it, clients, seconds)
    joined = (api.rss() - rss) / clients / 1024
    with _traffic(it, seconds + 6, start=2_000_000), Asking(it) as asking:
        time.sleep(2)
        crowd.begin()
        cpu, began = api.cpu(), time.monotonic()
        peak = joined
        while time.monotonic() - began < seconds - 1:
            peak = max(peak, (api.rss() - rss) / clients / 1024)
            time.sleep(0.5)
        used = (api.cpu() - cpu) / (time.monotonic() - began)
        seen = crowd.seen()
        health = it.get("/api/health")
    text = (
        f"{_quantiles(seen['latencies'])}; {seen['closed'] + seen['resyncs']} cut; {seen['bytes'] / seconds / 1e6:.0f} MB/s in "
        f"{seen['frames'] / seconds / clients:.1f} frames/s a client of {seen['bytes'] / seen['frames'] / 1000:.0f} KB; api {used * 100:.0f} % of a core, "
        f"clients {seen['cpu'] / seconds * 100:.0f} %; refused {health['push']['refused'] or 'nothing'}"
    )
    what = f"{clients:,} WebSocket clients, {len(FILTERS)} subscriptions, {clients * UNFILTERED // CLIENTS} unfiltered, at {EVENTS_A_SECOND:,} events/s"
    return [
        (f"{what}: event → frame", "p99 ≤ 500 ms, no client cut", text),
        (f"{what}: memory a client", "≤ 64 KB", f"{joined:.0f} KB when all had joined, {peak:.0f} KB at most"),
        (f"{what}: requests", "no target", _quantiles(asking.took)),
    ]


def _stopped(it: Rig, clients: int, seconds: float, pairs: int) -> Row:
    """Paired runs without and with a client that stops reading."""
    ratios, cut, texts = [], 0, []
    for pair in range(pairs):
        p99 = []
        for stopped in (0, 1):
            crowd = Crowd(it, clients, seconds, stopped=stopped)
            with _traffic(it, seconds + 4, start=10_000_000 + (2 * pair + stopped) * 1_000_000):
                time.sleep(1)
                crowd.begin()
                before = it.get("/api/health")["live_view"]["clients_cut"]
                seen = crowd.seen()
                cut += (it.get("/api/health")["live_view"]["clients_cut"] - before) * stopped
            p99.append(quantile(seen["latencies"], 0.99))
        ratios.append(p99[1] / p99[0])
        texts.append(f"{p99[0]:.0f} and {p99[1]:.0f} ms")
    text = (
        f"cut in {cut} of {pairs} runs; p99 without and with it {', '.join(texts)}; ratio {quantile(ratios, 0.5):.2f} (median)"
    )
    return ("one client that stops reading among them", "cut with `resync`, others' p99 within 10 % in paired runs", text)


def _returned(it: Rig, api: Service, clients: int) -> Row:
    """All come back at once, with their tokens, after a restart of the api."""
    crowd = Crowd(it, clients, 40, returns=True)
    with _traffic(it, 45, start=40_000_000):
        time.sleep(2)
        crowd.begin()
        api.stop()
        began = time.time()
        it.services.remove(api)
        it.start("taskscope-api")
        it.wait(lambda: _is_ready(it), "the api is ready", 60)
        ready = time.time()
        with Asking(it) as asking:
            seen = crowd.seen()
    back = sorted(seen["resumed"])
    resumed = back[clients - 1] if len(back) >= clients else float("nan")
    within = asking.took[:100]
    text = (
        f"{len(back):,} resumed, {seen['deltas']:,} of them by a delta, {max(0.0, resumed - ready):.1f} s after the api was ready and {resumed - began:.1f} s "
        f"after it was stopped; requests meanwhile {_quantiles(within)}"
    )
    return (f"{clients:,} clients reconnecting at once after an api restart", "all ≤ 10 s, requests' p99 ≤ 200 ms", text)


def _is_ready(it: Rig) -> bool:
    try:
        it.get("/readyz")
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _traffic(it: Rig, seconds: float, start: int) -> Iterator[None]:
    process = it.generate(rate=EVENTS_A_SECOND, seconds=seconds, start=start)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def _quantiles(values: list[float]) -> str:
    if not values:
        return "nothing seen"
    return f"p50 {quantile(values, 0.5):.0f} ms, p99 {quantile(values, 0.99):.0f} ms ({len(values):,})"

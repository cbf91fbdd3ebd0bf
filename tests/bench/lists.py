"""Figures of lists, searches, facets and the realtime body, with 100,000 retained tasks while 2,000 events/s arrive."""

import http.client
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec
import numpy as np
from celery_wire import task_id
from holding import CHANGES, tasks
from rig import HERE, Rig, free_port, quantile, report, rig
from taskscope_api.replica import Replica
from taskscope_shared import codec

Row = tuple[str, str, str]
RETAINED = 100_000
EVENTS_PER_SECOND = 2000
REQUESTS = 400
HAMMERED_SECONDS = 8.0
NAMED = "name=bench.process_vod_*&state=succeeded"


def lists() -> list[Row]:
    """Lists, facets and the realtime body while events arrive, and what one change costs."""
    with rig(rq=False) as it:
        it.start_all()
        report(it.generate(rate=12_000, tasks=RETAINED))
        it.wait(lambda: bool(it.get("/api/tasks?limit=1")["total"] >= RETAINED * 0.99), "tasks retained", 90)
        before = it.source("celery")["received"]
        events = it.generate(rate=EVENTS_PER_SECOND, seconds=600, start=10_000_000)
        try:
            it.wait(lambda: bool(it.source("celery")["received"] > before + EVENTS_PER_SECOND), "events arrive")
            rows = _asked(it)
        finally:
            events.kill()
            events.wait()
    return [*rows, change()]


def _asked(it: Rig) -> list[Row]:
    asked = Asked(it.api_port)
    try:
        search = "text search (an id's first 12 characters, another each time)"
        paths: list[tuple[str, str, Callable[[int], str]]] = [
            ("list of 50, plain", "≤ 10 ms", lambda _: "/api/tasks"),
            ("list of 50, filtered by name and state", "≤ 10 ms", lambda _: f"/api/tasks?{NAMED}"),
            ("list of 50, filtered and by runtime", "≤ 10 ms", lambda _: f"/api/tasks?{NAMED}&sort=-runtime_seconds"),
            (f"list of 50, {search}", "≤ 10 ms", lambda n: f"/api/tasks?q={task_id(n * 97)[:12]}"),
            ("facets", "≤ 20 ms", lambda _: f"/api/tasks/facets?{NAMED}"),
            ("realtime body", "≤ 10 ms", lambda _: "/api/tasks/realtime"),
        ]
        asked.get("/api/tasks?q=first-search")  # signs all texts once
        rows = [(f"{name}: p99 over HTTP, one client", f"p99 {target}", asked.times(path)) for name, target, path in paths]
    finally:
        asked.connection.close()
    return [*rows, _hammered(it)]


class Asked:
    """One client with one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, path: str) -> float:
        """Ask, and read the answer; seconds."""
        began = time.perf_counter()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return took

    def times(self, path: Callable[[int], str]) -> str:
        """Quantiles of many requests."""
        took = [self.get(path(number)) * 1000 for number in range(REQUESTS)]
        p50, p99 = quantile(took, 0.5), quantile(took, 0.99)
        return f"p99 {p99:.1f} ms, p50 {p50:.1f} ms, max {max(took):.1f} ms"


def _hammered(it: Rig) -> Row:
    port = free_port()
    constant = it.start_script("constant_app.py", port)
    it.wait(lambda: _answers(port), "the constant route")
    rates = [_rate(port, "/"), _rate(it.api_port, "/api/tasks/realtime")]
    rates = [*rates, _rate(port, "/"), _rate(it.api_port, "/api/tasks/realtime")]
    constant.stop()
    bare, realtime = (rates[0] + rates[2]) / 2, (rates[1] + rates[3]) / 2
    text = f"{realtime:,.0f} a second, a constant route {bare:,.0f}: {realtime / bare:.0%}"
    return ("realtime body: requests/s with 8 clients, beside a constant Quart route", "≥ 60 %", text)


def _answers(port: int) -> bool:
    try:
        Asked(port).get("/")
    except OSError:
        return False
    return True


def _rate(port: int, path: str) -> float:
    command = [sys.executable, str(HERE / "hammer.py"), str(port), path, "8", str(HAMMERED_SECONDS)]
    return float(report(subprocess.Popen(command, stdout=subprocess.PIPE))["rate"])


def change() -> Row:
    """What it costs to apply a change to a replica of 100,000 tasks whose texts are searched."""
    replica = Replica("celery")
    packed = [msgspec.Raw(one) for one in tasks()]
    for one in packed:
        replica.put_packed(one)
    for _ in replica.texts.judge(b"first-search", np.flatnonzero(replica.columns.living), replica.columns.capacity):
        pass
    changed = [codec.decode_task(one) for one in packed[:CHANGES]]
    again = [codec.encode(msgspec.structs.replace(one, seq=10**9, args=f"('changed', {one.id!r})")) for one in changed]
    began = time.perf_counter()
    for raw in again:
        replica.put_packed(msgspec.Raw(raw))
    took = (time.perf_counter() - began) / CHANGES * 1e6
    return ("apply one change (with another text) to the live view and its indices", "≤ 20 µs", f"{took:.1f} µs")

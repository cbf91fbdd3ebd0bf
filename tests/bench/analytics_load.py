"""Analytics over 24 h and 200 task names: p99 over HTTP while tasks go on ending, and what the rollups take in Redis."""

import http.client
import json
import random
import time
from typing import Any

import redis
from rig import Rig, median, quantile, report, rig
from taskscope_shared.cells import Cell, Example, encode_cell
from taskscope_shared.corrected import DAYS_FIELD
from taskscope_shared.keys import ROLLUP_SECONDS, Keys

SOURCE = "celery"
NAMES = 200
QUEUES, WORKERS = 10, 20
TASKS_PER_SECOND = 500.0
QUERY = "/api/tasks/analytics?window=24h&bucket=5m&group_by=name&series=20"
LONG_QUERY = "/api/tasks/analytics?window=90d&group_by=name&series=20"
LONG_HOURS = 89 * 24
DAY = 86_400
SECONDS = 25
LONG_SECONDS = 12
AT = 32
"""Bytes at the start of an answer that say when it was made."""


def analytics_load() -> list[tuple[str, str, str]]:
    """Fills 26 h of rollups, then asks while events arrive; fills 89 days, and asks for them."""
    with rig(rq=False) as it:
        own = redis.Redis.from_url(it.own_url)
        _seed(own, time.time())
        sizes = _sizes(own)
        _, api = it.start_all()
        sent = it.generate(rate=2000, seconds=SECONDS + 15)
        it.wait(lambda: it.get("/api/tasks?limit=1")["total"] > 1000, "tasks arrive")
        cold, steady, made, _ = _ask(it, QUERY, SECONDS)
        report(sent)
        _seed_long(own, time.time())
        sent = it.generate(rate=2000, seconds=LONG_SECONDS + 60)
        before = api.cpu()
        long = _ask(it, LONG_QUERY, 0)
        used = api.cpu() - before
        steady_long = _ask(it, LONG_QUERY, LONG_SECONDS)
        sent.kill()
        sent.wait()
    share = f"{len(made)} of them, one a second, were made anew: p50 {median(made):.0f} ms, p99 {quantile(made, 0.99):.0f} ms"
    shown = f"p50 {median(steady):.0f} ms, p99 {quantile(steady, 0.99):.0f} ms, max {max(steady):.0f} ms of {len(steady)} requests; {share}; the first one, with nothing read yet, {cold:.0f} ms"
    target = "p99 ≤ 50 ms"
    return [
        ("analytics, 24 h, 200 task names, grouped by name, series of the 20 largest in 5-minute buckets, 2,000 events/s", target, shown),
        ("rollups in Redis, 500 tasks/s of 200 names: a day's bucket, one of an hour, one of 5 minutes, one of a minute", "stated, bounded", sizes),
        ("analytics, 90 days, 200 task names, grouped by name, 2,000 events/s", "no target", _long(used, long, steady_long)),
    ]  # fmt: skip


Asked = tuple[float, list[float], list[float], int]
"""What `_ask` gives."""


def _long(used: float, first_one: Asked, later: Asked) -> str:
    cold, _, _, refused = first_one
    _, steady, made, _ = later
    first = f"the first one {cold / 1000:.1f} s, {used:.1f} s of the api's CPU (the live view's share included), after {refused} times 503"
    anew = f"{len(made)} made anew p50 {median(made):.0f} ms, p99 {quantile(made, 0.99):.0f} ms" if made else "none made anew"
    return f"{first}; then p50 {median(steady):.0f} ms of {len(steady)} requests, {anew}"


def _ask(it: Rig, query: str, seconds: float) -> Asked:
    """Milliseconds until the first answer, of those that followed, and of those among them that were not made before; and how
    often there was a 503 before the first.
    """
    connection = http.client.HTTPConnection("127.0.0.1", it.api_port, timeout=30)
    began = time.perf_counter()
    body, refused = _get(connection, query), 0
    while not body:  # while the first one is being read, the api says 503 after its deadline, and reads on
        refused += 1
        body = _get(connection, query)
    cold = (time.perf_counter() - began) * 1000
    taken, made = list[float](), list[float]()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        before, body = body, _get(connection, query) or body
        taken.append((time.perf_counter() - start) * 1000)
        if before[:AT] != body[:AT]:
            made.append(taken[-1])
    found = json.loads(body)
    if len(found["groups"]) < NAMES or len(found["series"]["groups"]) != 20 or found["totals"]["attempts"] < 10_000_000:
        raise RuntimeError("the answer does not hold what was filled in")
    return cold, taken, made, refused


def _get(connection: http.client.HTTPConnection, query: str) -> bytes:
    """The answer's body; nothing for a 503."""
    connection.request("GET", query)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in (200, 503):
        raise RuntimeError(f"{answer.status}: {body[:500]!r}")
    return body if answer.status == 200 else b""


def _seed(own: "redis.Redis", now: float) -> None:
    """26 h of rollups in 5-minute and hourly buckets, as a collector leaves them: it has made days of the hours so far."""
    own.hset(Keys().meta(SOURCE), mapping={"rolled:86400": int(now) // 3600 * 3600, DAYS_FIELD: 0})
    for resolution, hours in ((300, 26), (3600, 26)):
        first = int(now - hours * 3600) // resolution * resolution
        _seed_range(own, resolution, range(first, int(now) // resolution * resolution, resolution), now)


def _seed_long(own: "redis.Redis", now: float) -> None:
    """Hourly buckets of the time before those 26 h, up to 89 days ago, and days."""
    first = (int(now) // 3600 - LONG_HOURS) * 3600
    _seed_range(own, 3600, range(first, (int(now) // 3600 - 26) * 3600, 3600), now)
    _seed_range(own, DAY, range(-(-first // DAY) * DAY, int(now) // DAY * DAY, DAY), now)


def _seed_range(own: "redis.Redis", resolution: int, starts: range, now: float) -> None:
    cells = _cells(resolution, now)
    for start in starts:
        key = Keys().rollup(SOURCE, resolution, start)
        own.hset(key, mapping=cells)
        own.expire(key, ROLLUP_SECONDS[resolution])


def _cells(resolution: int, now: float) -> dict[Any, Any]:
    draw = random.Random(7)
    weights = [1 / (index + 5) for index in range(NAMES)]
    tasks = TASKS_PER_SECOND * resolution
    cells = {
        f"name:archive.task_{index:03d}": _cell(draw, int(tasks * weight / sum(weights)), now)
        for index, weight in enumerate(weights)
    }
    cells |= {f"queue:queue-{index}": _cell(draw, int(tasks / QUEUES), now) for index in range(QUEUES)}
    cells |= {
        f"worker:celery@worker-{index}": encode_cell(Cell(counts=[int(tasks / WORKERS), 3, 1, 0, 0, 0]))
        for index in range(WORKERS)
    }
    return cells | {"source:": _cell(draw, int(tasks), now)}


def _cell(draw: random.Random, count: int, now: float) -> bytes:
    """So many lognormal durations: a few thousand are drawn, and stand for the others."""
    cell = Cell(kind="other")
    drawn = min(count, 2000)
    times = max(1, count // max(drawn, 1))
    middle = draw.uniform(-3, 3)
    for _ in range(drawn):
        cell.runtime.add(draw.lognormvariate(middle, 1.0), times)
        cell.wait.add(draw.lognormvariate(-2, 1.2), times)
    cell.counts = [drawn * times - drawn * times // 50, drawn * times // 50, 0, 0, 0, 0]
    cell.slowest = [Example("6f1d2c3a-7d1e-4a55-9b1f-0a6b7c8d9e0f", now, 12.0, None)] * 3
    cell.failed = [Example("6f1d2c3a-7d1e-4a55-9b1f-0a6b7c8d9e0f", now, 1.0, "TimeoutError")] * 3
    return encode_cell(cell)


def _sizes(own: "redis.Redis") -> str:
    keys = Keys()
    shown = []
    total = 0
    for resolution, name in ((DAY, "day"), (3600, "hour"), (300, "5 minutes"), (60, "minute")):
        key = keys.rollup(SOURCE, resolution, 0)
        own.hset(key, mapping=_cells(resolution, time.time()))
        taken = int(own.memory_usage(key, samples=0) or 0)
        own.delete(key)
        total += taken * ROLLUP_SECONDS[resolution] // resolution
        shown.append(f"{name} {taken / 1000:,.0f} KB")
    return f"{', '.join(shown)}; all that is kept (6 h of minutes, 48 h of 5 minutes, 90 days of hours and of days) {total / 1e6:,.0f} MB"

"""The figures: each function starts its own rig, measures, and returns rows of the table in `docs/benchmarks.md`."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import redis
from analytics_load import analytics_load
from export_load import export_load
from identity import identity
from lists import lists
from page_load import page_busy, page_first_row, page_lighthouse, page_scroll, page_search, page_size
from push_load import push_load
from rig import HERE, Rig, Service, free_port, median, report, rig
from socketio_load import socketio_load
from telemetry_load import telemetry_load

Row = tuple[str, str, str]  # figure, to reach, measured
RETAINED = 100_000


def _celery(it: Rig) -> dict[str, Any]:
    return it.source("celery")


def _settled(it: Rig, events: int, seconds: float = 90) -> None:
    it.wait(
        lambda: _celery(it).get("received", 0) + _celery(it).get("dropped", 0) >= events, f"{events} events received", seconds
    )


def _fill(it: Rig, tasks: int = RETAINED, rate: float = 12_000) -> None:
    """So many finished tasks retained, and the reducer settled."""
    sent = report(it.generate(rate=rate, tasks=tasks))
    _settled(it, int(sent["events"]))
    it.wait(lambda: it.get("/api/tasks?limit=1")["total"] >= tasks * 0.99, "tasks retained", 60)


def cpu_and_rate() -> list[Row]:
    """Collector's CPU an event, and the lossless rate over 60 s."""
    rows = []
    for rate, seconds in ((20_000, 20), (40_000, 60), (60_000, 60)):
        micros, text = _at_rate(rate, seconds)
        rows.append((f"collector, Celery over Redis: CPU an event at {rate:,} events/s", "≤ 10 µs", micros))
        target = "≥ 60,000 events/s" if rate == 60_000 else "no target"
        rows.append((f"lossless at {rate:,} events/s for {seconds} s, one collector process", target, text))
    return rows


def _at_rate(rate: int, seconds: int) -> tuple[str, str]:
    """CPU an event and what was lost, at so many events a second after a short warm-up; then what `least.py` needs for them."""
    with rig(rq=False) as it:
        collector, api = it.start_all()
        warm = report(it.generate(rate=10_000, seconds=3))
        _settled(it, int(warm["events"]))
        before, api_before, first = collector.cpu(), api.cpu(), _celery(it)
        sent = report(it.generate(rate=rate, seconds=seconds, start=1_000_000))
        it.wait(lambda: _is_quiet(it), "the collector has taken everything", 120)
        last, used, api_used = _celery(it), collector.cpu() - before, api.cpu() - api_before
        collector.stop()
        least = _least(it, rate)
    received, dropped = (last[name] - first[name] for name in ("received", "dropped"))
    missing = max(sent["events"] - received - dropped, 0)
    micros = used / received * 1e6
    text = f"{sent['rate']:,.0f} events/s sent; of {sent['events']:,} {dropped:,} dropped and counted, {missing:,} unexplained"
    cpu = f"{micros:.1f} µs; the least that Python can do (`tests/bench/least.py`) {least:.1f} µs, a ratio of {micros / least:.1f}"
    return cpu, f"{text}; api {api_used / sent['events'] * 1e6:.1f} µs an event"


def _least(it: Rig, rate: int) -> float:
    """Microseconds of CPU an event of `least.py`, in place of the collector: how fast the machine is just now."""
    least = it.start_script("least.py", it.broker.port, it.own.port)
    try:
        it.wait(lambda: it.broker.client().pubsub_numpat() > 0, "the subscription")
        report(it.generate(rate=10_000, seconds=2, start=900_000_000))
        before = least.cpu()
        sent = report(it.generate(rate=rate, seconds=10, start=950_000_000))
        return (least.cpu() - before) / float(sent["events"]) * 1e6
    finally:
        least.stop(signal.SIGKILL)


def _is_quiet(it: Rig) -> bool:
    """Whether nothing was received in 3 s, the measured window (the generator's workers send no heartbeats any more)."""
    first = _celery(it)
    time.sleep(3)
    last = _celery(it)
    return bool(first) and first["received"] == last["received"] and first["dropped"] == last["dropped"]


def latency() -> list[Row]:
    """Worker event -> WebSocket frame, with both engines' sources on."""
    rows = []
    with rig() as it:
        it.start_all()
        for rate, seconds, target in ((2000, 20, "p50 ≤ 70 ms, p99 ≤ 200 ms"), (20, 40, "p50 ≤ 25 ms")):
            watcher = it.watch(seconds - 2, {"filter": {}, "sort": "-updated_at", "limit": 200})
            it.wait(lambda: it.get("/api/health")["live_view"]["clients"] == 1, "the watcher has joined")
            sent = report(it.generate(rate=rate, seconds=seconds, start=rate * 1_000_000))
            seen = report(watcher)
            text = f"p50 {seen['p50']:.0f} ms, p99 {seen['p99']:.0f} ms, max {seen['max']:.0f} ms ({seen['tasks']:,} tasks of {sent['tasks']:,})"
            rows.append((f"worker event → WebSocket frame at {rate:,} events/s", target, text))
    return rows


def rq_latency() -> list[Row]:
    """RQ job change -> WebSocket frame with 100,000 jobs in the registries and a real worker."""
    with rig() as it:
        _fill_rq(it.rq_url, RETAINED)
        it.start_all()
        worker = subprocess.Popen(
            [str(Path(sys.executable).parent / "rq"), "worker", "--url", it.rq_url, "-w", "rq.worker.SimpleWorker", "live"],
            cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            it.wait(lambda: any(w["engine"] == "rq" for w in it.get("/api/workers")["items"]), "the RQ worker is seen")
            watcher = it.watch(45, {"filter": {"source": ["rq"], "queue": ["live"]}, "sort": "-updated_at", "limit": 200})
            _enqueue(it.rq_url, jobs=400, seconds=40)
            seen = report(watcher)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(20)
        text = f"p50 {seen['p50']:.0f} ms, p99 {seen['p99']:.0f} ms, max {seen['max']:.0f} ms ({seen['tasks']:,} jobs)"
        return [("RQ: job change → WebSocket frame, with 100,000 jobs in the registries", "p99 ≤ 200 ms", text)]


def _enqueue(url: str, jobs: int, seconds: float) -> None:
    from rq import Queue

    queue = Queue("live", connection=redis.Redis.from_url(url))
    began = time.monotonic()
    for number in range(jobs):
        queue.enqueue("time.sleep", 0)
        time.sleep(max(0.0, began + (number + 1) * seconds / jobs - time.monotonic()))  # paced: that is what is measured


def _fill_rq(url: str, jobs: int) -> None:
    """Real jobs as RQ writes them, half finished and half queued, copied to so many ids."""
    from rq import Queue
    from rq.job import Job

    server = redis.Redis.from_url(url)
    queue = Queue("past", connection=server)
    hash_of = server.hgetall(queue.enqueue("time.sleep", 0, job_id="model").key)
    queue.empty()
    moment = time.time()
    pipe = server.pipeline(transaction=False)
    for number in range(jobs):
        finished = number % 2 == 0
        fields: dict[Any, Any] = hash_of | (
            {b"status": b"finished", b"started_at": hash_of[b"enqueued_at"], b"ended_at": hash_of[b"enqueued_at"]}
            if finished
            else {}
        )
        pipe.hset(Job.key_for(f"past-{number}"), mapping=fields)
        if finished:
            pipe.zadd("rq:finished:past", {f"past-{number}": moment + 86_400})
        else:
            pipe.rpush("rq:queue:past", f"past-{number}")
        if number % 5000 == 4999:
            pipe.execute()
    pipe.execute()


def memory_and_restarts() -> list[Row]:
    """Memory a retained task (what 100,000 of them add to that of a start and 400 tasks), and how long restarts take with them."""
    with rig(rq=False) as it:
        collector, api = it.start_all()
        _settled(it, int(report(it.generate(rate=4_000, tasks=400))["events"]))
        it.wait(lambda: _settled_memory(collector, api), "memory of the start settled", 60)
        before = collector.rss(), api.rss()
        _fill(it)
        it.wait(lambda: _settled_memory(collector, api), "memory settled", 120)
        grown = [(after - base) / RETAINED for after, base in zip((collector.rss(), api.rss()), before, strict=True)]
        rows = [
            ("memory a retained task, collector", "≤ 2 KB", f"{grown[0]:,.0f} B"),
            ("memory a retained task, api", "≤ 2 KB", f"{grown[1]:,.0f} B"),
        ]
        rows.append(
            ("collector restart with 100,000 retained tasks, to `ready`", "≤ 5 s", f"{_restart_collector(it, collector):.1f} s")
        )
        rows.append(("api start with 100,000 retained tasks, to `ready`", "≤ 3 s", f"{_restart_api(it, api):.1f} s"))
        return rows


def _settled_memory(collector: Service, api: Service) -> bool:
    """Whether neither grew or shrank by 1 MB in 8 s: the measured window."""
    first = collector.rss(), api.rss()
    time.sleep(8)
    return all(abs(now - then) < 1_000_000 for now, then in zip((collector.rss(), api.rss()), first, strict=True))


def _restart_collector(it: Rig, collector: Service) -> float:
    took = []
    for _ in range(3):
        collector.stop()
        began = time.monotonic()
        port = free_port()
        command = [str(Path(sys.executable).parent / "taskscope-collector"), "--health", f"127.0.0.1:{port}"]
        collector = Service(command, it.environment, it.folder / "taskscope-collector.log")
        it.services.append(collector)
        it.wait(partial(_ready, port), "collector ready")
        took.append(time.monotonic() - began)
    return median(took)


def _restart_api(it: Rig, api: Service) -> float:
    took = []
    for _ in range(3):
        api.stop()
        began = time.monotonic()
        api = it.start("taskscope-api")
        it.wait(lambda: _ready(it.api_port), "api ready")
        took.append(time.monotonic() - began)
    return median(took)


def _ready(port: int) -> bool:
    import urllib.error
    import urllib.request

    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).status == 200
    except OSError:
        return False


def broker_load() -> list[Row]:
    """What an idle broker with 20 queues and 50 real workers pays for being watched, standby included."""
    with rig(rq=False) as it:
        workers = _idle_workers(it, 50)
        try:
            unwatched = _usage(it.broker.port, 60)
            it.start_all()
            it.start("taskscope-collector")
            it.wait(lambda: _are_known(it, 50) and _listeners(it) >= 2, "50 workers known, the standby listens", 90)
            watched = _usage(it.broker.port, 60)
        finally:
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.wait()
    cpu, traffic = watched[0] - unwatched[0], watched[1] - unwatched[1]
    text = (
        f"{cpu * 100:.2f} % of a core, {traffic / 1000:.1f} KB/s; commands seen: {', '.join(sorted(watched[2] - unwatched[2]))}"
    )
    return [
        (
            "load on an idle broker, 20 queues, 50 workers, standby included",
            "≤ 0.5 % of a core, ≤ 60 KB/s; no EVAL, KEYS, SCAN",
            text,
        )
    ]


def _idle_workers(it: Rig, count: int) -> list[subprocess.Popen[bytes]]:
    celery = str(Path(sys.executable).parent / "celery")
    workers = []
    for number in range(count):
        command = [
            celery,
            "-A",
            "idle_app",
            "worker",
            "-P",
            "threads",
            "-c",
            "2",
            "-n",
            f"idle{number}@bench",
            "-Q",
            f"q{number % 20}",
            "-l",
            "ERROR",
        ]
        environment = psutil.Process().environ() | {"BENCH_BROKER": it.broker_url, "C_FORCE_ROOT": "1"}
        workers.append(
            subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
    server = redis.Redis.from_url(it.broker_url)
    it.wait(lambda: len(server.client_list(_type="pubsub")) >= count, f"{count} workers", 240)
    return workers


def _are_known(it: Rig, count: int) -> bool:
    """Whether so many workers send events and have answered an inspect round with all that is asked of a new worker."""
    workers = it.get("/api/workers?limit=500")["items"]
    return sum(bool(worker["events"] and worker["queues"] and worker["pool"]) for worker in workers) >= count


def _listeners(it: Rig) -> int:
    """Collectors that are subscribed to the broker's events: beside their pattern each holds a channel of its own."""
    with redis.Redis.from_url(it.broker_url) as server:
        clients = server.client_list(_type="pubsub")
    return sum(client["name"] == "taskscope" and client["sub"] != "0" for client in clients)


def _usage(port: int, seconds: float) -> tuple[float, float, set[str]]:
    """Share of a core, bytes a second and commands of a server. `seconds` is the measured window."""
    server = redis.Redis(port=port)
    server.config_resetstat()
    first = server.info()
    time.sleep(seconds)
    last = server.info()
    cpu = sum(last[key] - first[key] for key in ("used_cpu_sys", "used_cpu_user")) / seconds
    traffic = sum(last[key] - first[key] for key in ("total_net_input_bytes", "total_net_output_bytes")) / seconds
    return cpu, traffic, {name.removeprefix("cmdstat_") for name in server.info("commandstats")}


FIGURES: dict[str, Callable[[], list[Row]]] = {
    "cpu": cpu_and_rate,
    "latency": latency,
    "rq": rq_latency,
    "memory": memory_and_restarts,
    "broker": broker_load,
    "export": export_load,
    "lists": lists,
    "push": push_load,
    "analytics": analytics_load,
    "identity": identity,
    "socketio": socketio_load,
    "telemetry": telemetry_load,
    "page-size": page_size,
    "page-lighthouse": page_lighthouse,
    "page-first-row": page_first_row,
    "page-scroll": page_scroll,
    "page-search": page_search,
    "page-busy": page_busy,
}

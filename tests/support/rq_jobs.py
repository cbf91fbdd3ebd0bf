"""Jobs that the RQ tests run in real workers. Each writes into its ledger when it starts and when it ends.

The ledger is a list `ledger:<job id>` of [what, epoch seconds, worker] on the same server: what rows are held against.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import NoReturn

import rq

GATE_SECONDS = 100.0


def _job() -> rq.job.Job:
    job = rq.get_current_job()
    assert job is not None
    return job


@contextlib.contextmanager
def recorded() -> Iterator[rq.job.Job]:
    job = _job()
    key = f"ledger:{job.id}"
    job.connection.rpush(key, json.dumps(["start", time.time(), job.worker_name]))
    try:
        yield job
    finally:
        job.connection.rpush(key, json.dumps(["end", time.time(), job.worker_name]))


def wait_for_gate(job: rq.job.Job, name: str) -> None:
    """Until the test opens the gate (sets a key)."""
    deadline = time.monotonic() + GATE_SECONDS
    while not job.connection.exists(f"gate:{name}") and time.monotonic() < deadline:
        time.sleep(0.01)


def work(lasts: float = 0.2, password: str = "") -> dict[str, object]:
    with recorded():
        time.sleep(lasts)
        return {"lasted": lasts, "token": password}


def fail(message: str) -> NoReturn:
    with recorded():
        raise LookupError(message)


def fail_twice(lasts: float = 0.1) -> str:
    return _fail_first(2, lasts)


def fail_once() -> str:
    return _fail_first(1, 0.1)


def _fail_first(times: int, lasts: float) -> str:
    """Its ledger tells how often it began before."""
    with recorded() as job:
        time.sleep(lasts)
        runs = job.connection.lrange(f"ledger:{job.id}", 0, -1)
        began = sum(json.loads(entry)[0] == "start" for entry in runs)
        if began <= times:
            raise RuntimeError(f"failure {began}")
        return "at last"


def return_retry_once() -> object:
    """Asks to be run again by what it returns."""
    with recorded() as job:
        if not job.number_of_retries:
            return rq.Retry(max=2, interval=1)
        return "at last"


def report_progress(gate: str) -> str:
    with recorded() as job:
        for step in range(1, 5):
            job.meta["progress"] = {"current": step, "total": 4, "message": f"reel {step}"}
            job.save_meta()
            wait_for_gate(job, f"{gate}-{step}")
        return "all reels"


def hold(gate: str) -> str:
    """Runs until the gate opens."""
    with recorded() as job:
        wait_for_gate(job, gate)
        return "released"


def return_retry_always() -> object:
    with recorded():
        return rq.Retry(max=1)

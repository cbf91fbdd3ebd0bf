"""The scenarios: each sends its tasks, does to them what it is about, and returns once the engine's side of it is over.

All scenarios of a pool run at the same time against one worker (`main`), but for those that kill one: these have workers of
their own. A scenario puts the ids of its tasks under labels; `expected.py` has a row for each label.
"""

import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from celery import chain, chord, group
from support.scenarios.app import QUEUE
from support.scenarios.ledger import Ledger
from support.scenarios.workers import Workers

ETA_SECONDS = 3.0
TERMINATES = ("prefork", "gevent")
LIMITS_SOFTLY = ("prefork",)
OVERLONG_SECONDS = 4.0
LIMIT_SECONDS = 1
"""A time limit; tasks that have one go on for `OVERLONG_SECONDS` where the pool does not enforce it."""


class Sent(NamedTuple):
    """One task as its producer knows it: times are epoch seconds. It was published between `sent_at` and `published_at`."""

    id: str
    sent_at: float
    published_at: float
    eta_at: float | None = None


class Session:
    """One pool's run of the scenarios."""

    def __init__(self, app: Any, ledger: Ledger, workers: Workers, pool: str) -> None:
        self.app = app
        self.ledger = ledger
        self.workers = workers
        self.pool = pool
        self.sent: dict[str, Sent] = {}
        self.killed_at: dict[str, float] = {}

    def node(self, name: str) -> str:
        return f"{name}@{self.pool}"

    def send(self, label: str, name: str, *args: object, eta_at: float | None = None, **options: Any) -> str:
        """Publish a task by name, and remember it as `label`."""
        at = time.time()
        if eta_at is not None:
            options["eta"] = datetime.fromtimestamp(eta_at, UTC)
        elif "countdown" in options:
            eta_at = at + options["countdown"]
        task_id: str = self.app.send_task(f"scenario.{name}", args, **options).id
        self.sent[label] = Sent(task_id, at, time.time(), eta_at)
        return task_id

    def signature(self, name: str, *args: object, **options: Any) -> Any:
        return self.app.signature(f"scenario.{name}", args, app=self.app, **options)

    def run(self, label: str, name: str, *args: object, ends: int = 1, **options: Any) -> str:
        """Send, and wait until it ended `ends` times."""
        task_id = self.send(label, name, *args, **options)
        self.ledger.wait_for(task_id, "end", count=ends)
        return task_id

    def kill(self, name: str) -> None:
        """SIGKILL the worker `name`, and remember when."""
        self.workers.kill(self.node(name))
        self.killed_at[self.node(name)] = time.time()

    def close(self) -> None:
        self.ledger.close()
        gc.collect()  # Celery's results unsubscribe when they go: they have to while the server is still there
        self.app.close()


Scenario = Callable[[Session], None]


def success(session: Session) -> None:
    session.run("success", "work", 1.0)


def failure(session: Session) -> None:
    session.run("failure", "fail", "no such reel")


def progress(session: Session) -> None:
    session.run("progress", "progress", 4, 1.2)


def retry_then_success(session: Session) -> None:
    session.run("retry_then_success", "retry", 2, ends=3)


def retry_exhausted(session: Session) -> None:
    session.run("retry_exhausted", "retry", 99, ends=3)


def eta(session: Session) -> None:
    session.run("eta", "work", 0.2, eta_at=time.time() + ETA_SECONDS)


def countdown(session: Session) -> None:
    session.run("countdown", "work", 0.2, countdown=ETA_SECONDS)


def expired(session: Session) -> None:
    session.send("expired", "work", 0.2, expires=datetime.now(UTC) - timedelta(seconds=5))


def revoked_before_start(session: Session) -> None:
    task_id = session.send("revoked_before_start", "work", 0.2, countdown=ETA_SECONDS)
    time.sleep(0.5)
    session.app.control.revoke(task_id, destination=[session.node("main")])


def terminated(session: Session) -> None:
    lasts = 30.0 if session.pool in TERMINATES else OVERLONG_SECONDS
    task_id = session.send("terminated", "work", lasts)
    session.ledger.wait_for(task_id, "start")
    time.sleep(0.5)
    session.app.control.revoke(task_id, terminate=True, signal="SIGTERM", destination=[session.node("main")])
    if session.pool not in TERMINATES:
        session.ledger.wait_for(task_id, "end")


def soft_time_limit(session: Session) -> None:
    session.run("soft_time_limit", "work", OVERLONG_SECONDS, soft_time_limit=LIMIT_SECONDS)


def hard_time_limit(session: Session) -> None:
    task_id = session.send("hard_time_limit", "work", OVERLONG_SECONDS, time_limit=LIMIT_SECONDS)
    session.ledger.wait_for(task_id, "start")
    if session.pool not in TERMINATES:
        session.ledger.wait_for(task_id, "end")


def rejected(session: Session) -> None:
    session.run("rejected", "reject")


def rejected_once(session: Session) -> None:
    session.run("rejected_once", "reject_once", ends=2)


def ignored(session: Session) -> None:
    session.run("ignored", "ignore")


def replaced(session: Session) -> None:
    session.run("replaced", "replaced", ends=2)


def unknown_task(session: Session) -> None:
    session.send("unknown_task", "does_not_exist")


def chained(session: Session) -> None:
    links = [
        session.signature("work", 0.2),
        session.signature("work", 0.2, immutable=True),
        session.signature("fail", "the end", immutable=True),
    ]
    at = time.time()
    last = chain(*links, app=session.app).apply_async()
    ids = [last.parent.parent.id, last.parent.id, last.id]
    session.sent |= {f"chain/{number}": Sent(task_id, at, time.time()) for number, task_id in enumerate(ids)}
    session.ledger.wait_for(ids[-1], "end")


def grouped(session: Session) -> None:
    at = time.time()
    result = group([session.signature("work", 0.2 + index / 10) for index in range(3)], app=session.app).apply_async()
    session.sent |= {f"group/{number}": Sent(child.id, at, time.time()) for number, child in enumerate(result.children)}
    session.sent["group"] = Sent(result.id, at, time.time())
    for child in result.children:
        session.ledger.wait_for(child.id, "end")


def chorded(session: Session) -> None:
    header = group([session.signature("work", 0.2), session.signature("work", 0.6)], app=session.app)
    at = time.time()
    result = chord(header, app=session.app)(session.signature("work", 0.2, immutable=True))
    session.sent |= {f"chord/{number}": Sent(child.id, at, time.time()) for number, child in enumerate(result.parent.children)}
    session.sent |= {"chord/body": Sent(result.id, at, time.time()), "chord": Sent(result.parent.id, at, time.time())}
    session.ledger.wait_for(result.id, "end")


PRIORITIES = (9, 6, 3, 0)


def priorities(session: Session) -> None:
    """Queued while nobody takes from the queue; then the main worker is told to."""
    ids = [session.send(f"priority/{value}", "work", 0.2, queue="priorities", priority=value) for value in PRIORITIES]
    time.sleep(4.0)
    session.app.control.add_consumer("priorities", destination=[session.node("main")])
    for task_id in ids:
        session.ledger.wait_for(task_id, "end")


def worker_killed(session: Session) -> None:
    task_id = session.send("worker_killed", "work", 60.0, queue="doomed")
    session.ledger.wait_for(task_id, "start")
    time.sleep(1.0)
    session.kill("doomed")


def acks_late_redelivery(session: Session) -> None:
    """The worker is killed; its message is delivered again, later, by `redeliver`."""
    task_id = session.send("acks_late_redelivery", "late", 60.0, queue="late")
    session.ledger.wait_for(task_id, "start")
    time.sleep(1.0)
    session.kill("late")


def child_killed(session: Session) -> None:
    """Where the pool has no child processes, the worker itself dies: then it is one of its own."""
    own = session.pool != "prefork"
    task_id = session.send("child_killed", "kill_child", queue="suicidal" if own else QUEUE)
    session.ledger.wait_for(task_id, "start")
    if own:
        time.sleep(1.0)
        session.kill("suicidal")


def child_killed_late(session: Session) -> None:
    """acks_late with reject_on_worker_lost: the worker itself puts the message back."""
    session.run("child_killed_late", "kill_child_late", ends=1)


COMMON: tuple[Scenario, ...] = (
    success, failure, progress, retry_then_success, retry_exhausted, eta, countdown, expired, revoked_before_start, terminated,
    soft_time_limit, hard_time_limit, rejected, rejected_once, ignored, replaced, unknown_task, chained, grouped, chorded,
    priorities, worker_killed, acks_late_redelivery, child_killed,
)  # fmt: skip
PREFORK_ONLY: tuple[Scenario, ...] = (child_killed_late,)


def scenarios_of(pool: str) -> tuple[Scenario, ...]:
    return COMMON + (PREFORK_ONLY if pool == "prefork" else ())


def run_all(session: Session, scenarios: tuple[Scenario, ...]) -> None:
    """All at the same time. Raises what the first failing one raised."""
    with ThreadPoolExecutor(len(scenarios)) as threads:
        for running in [threads.submit(scenario, session) for scenario in scenarios]:
            running.result()

"""What each pool makes of each scenario: what Celery 5.7 does (seen on its wire) and what the ledger says, not the reducer.

`"main"` and the other names of workers stand for `main@<pool>`.
"""

from dataclasses import dataclass, replace
from typing import Literal

from support.scenarios.app import QUEUE
from support.scenarios.drive import PRIORITIES
from taskscope_shared.model import State

POOLS = ("prefork", "threads", "gevent", "solo")
NOBODY = "nobody"
"""For a task that no worker is known to have had."""


@dataclass(frozen=True)
class Row:
    """How a task has to be shown once its scenario is over.

    `times`: start, end, wait and runtime agree with the ledger ("ledger"); there are none ("never ran"); it started, and nobody
    saw its end ("no end"), or its ledger may not have the end ("cut short"). `wait` is "unknown" where nobody says when a
    message came back, and the `past` (earlier deliveries) has "no end" where nobody says when they ended. `root` and `parent`
    are labels; `sent_after` is the label of the task whose end sent this one.
    """

    state: State
    detail: str | None = None
    attempts: int = 1
    retries: int = 0
    worker: str = "main"
    queue: str = QUEUE
    name: str | None = None
    exception_type: str | None = None
    exception: str | None = None
    traceback: str | None = None
    result: str | None = None
    history: tuple[State, ...] = ()
    passed: tuple[State, ...] = ()
    progress: tuple[float, float, str] | None = None
    eta: bool = False
    uncertain: bool = False
    times: Literal["ledger", "never ran", "no end", "cut short"] = "ledger"
    wait: Literal["ledger", "unknown"] = "ledger"
    past: Literal["ledger", "no end"] = "ledger"
    root: str | None = None
    parent: str | None = None
    group: str | None = None
    sent_after: str | None = None


DONE = Row(State.SUCCEEDED)
TWICE = (State.RETRYING, State.RETRYING)
TERMINATED = Row(State.REVOKED, "terminated", times="cut short")
REEL = Row(State.FAILED, exception_type="ReelError")


def _limited(kind: str, message: str) -> Row:
    return Row(State.FAILED, exception_type=kind, exception=message, traceback=kind)


COMMON: dict[str, Row] = {
    "success": replace(DONE, name="scenario.work", result="{'lasted': 1.0}", passed=(State.RUNNING,)),
    "failure": replace(REEL, exception="no such reel", traceback="ReelError: no such reel"),
    "progress": replace(DONE, result="'all reels'", progress=(4, 4, "reel 4"), passed=(State.RUNNING,)),
    "retry_then_success": replace(DONE, attempts=3, retries=2, history=TWICE, passed=(State.RETRYING,), result="'at last'"),
    "retry_exhausted": replace(REEL, attempts=3, retries=2, history=TWICE, passed=(State.RETRYING,), exception="attempt 2"),
    "eta": replace(DONE, passed=(State.SCHEDULED,), eta=True),
    "countdown": replace(DONE, passed=(State.SCHEDULED,), eta=True),
    "expired": Row(State.REVOKED, "expired", times="never ran"),
    "revoked_before_start": Row(State.REVOKED, "revoked", passed=(State.SCHEDULED,), times="never ran", eta=True),
    "rejected": Row(State.REJECTED, "rejected"),
    # It goes back into the queue at once; of the moment there is the event alone.
    "rejected_once": replace(DONE, attempts=2, history=(State.RETRYING,), result="'taken'", sent_after="itself"),
    # Ignore tells nobody how it ended: the task is in no queue and with no worker any more, and that is all.
    "ignored": Row(State.REVOKED, "no_outcome", times="no end", uncertain=True),
    "replaced": replace(
        DONE,
        name="scenario.work",
        attempts=2,
        history=(State.RETRYING,),
        result="{'lasted': 0.2}",
        sent_after="itself",
        past="no end",
    ),
    "unknown_task": Row(
        State.FAILED,
        name="scenario.does_not_exist",
        exception_type="NotRegistered",
        exception="does_not_exist",
        times="never ran",
    ),
    "chain/0": replace(DONE, root="chain/0"),
    "chain/1": replace(DONE, root="chain/0", parent="chain/0", sent_after="chain/0"),
    "chain/2": replace(REEL, exception="the end", root="chain/0", parent="chain/1", sent_after="chain/1"),
    **{f"group/{number}": replace(DONE, group="group") for number in range(3)},
    # Each header task is its own root; root and parent of the body is the header task that ended last.
    "chord/0": replace(DONE, root="chord/0", group="chord"),
    "chord/1": replace(DONE, root="chord/1", group="chord"),
    "chord/body": replace(DONE, root="last of chord", parent="last of chord", group="chord", sent_after="last of chord"),
    # No event says a priority, and none of them is held long enough for a worker to be asked about it.
    **{f"priority/{value}": replace(DONE, queue="priorities", passed=(State.QUEUED,)) for value in PRIORITIES},
    "worker_killed": Row(State.LOST, worker="doomed", queue="doomed", times="no end", detail="worker_lost"),
    "acks_late_redelivery": replace(
        DONE, attempts=2, worker="second", queue="late", history=(State.LOST,), result="'delivered again'", wait="unknown"
    ),
}
ENFORCED_SOFTLY = _limited("SoftTimeLimitExceeded", "")
ENFORCED = replace(_limited("TimeLimitExceeded", "1"), times="cut short")
KILLED_WITH_WORKER = Row(State.LOST, "worker_lost", worker="suicidal", queue="suicidal", times="no end")
KILLED_CHILD = Row(
    State.FAILED, exception_type="WorkerLostError", exception="signal 9", traceback="WorkerLostError", times="no end"
)
OVERLONG = replace(DONE, result="{'lasted': 4.0}")


def _returned(queue: str) -> Row:
    """A solo worker says nothing while it works, its acknowledgement included: nobody knows who took the message, and it is in
    the broker still, to be delivered again.
    """
    return Row(State.QUEUED, worker=NOBODY, queue=queue, attempts=0, times="never ran")


BY_POOL: dict[str, dict[str, Row]] = {
    "prefork": {
        "terminated": TERMINATED,
        "soft_time_limit": ENFORCED_SOFTLY,
        "hard_time_limit": ENFORCED,
        "child_killed": KILLED_CHILD,
        "child_killed_late": replace(
            DONE, attempts=2, history=(State.RETRYING,), result="'a new child did it'", wait="unknown"
        ),
    },
    # Threads can be neither terminated nor limited: the worker says so in its log, and the task goes on to its end.
    "threads": {
        "terminated": OVERLONG,
        "soft_time_limit": OVERLONG,
        "hard_time_limit": OVERLONG,
        "child_killed": KILLED_WITH_WORKER,
    },
    # A killed greenlet is said to have been revoked, and then to have succeeded, without a result: only the first is true.
    "gevent": {
        "terminated": TERMINATED,
        "soft_time_limit": OVERLONG,
        "hard_time_limit": ENFORCED,
        "child_killed": KILLED_WITH_WORKER,
    },
    "solo": {
        "success": replace(COMMON["success"], passed=()),
        "progress": replace(COMMON["progress"], passed=(State.RUNNING,)),
        "terminated": OVERLONG,
        "soft_time_limit": OVERLONG,
        "hard_time_limit": OVERLONG,
        "worker_killed": _returned("doomed"),
        "child_killed": _returned("suicidal"),
        "acks_late_redelivery": replace(COMMON["acks_late_redelivery"], attempts=1, history=()),
    },
}


def rows_of(pool: str) -> dict[str, Row]:
    return COMMON | BY_POOL[pool]


DROPPED_BY_BROKER = Row(State.REVOKED, "expired", worker=NOBODY, attempts=0, uncertain=True, times="never ran")
"""RabbitMQ drops an expired message unless a consumer can take it at that moment: which of the two happens is a race."""
WITHOUT_BACKEND = ("success", "failure", "retry_then_success", "retry_exhausted", "expired")
"""Events say all of it; progress alone needs a result backend."""
CASES = [(pool, label) for pool in POOLS for label in rows_of(pool)]

"""Why a field of a worker or a queue is null. What does not apply to its engine says so, too: nobody need guess."""

from typing import Final

from taskscope_shared.model import Engine, Queue, Worker

NO_INSPECT: Final = "no inspect reply of this worker told it"
NO_HEARTBEAT: Final = "only heartbeats carry it, and none came: the worker's events are off, or it runs without heartbeats"
NO_SIGN: Final = "neither a heartbeat nor an inspect reply of this worker told it"
NOT_COUNTED: Final = "Celery's workers count what they processed, not what failed of it"
NO_SKEW: Final = "no difference of a millisecond or more was seen"
NOT_REGISTERED: Final = "its registration in Redis does not hold it"
NOT_STORED: Final = "RQ's workers do not store it"
ONE_AT_A_TIME: Final = "an RQ worker takes one job at a time and reserves none"
NO_EVENTS: Final = "RQ has no worker events that could be on or off"

UNACKED_NOT_TOLD: Final = (
    "a Redis broker keeps what was taken from all its queues in one place, so that it is not known of one alone; "
    "AMQP tells no client what was taken and not acknowledged"
)
UNACKED_NONE: Final = "RQ takes a job out of its queue for good; `running` counts those"
IN_WORKERS: Final = "Celery's workers hold tasks with an ETA; a queue does not know of them"
NOT_IN_CELERY: Final = "Celery's queues know nothing of it"
NO_CONSUMERS: Final = "a Redis broker does not know who reads a queue; `/api/workers?queue=` lists the workers that say they do"
NO_DEPTH: Final = "the broker did not tell how many messages are in it"
NO_DEPTHS: Final = "no depth of it was counted yet"
NO_AGE: Final = "messages do not say when they were put into their queue"
NO_OLDEST: Final = "its first job does not say when it was put there"

_CELERY_WORKER: Final = {
    "hostname": NO_SIGN,
    "pid": NO_SIGN,
    "pool": NO_INSPECT,
    "concurrency": NO_INSPECT,
    "active": NO_SIGN,
    "reserved": NO_INSPECT,
    "prefetch": NO_INSPECT,
    "processed": NO_SIGN,
    "failed": NOT_COUNTED,
    "queues": NO_INSPECT,
    "load": NO_HEARTBEAT,
    "heartbeat_at": NO_HEARTBEAT,
    "started_at": NO_INSPECT,
    "version": NO_SIGN,
    "events": NO_INSPECT,
    "clock_skew_seconds": NO_SKEW,
}
_RQ_WORKER: Final = {
    **dict.fromkeys(
        ("hostname", "pid", "concurrency", "active", "processed", "failed", "queues", "heartbeat_at", "started_at", "version"),
        NOT_REGISTERED,
    ),
    "pool": NOT_STORED,
    "load": NOT_STORED,
    "clock_skew_seconds": NOT_STORED,
    "reserved": ONE_AT_A_TIME,
    "prefetch": ONE_AT_A_TIME,
    "events": NO_EVENTS,
}
_CELERY_QUEUE: Final = {
    "depth": NO_DEPTH,
    "scheduled": IN_WORKERS,
    "deferred": NOT_IN_CELERY,
    "running": NOT_IN_CELERY,
    "failed": NOT_IN_CELERY,
    "consumers": NO_CONSUMERS,
    "oldest_at": NO_AGE,
    "depths_at": NO_DEPTHS,
}


def unknown_worker_fields(worker: Worker) -> dict[str, str]:
    """Field -> reason, for each field of `worker` that is null, but for `detail`, which then has nothing to say."""
    return _of(worker, _CELERY_WORKER if worker.engine is Engine.CELERY else _RQ_WORKER)


def unknown_queue_fields(queue: Queue) -> dict[str, str]:
    """Field -> reason, for each field of `queue` that is null and cannot be known. An empty queue has no oldest entry."""
    if queue.engine is Engine.RQ:
        reasons = dict.fromkeys(_CELERY_QUEUE, NO_DEPTH) | {
            "oldest_at": NO_OLDEST,
            "unacked": UNACKED_NONE,
            "depths_at": NO_DEPTHS,
        }
    else:
        reasons = _CELERY_QUEUE | {"unacked": UNACKED_NOT_TOLD}
    found = _of(queue, reasons)
    if queue.depth == 0:
        found.pop("oldest_at", None)
    if queue.depth is None and queue.detail is not None:
        found["depth"] = queue.detail
    return found


def _of(struct: Worker | Queue, reasons: dict[str, str]) -> dict[str, str]:
    return {name: reason for name, reason in reasons.items() if getattr(struct, name) is None}

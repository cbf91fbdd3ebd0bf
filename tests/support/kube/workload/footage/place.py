"""Where the servers are, as the pod's environment says, and the ledger."""

import json
import os
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

BROKER = os.environ.get("FOOTAGE_BROKER", "redis://127.0.0.1:6379/0")
BACKEND = os.environ.get("FOOTAGE_BACKEND") or None
RQ = os.environ.get("FOOTAGE_RQ", "redis://127.0.0.1:6379/1")
LEDGER = os.environ.get("FOOTAGE_LEDGER", "redis://127.0.0.1:6379/2")


@cache
def _ledger() -> Redis:
    """Made after a fork, when the first task of the process writes. It outlasts a minute without names or server."""
    return Redis.from_url(LEDGER, retry=Retry(ConstantBackoff(0.5), 120))


def write(batch: str, task_id: str, what: str, said: str = "") -> None:
    """One line: the task's id, what happened (sent, started, ended), when, and the worker or the outcome."""
    write_all(batch, [(task_id, what, time.time(), said)])


def write_all(batch: str, lines: list[tuple[str, str, float, str]]) -> None:
    """Several lines at once."""
    if lines:
        _ledger().rpush(f"ledger:{batch}", *(json.dumps(line) for line in lines))


def stop(batch: str) -> None:
    """Whoever sends this batch sends no more."""
    _ledger().set(f"stop:{batch}", 1)


def is_stopped(batch: str) -> bool:
    """Whether somebody said so."""
    return bool(_ledger().exists(f"stop:{batch}"))


def read(batch: str) -> Iterator[tuple[str, str, float, str]]:
    """All lines of a batch, in the order in which they were written."""
    lines: Any = _ledger().lrange(f"ledger:{batch}", 0, -1)
    for line in lines:
        yield tuple(json.loads(line))

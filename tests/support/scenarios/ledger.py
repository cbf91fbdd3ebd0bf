"""What the scenarios' own tasks and drivers write down: the truth that Taskscope's rows are compared with.

A task writes into a list of its id when it starts and when it ends (wall clock of this machine, which all processes share).
A killed or terminated task has no end.
"""

import json
import time
from typing import Any, NamedTuple

from redis import Redis


class Entry(NamedTuple):
    """`what` is start, end or a word of the task's own; `at` is epoch seconds."""

    what: str
    at: float
    worker: str
    pid: int
    retries: int


class Ledger:
    """The lists, in a Redis database that no broker uses."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=90)

    def write(self, task_id: str, entry: Entry) -> None:
        self._redis.rpush(f"ledger:{task_id}", json.dumps(entry))
        self._redis.rpush(f"told:{task_id}:{entry.what}", "")

    def entries(self, task_id: str) -> list[Entry]:
        lines: Any = self._redis.lrange(f"ledger:{task_id}", 0, -1)
        return [Entry(*json.loads(line)) for line in lines]

    def wait_for(self, task_id: str, what: str, *, count: int = 1, seconds: float = 60.0) -> None:
        """Until `count` more entries say `what`. They are taken, so there is one who waits for a task's starts, or its ends."""
        deadline = time.monotonic() + seconds
        for _ in range(count):
            if not self._redis.blpop([f"told:{task_id}:{what}"], max(0.1, deadline - time.monotonic())):
                raise AssertionError(f"waited {seconds:g} s in vain for {count} {what} of {task_id}: {self.entries(task_id)}")

    def first_time(self, mark: str) -> bool:
        """True once for each mark: what lets a task behave differently when it is delivered again."""
        return bool(self._redis.set(f"mark:{mark}", time.time(), nx=True))

    def close(self) -> None:
        self._redis.close()

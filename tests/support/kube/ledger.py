"""What truly happened to tasks, and how what Taskscope shows differs from it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from taskscope_client import Task

TIME_SECONDS = 5.0
"""Between a worker's event and the task's own first and last lines, on two crowded cores."""
LISTED = 10


class Told(NamedTuple):
    """One task: when it was sent, the last worker that began it, when it was begun and ended last, and how. None: never."""

    sent_at: float | None
    worker: str | None
    started_at: float | None
    ended_at: float | None
    outcome: str | None
    attempts: int


class Ledger(NamedTuple):
    """Task id -> what its own lines say."""

    tasks: Mapping[str, Told]

    @classmethod
    def of(cls, lines: Iterable[Sequence[object]]) -> "Ledger":
        """From lines `[id, what, at, said]`, in the order in which they were written."""
        told: dict[str, Told] = {}
        for task_id, what, at, said in lines:
            told[str(task_id)] = _with(told.get(str(task_id), Told(None, None, None, None, None, 0)), str(what), at, str(said))
        return cls(told)

    @property
    def rate(self) -> float:
        """Tasks sent a second."""
        sent = [told.sent_at for told in self.tasks.values() if told.sent_at is not None]
        return (len(sent) - 1) / (max(sent) - min(sent))

    def longest_pause(self) -> float:
        """Seconds in which no task ended, between the first end and the last: what nobody could see anything of."""
        ends = sorted(told.ended_at for told in self.tasks.values() if told.ended_at is not None)
        return max(after - before for before, after in pairwise(ends))

    def unfinished(self) -> list[str]:
        """What was sent and did not end: then the workload failed, not Taskscope."""
        return [task_id for task_id, told in self.tasks.items() if told.outcome in (None, "retrying")]

    def differences(self, shown: Mapping[str, Task]) -> list[str]:
        """`lost: ID` and `wrong: ID: ...` for every task that Taskscope does not show as it was."""
        found = []
        for task_id, told in self.tasks.items():
            task = shown.get(task_id)
            found += [f"lost: {task_id}"] if task is None else [f"wrong: {task_id}: {one}" for one in _wrong(told, task)]
        return found


def shortened(differences: Sequence[str]) -> str:
    """For a message: how many, and the first of them."""
    return f"{len(differences)}: {'; '.join(differences[:LISTED])}"


def _with(told: Told, what: str, at: object, said: str) -> Told:
    assert isinstance(at, float)
    if what == "sent":
        return told._replace(sent_at=at)
    if what == "started":
        return told._replace(worker=said, started_at=at, attempts=told.attempts + 1)
    if what == "ended":
        return told._replace(ended_at=at, outcome=said)
    return told


def _wrong(told: Told, task: Task) -> Iterable[str]:
    pairs = [("state", task.state, told.outcome), ("worker", task.worker, told.worker), ("queue", task.queue, "footage")]
    for name, is_, should in pairs:
        if is_ != should:
            yield f"{name} is {is_!r}, should be {should!r}"
    if task.engine == "celery" and task.retries != told.attempts - 1:
        yield f"retries is {task.retries}, should be {told.attempts - 1}"
    for name, at, true_at in (
        ("started_at", task.started_at, told.started_at),
        ("finished_at", task.finished_at, told.ended_at),
    ):
        if at is None or true_at is None or abs(at.timestamp() - true_at) > TIME_SECONDS:
            yield f"{name} is {at}, should be {true_at}"

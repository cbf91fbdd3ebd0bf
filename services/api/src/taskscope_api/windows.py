"""One window for each distinct subscription: what it shows now, and what changed since its last frame.

A window is the first `limit` tasks of its filter and sort, read anew from the live view when tasks changed, and compared with
what it showed by version: the cost does not depend on how much changed.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
from taskscope_shared.model import Queue, Source, Worker

from taskscope_api import cursors
from taskscope_api.filters import Matcher
from taskscope_api.frames import Changes, DeltaData, RowEncoder, SnapshotData, frame
from taskscope_api.held import Held
from taskscope_api.live_view import LiveView, Summary
from taskscope_api.subscriptions import Subscription
from taskscope_api.wire import SourceRow, queue_row, source_row, time_text, worker_row

HISTORY_STEPS = 600
"""Frames back to which a client may resume: half a minute at the highest rate."""
HISTORY_KEYS = 50_000
"""Keys that those frames may name together."""

Item = TypeVar("Item", Worker, Queue)


class Step(msgspec.Struct):
    """What one frame changed, and the token that came before it: enough to repeat it for whoever holds that token."""

    before: str
    tasks: set[str]
    workers: set[str]
    queues: set[str]


class Seen(msgspec.Struct):
    """What the window last told its clients."""

    tasks: dict[str, Held] = {}
    total: int = 0
    summary: Summary = msgspec.field(default_factory=Summary)
    workers: dict[str, Worker] = {}
    queues: dict[str, Queue] = {}
    sources: list[SourceRow] = []
    stale: bool = False


class Window:
    """The state of one subscription. `advance` looks at the live view; `snapshot` and `resume` speak of what was last seen.

    `stamp` is this window's alone: a token is known again only by the window that gave it, since only that one knows what its
    client was shown.
    """

    def __init__(self, wanted: Subscription, live: LiveView, rows: RowEncoder, stamp: str) -> None:
        self._stamp = stamp
        self._frames = 0
        self._wanted = wanted
        self._live = live
        self._rows = rows
        self._matcher = Matcher(wanted.filter, wanted.scope)
        self._seen = Seen()
        self._history: deque[Step] = deque()
        self._history_keys = 0
        self._changes = -1
        self._secondary = -1
        self._snapshot: tuple[str, str] | None = None
        self.token = ""

    # --------------------------------------------------------------------------------------------------------- advance

    def advance(self, at: float, *, always: bool = False) -> str | None:
        """Look again. The delta frame, or None when nothing that the client sees changed (and not `always`)."""
        step = Step(self.token, set(), set(), set())
        changed = self._look_at_tasks(step) if self._changes != self._live.changes else False
        changed |= self._look_at_summary()
        sources = self._look_at_others(step)
        if not (changed or step.workers or step.queues or sources is not None or always):
            return None
        self._remember(step)
        return self._delta(step, sources, at)

    def _look_at_tasks(self, step: Step) -> bool:
        self._changes = self._live.changes
        page = self._live.page(self._matcher, self._wanted.sort, self._wanted.limit)
        now = {task.key: task for task in page.tasks}
        step.tasks = _changed_tasks(self._seen.tasks, now)
        changed = bool(step.tasks) or page.total != self._seen.total
        self._seen.tasks, self._seen.total = now, page.total
        return changed

    def _look_at_summary(self) -> bool:
        summary, stale = self._live.summary(self._matcher), self._live.is_stale(self._matcher)
        changed = summary != self._seen.summary or stale != self._seen.stale
        self._seen.summary, self._seen.stale = summary, stale
        return changed

    def _look_at_others(self, step: Step) -> list[SourceRow] | None:
        if self._secondary == self._live.secondary:
            return None
        self._secondary = self._live.secondary
        seen, scope = self._seen, self._matcher.source
        workers, queues = self._live.workers(scope), self._live.queues(scope)
        step.workers, step.queues = _changed(seen.workers, workers), _changed(seen.queues, queues)
        sources = _sources(self._live.sources(scope), self._live.stale)
        unchanged = sources == seen.sources
        seen.workers, seen.queues, seen.sources = workers, queues, sources
        return None if unchanged else sources

    def _remember(self, step: Step) -> None:
        self._frames += 1
        self.token = cursors.token(self._live.position(self._matcher.source), f"{self._stamp}.{self._frames}")
        self._history.append(step)
        self._history_keys += _size(step)
        while len(self._history) > HISTORY_STEPS or self._history_keys > HISTORY_KEYS:
            self._history_keys -= _size(self._history.popleft())

    # ---------------------------------------------------------------------------------------------------------- frames

    def snapshot(self, at: float) -> str:
        """The whole window as last seen."""
        if self._snapshot is None or self._snapshot[0] != self.token:
            seen = self._seen
            data = SnapshotData(
                position=self.token,
                at=time_text(at),
                stale=seen.stale,
                summary=seen.summary,
                total=seen.total,
                tasks=self._encoded(seen.tasks),
                workers=[worker_row(worker) for worker in seen.workers.values()],
                queues=[queue_row(queue) for queue in seen.queues.values()],
                sources=seen.sources,
            )
            self._snapshot = (self.token, frame("task_updates", data))
        return self._snapshot[1]

    def resume(self, token: str, at: float) -> str | None:
        """One delta from `token` to what was last seen; None when that is too long ago, or not a token of this window."""
        if token == self.token:
            return self._delta(Step(token, set(), set(), set()), self._seen.sources, at)
        steps = list(self._history)
        first = next((index for index in range(len(steps) - 1, -1, -1) if steps[index].before == token), None)
        if first is None:
            return None
        missed = Step(token, set(), set(), set())
        for step in steps[first:]:
            missed.tasks |= step.tasks
            missed.workers |= step.workers
            missed.queues |= step.queues
        return self._delta(missed, self._seen.sources, at)

    def _delta(self, step: Step, sources: list[SourceRow] | None, at: float) -> str:
        self._snapshot = None
        seen = self._seen
        data = DeltaData(
            position=self.token,
            at=time_text(at),
            stale=seen.stale,
            summary=seen.summary,
            total=seen.total,
            upsert=self._encoded(key for key in seen.tasks if key in step.tasks),
            remove=[key for key in step.tasks if key not in seen.tasks],
            workers=_changes(seen.workers, step.workers, worker_row),
            queues=_changes(seen.queues, step.queues, queue_row),
            sources=sources,
        )
        return frame("task_updates", data)

    def _encoded(self, keys: Iterable[str]) -> list[msgspec.Raw]:
        tasks, fields = self._seen.tasks, self._wanted.fields
        return [self._rows.encode(key, tasks[key], fields) for key in keys]


def _changed_tasks(before: dict[str, Held], now: dict[str, Held]) -> set[str]:
    """Keys that entered, left, or hold another version."""
    changed = {key for key, task in now.items() if not _same(before.get(key), task)}
    changed.update(before.keys() - now.keys())
    return changed


def _same(before: Held | None, now: Held) -> bool:
    return before is now or (before is not None and before.position == now.position)


def _changed(before: dict[str, Item], now: dict[str, Item]) -> set[str]:
    changed = {key for key, item in now.items() if before.get(key) != item}
    changed.update(before.keys() - now.keys())
    return changed


def _changes(seen: dict[str, Item], keys: set[str], row: Callable[[Item], object]) -> Changes | None:
    if not keys:
        return None
    return Changes([row(seen[key]) for key in keys if key in seen], [key for key in keys if key not in seen])


def _sources(sources: dict[str, Source], stale: dict[str, str]) -> list[SourceRow]:
    return [source_row(source, stale.get(name)) for name, source in sources.items()]


def _size(step: Step) -> int:
    return 1 + len(step.tasks) + len(step.workers) + len(step.queues)

"""One window for each distinct subscription: what it shows now, and what changed since its last frame.

A window is the first `limit` tasks of its filter and sort, read anew from the live view when tasks changed, and compared with
what it showed by version: the cost does not depend on how much changed.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from taskscope_shared.model import Position, Queue, Source, Worker

from taskscope_api import cursors
from taskscope_api.cursors import Token
from taskscope_api.filters import Matcher
from taskscope_api.frames import Changes, DeltaData, RowEncoder, SnapshotData, frame
from taskscope_api.held import Held
from taskscope_api.live_view import LiveView, Summary
from taskscope_api.subscriptions import Subscription
from taskscope_api.wire import SourceRow, TaskRow, queue_row, source_row, time_text, worker_row

MAX_RESUMED = 64
"""Tokens whose answers are kept until the next frame: after a restart many clients come with the same one."""

Item = TypeVar("Item", Worker, Queue)


class Step(msgspec.Struct):
    """The keys of what one frame changes."""

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
    """The state of one subscription. `advance` looks at the live view; `snapshot` and `resume` speak of what was last seen."""

    def __init__(self, wanted: Subscription, live: LiveView, rows: RowEncoder) -> None:
        self._wanted = wanted
        self._live = live
        self._rows = rows
        self._matcher = Matcher(wanted.filter, wanted.scope)
        self._fields = cursors.fields_mark(wanted.fields or TaskRow.__struct_fields__)
        self._seen = Seen()
        self._marks: dict[str, bytes] = {}
        self._changes = -1
        self._secondary = -1
        self._snapshot: str | None = None
        self._resumed: dict[str, str] = {}
        self.token = ""

    def shows(self, source: str) -> bool:
        """Whether the window shows tasks of that source."""
        return self._matcher.source(source)

    # --------------------------------------------------------------------------------------------------------- advance

    def advance(self, at: float, *, always: bool = False) -> str | None:
        """Look again. The delta frame, or None when nothing that the client sees changed (and not `always`)."""
        step = Step(set(), set(), set())
        changed = self._look_at_tasks(step) if self._changes != self._live.changes else False
        changed |= self._look_at_summary()
        sources = self._look_at_others(step)
        if not (changed or step.workers or step.queues or sources is not None or always):
            return None
        self.token = cursors.token(self._live.position(self._matcher.source), self._fields, self._marks.values())
        self._snapshot = None
        self._resumed.clear()
        return self._delta(step, sources, at)

    def _look_at_tasks(self, step: Step) -> bool:
        self._changes = self._live.changes
        page = self._live.page(self._matcher, self._wanted.sort, self._wanted.limit)
        now = {task.key: task for task in page.tasks}
        step.tasks = _changed_tasks(self._seen.tasks, now)
        changed = bool(step.tasks) or page.total != self._seen.total
        self._seen.tasks, self._seen.total = now, page.total
        self._marks = {key: self._marks.get(key) or cursors.row_mark(key) for key in now}
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

    # ---------------------------------------------------------------------------------------------------------- frames

    def snapshot(self, at: float) -> str:
        """The whole window as last seen."""
        if self._snapshot is None:
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
            self._snapshot = frame("task_updates", data)
        return self._snapshot

    def resume(self, text: str, token: Token, at: float) -> str | None:
        """One delta from the token (which was read from `text`) to what was last seen; None when its rows have other fields.

        What a source holds that stands behind the token, or that the token does not know, is sent whole.
        """
        if token.fields != self._fields:
            return None
        if text not in self._resumed:
            if len(self._resumed) >= MAX_RESUMED:
                self._resumed.clear()
            self._resumed[text] = self._delta_since(token, at)
        return self._resumed[text]

    def _delta_since(self, token: Token, at: float) -> str:
        seen, known = self._seen, self._known_to(token)
        missed = {
            key
            for key, task in seen.tasks.items()
            if self._marks[key] not in token.rows or task.source not in known or task.position > known[task.source]
        }
        step = Step(missed, set(seen.workers), set(seen.queues))
        return self._delta(step, seen.sources, at, whole=True)

    def _known_to(self, token: Token) -> dict[str, Position]:
        """Source -> the token's position in it, where this api has come so far."""
        known: dict[str, Position] = {}
        for name, (incarnation, position) in self._live.position(self._matcher.source).items():
            at = token.places.get(cursors.place_mark(name, incarnation))
            if at is not None and at <= position:
                known[name] = at
        return known

    def _delta(self, step: Step, sources: list[SourceRow] | None, at: float, *, whole: bool = False) -> str:
        """The frame of a step; `whole`: with all keys that there are."""
        seen = self._seen
        data = DeltaData(
            position=self.token,
            at=time_text(at),
            stale=seen.stale,
            summary=seen.summary,
            total=seen.total,
            upsert=self._encoded(key for key in seen.tasks if key in step.tasks),
            remove=[key for key in step.tasks if key not in seen.tasks],
            keys=list(seen.tasks) if whole else None,
            workers=_changes(seen.workers, step.workers, worker_row, whole=whole),
            queues=_changes(seen.queues, step.queues, queue_row, whole=whole),
            sources=sources,
        )
        return frame("task_updates", data)

    def _encoded(self, keys: Iterable[str]) -> list[msgspec.Raw]:
        return self._rows.encode(keys, self._seen.tasks, self._wanted.fields)


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


def _changes(seen: dict[str, Item], keys: set[str], row: Callable[[Item], object], *, whole: bool) -> Changes[Any] | None:
    if not keys and not whole:
        return None
    gone = [key for key in keys if key not in seen]
    return Changes([row(seen[key]) for key in keys if key in seen], gone, list(seen) if whole else None)


def _sources(sources: dict[str, Source], stale: dict[str, str]) -> list[SourceRow]:
    return [source_row(source, stale.get(name)) for name, source in sources.items()]

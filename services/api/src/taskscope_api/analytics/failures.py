"""Failures by exception type and by the shape of their messages, out of the failed tasks that are retained."""

import asyncio
import re
from collections import OrderedDict
from typing import Annotated

import msgspec
from taskscope_shared.clock import rfc3339
from taskscope_shared.model import Position, State, Task

from taskscope_api.analytics.question import Failing
from taskscope_api.described import Count, Flag, Time, says
from taskscope_api.filters import Filter, Matcher
from taskscope_api.held import Held
from taskscope_api.live_view import LiveView
from taskscope_api.sorting import sort_named

MESSAGE_LENGTH = 600
"""Characters of a message that its shape is made of."""
SHAPE_LENGTH = 240
REMEMBERED = 30_000
"""Failed tasks whose shape is remembered: about 200 B each."""
TURN_TASKS = 64
"""Tasks looked at before others may run: below 1 ms."""
MAX_SHAPES = 5_000
"""Shapes told apart; what exceeds them is counted under OTHER_SHAPE."""
OTHER_SHAPE = "(other messages)"
COVERS = "the failed tasks that are retained; totals.failed of /api/tasks/analytics counts all, for as long as rollups are kept"

_PARTS = re.compile(
    r"(?<!\w)'[^'\n]{0,300}'|\"[^\"\n]{0,300}\"|`[^`\n]{0,300}`"  # what is quoted
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # a UUID
    r"|\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]{0,64}[0-9])[0-9a-fA-F]{8,64}\b"  # an address, a hash
    r"|(?<![A-Za-z_0-9])[+-]?[0-9][0-9.,:]*"  # a number, a time
)


class FailureExample(msgspec.Struct):
    """The latest task of a shape."""

    id: Annotated[str, says("The task's id", "6f1d2c")]
    source: Annotated[str, says("Its source", "archivist")]
    name: Annotated[str | None, says("Its name", "archive.encode")]
    ended_at: Annotated[Time | None, says("When it failed")]
    message: Annotated[str | None, says("Its exception's message, at most 600 characters", "no key 'a17' in 3 attempts")]


class FailureRow(msgspec.Struct):
    """Failures of one type and one shape of message."""

    exception_type: Annotated[str | None, says("Type of the exception; null where nobody told it", "KeyError")]
    shape: Annotated[
        str | None, says("The message, its numbers, ids and quoted parts replaced", "no key <text> in <n> attempts")
    ]
    count: Annotated[Count, says("Retained tasks that failed so")]
    first_at: Annotated[Time | None, says("When the earliest of them failed")]
    last_at: Annotated[Time | None, says("When the latest of them failed")]
    names: Annotated[list[str], says("Names of at most 5 tasks among them", ["archive.encode"])]
    example: Annotated[FailureExample, says("The latest of them")]


class Failures(msgspec.Struct):
    """Why tasks failed, most frequent first."""

    at: Annotated[Time, says("When this was made")]
    start: Annotated[Time, says("Start of the window")]
    end: Annotated[Time, says("Its end")]
    stale: Annotated[Flag, says("Whether this may be behind")]
    covers: Annotated[str, says("What was looked at", COVERS)]
    failed: Annotated[Count, says("Retained tasks that failed in the window")]
    group_count: Annotated[Count, says("How many types and shapes there are, also those that are not in `items`")]
    items: Annotated[list[FailureRow], says("The most frequent first")]


def shape(message: str) -> str:
    """The message with what differs from case to case replaced, so that equal causes look equal."""
    found = _PARTS.sub(_placeholder, message[:MESSAGE_LENGTH])
    return " ".join(found.split())[:SHAPE_LENGTH]


def _placeholder(part: re.Match[str]) -> str:
    text = part[0]
    if text[0] in "'\"`":
        return "<text>"
    plain = text.strip("+-.,:").replace(".", "").replace(",", "").replace(":", "")
    # What ended a clause stays: `after 3 s, 4 left.` keeps its comma and its full stop.
    tail = text[len(text.rstrip(".,:")) :]
    return ("<n>" if plain.isdigit() else "<id>") + tail


class _Seen(msgspec.Struct, frozen=True):
    """What is remembered of a failed task."""

    version: Position
    exception_type: str | None
    shape: str | None
    name: str | None
    ended: float | None


class _Group(msgspec.Struct):
    latest: Held
    count: int = 0
    first: float | None = None
    last: float | None = None
    names: dict[str, None] = {}


class FailureIndex:
    """Groups the failed tasks of the live view. Shapes are remembered, so that each task is decoded once."""

    def __init__(self, live: LiveView) -> None:
        self._live = live
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()

    async def grouped(self, asked: Failing, wanted: Filter, scope: frozenset[str] | None, now: float) -> Failures:
        """The failures in the window among the tasks that `wanted` lets in, within `scope`."""
        end = now if asked.until is None else asked.until
        start = max(0.0, end - asked.window)
        chosen = msgspec.structs.replace(wanted, state=(State.FAILED,), group=(), finished_from=start, finished_to=end)
        matcher = Matcher(chosen, scope)
        groups: dict[tuple[str | None, str | None], _Group] = {}
        failed = 0
        for batch in self._live.each(matcher, sort_named("-finished_at"), TURN_TASKS):
            for held in batch:
                failed += 1
                self._count(groups, held)
            await asyncio.sleep(0)
        ordered = sorted(groups.items(), key=lambda each: (-each[1].count, each[0][0] or "", each[0][1] or ""))
        return Failures(
            at=rfc3339(now),
            start=rfc3339(start),
            end=rfc3339(end),
            stale=self._live.is_stale(matcher),
            covers=COVERS,
            failed=failed,
            group_count=len(ordered),
            items=[_row(*key, group) for key, group in ordered[: asked.groups]],
        )

    def _count(self, groups: dict[tuple[str | None, str | None], _Group], held: Held) -> None:
        seen = self._known(held)
        key = (seen.exception_type, seen.shape)
        if key not in groups and len(groups) >= MAX_SHAPES:
            key = (seen.exception_type, OTHER_SHAPE) if len(groups) < 2 * MAX_SHAPES else (None, OTHER_SHAPE)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(held)
        group.count += 1
        if seen.ended is not None:
            group.last = seen.ended if group.last is None else max(group.last, seen.ended)
            group.first = seen.ended if group.first is None else min(group.first, seen.ended)
        if seen.name is not None and len(group.names) < 5:
            group.names[seen.name] = None

    def _known(self, held: Held) -> _Seen:
        key = (held.source, held.id)
        seen = self._seen.get(key)
        if seen is None or seen.version != held.position:
            seen = self._seen[key] = _look(held.task(), held.position)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return seen


def _look(task: Task, version: Position) -> _Seen:
    made = None if task.exception is None else shape(task.exception)
    return _Seen(version, task.exception_type, made, task.name, task.finished_at)


def _row(exception_type: str | None, shaped: str | None, group: _Group) -> FailureRow:
    task = group.latest.task()
    message = None if task.exception is None else task.exception[:MESSAGE_LENGTH]
    return FailureRow(
        exception_type=exception_type,
        shape=shaped,
        count=group.count,
        first_at=None if group.first is None else rfc3339(group.first),
        last_at=None if group.last is None else rfc3339(group.last),
        names=list(group.names),
        example=FailureExample(
            task.id, task.source, task.name, None if task.finished_at is None else rfc3339(task.finished_at), message
        ),
    )

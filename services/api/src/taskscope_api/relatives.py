"""Who sent a task, whom it sent, and its group: short rows out of the live view, each list bounded.

Relatives are looked for in the task's own source alone: an id means nothing in another one. In RQ the parent is the first job
that a job depends on, and its children are the jobs that depend on it.
"""

from typing import Annotated

import msgspec
from taskscope_shared.model import State, Task

from taskscope_api.described import Count, Flag, says
from taskscope_api.filters import Filter, Matcher
from taskscope_api.live_view import LiveView
from taskscope_api.sorting import sort_named

MAX_ROWS = 100
"""Children, and members of a group."""
MAX_ANCESTORS = 50
"""Steps up to the root."""


class Relative(msgspec.Struct):
    """A task in short. Of one that is not retained only the id is known."""

    id: Annotated[str, says("The engine's id of the task", "6f1d2c")]
    source: Annotated[str, says("The source it is in", "archivist")]
    retained: Annotated[Flag, says("Whether anything is kept of it")]
    name: Annotated[str | None, says("Its name; null where it is not known", "archive.encode")] = None
    state: Annotated[State | None, says("Where it is; null where it is not retained", "succeeded")] = None


class Relatives(msgspec.Struct):
    """The tasks around a task."""

    ancestors: Annotated[
        list[Relative],
        says("Its parent, the parent's parent, ..; the root comes last, also where those between are not known; at most 50"),
    ]
    children: Annotated[list[Relative], says("The tasks it sent, or jobs that depend on it, by time of sending; at most 100")]
    children_total: Annotated[Count, says("How many of them are known", 1)]
    group: Annotated[
        list[Relative],
        says("The members of its Celery group that are retained, itself too, or of the header whose body it is; at most 100"),
    ]
    group_total: Annotated[Count, says("How many of them are retained", 0)]
    chord_body: Annotated[
        Relative | None, says("The body of the chord whose header its group is, perhaps itself; null where none is retained")
    ]


def relatives_of(live: LiveView, task: Task) -> Relatives:
    """The relatives of a task that the asker may see."""
    children, children_total = _children(live, task)
    return Relatives(_ancestors(live, task), children, children_total, *_group(live, task))


def _ancestors(live: LiveView, task: Task) -> list[Relative]:
    found, seen = list[Relative](), {task.id}
    parent = task.parent_id
    while parent is not None and parent not in seen and len(found) < MAX_ANCESTORS - 1:
        seen.add(parent)
        held = _held(live, task.source, parent)
        found.append(_row(task.source, parent, held))
        parent = None if held is None else held.parent_id
    if task.root_id is not None and task.root_id not in seen:
        found.append(_row(task.source, task.root_id, _held(live, task.source, task.root_id)))
    return found


def _children(live: LiveView, task: Task) -> tuple[list[Relative], int]:
    """Those that name it as their parent, and those that its result names, of which nothing may be retained."""
    rows, total = _found(live, task.source, Filter(parent=(task.id,)))
    for id_ in dict.fromkeys(task.children):
        held = _held(live, task.source, id_)
        if held is None or held.parent_id != task.id:
            total += 1
            rows.append(_row(task.source, id_, held))
    return rows[:MAX_ROWS], total


def _group(live: LiveView, task: Task) -> tuple[list[Relative], int, Relative | None]:
    """The group without the chord's body, which Celery gives the same group id (`celery.canvas._chord.run`), and that body."""
    if task.group_id is None:
        return [], 0, None
    members, total = _page(live, task.source, Filter(group_id=(task.group_id,)), "sent_at")
    body = _body(live, members)
    if body is None and total > len(members):  # it is sent when all others have ended
        body = _body(live, _page(live, task.source, Filter(group_id=(task.group_id,)), "-sent_at")[0])
    rows = [_row(task.source, one.id, one) for one in members if body is None or one.id != body.id]
    return rows, total - (body is not None), None if body is None else _row(task.source, body.id, body)


def _body(live: LiveView, members: list[Task]) -> Task | None:
    """The one whose parent and root is a member itself: that which ended last."""
    known = {one.id: one.group_id for one in members}
    for one in members:
        if one.parent_id is None or one.parent_id != one.root_id:
            continue
        if one.parent_id not in known:
            parent = _held(live, one.source, one.parent_id)
            known[one.parent_id] = None if parent is None else parent.group_id
        if known[one.parent_id] == one.group_id:
            return one
    return None


def _found(live: LiveView, source: str, wanted: Filter) -> tuple[list[Relative], int]:
    tasks, total = _page(live, source, wanted, "sent_at")
    return [_row(source, task.id, task) for task in tasks], total


def _page(live: LiveView, source: str, wanted: Filter, sort: str) -> tuple[list[Task], int]:
    page = live.page(Matcher(wanted, frozenset({source})), sort_named(sort), MAX_ROWS)
    return [held.task() for held in page.tasks], page.total


def _held(live: LiveView, source: str, id_: str) -> Task | None:
    found = live.find(id_, lambda name: name == source)
    return found[0] if found else None


def _row(source: str, id_: str, held: Task | None) -> Relative:
    if held is None:
        return Relative(id_, source, retained=False)
    return Relative(id_, source, retained=True, name=held.name, state=held.state)

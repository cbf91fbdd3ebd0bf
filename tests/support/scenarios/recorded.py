"""What was observed of one task in a run, to be reduced again in other orders."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace
from taskscope_collector.observations import InspectReply, InspectRound, Observation, TaskEvent, TaskHeld, WorkerBeat


def of_task(observations: Sequence[Observation], task_id: str, *, with_workers: bool) -> list[Observation]:
    """The task's own observations, in order; `with_workers` with all signs of life, from which their death is concluded."""
    return [found for observation in observations for found in _of(observation, task_id, with_workers=with_workers)]


def _of(observation: Observation, task_id: str, *, with_workers: bool) -> Iterator[Observation]:
    if isinstance(observation, InspectReply):
        yield from [_only(observation, task_id)] if with_workers else _held(observation, task_id)
    elif isinstance(observation, WorkerBeat | InspectRound):
        yield from [observation] if with_workers else []
    elif isinstance(observation, TaskEvent):
        yield from [observation] if observation.uuid == task_id else []
    elif getattr(observation, "id", None) == task_id:
        yield observation


def _held(reply: InspectReply, task_id: str) -> list[TaskHeld]:
    everything = [*(reply.active or ()), *(reply.reserved or ()), *(reply.scheduled or ())]
    return [held for held in everything if held.id == task_id]


def _only(reply: InspectReply, task_id: str) -> InspectReply:
    return replace(
        reply, **{place: _without_others(getattr(reply, place), task_id) for place in ("active", "reserved", "scheduled")}
    )


def _without_others(held: list[TaskHeld] | None, task_id: str) -> list[TaskHeld] | None:
    return None if held is None else [task for task in held if task.id == task_id]

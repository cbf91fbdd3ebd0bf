"""A reducer for tests, and short ways to say what was seen."""

from datetime import UTC, datetime
from typing import Any

from taskscope_collector.observations import JobSeen, Observation, TaskEvent, TaskHeld, TaskResult, WorkerBeat
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer.record import Draft
from taskscope_collector.reducer.state import ReducerSettings, SourceState
from taskscope_shared.model import Engine
from taskscope_shared.settings import DEFAULT_KINDS, Redaction

W1, W2 = "celery@one", "celery@two"
PIDS = {W1: 11, W2: 22}
T0 = 1_700_000_000.0


def reducer(engine: Engine = Engine.CELERY, **budgets: Any) -> SourceState:
    limits = {"finished": 1000, "failed": 1000, "queued": 1000, "seconds": 7 * 86_400.0} | budgets
    return SourceState(ReducerSettings("s", engine, DEFAULT_KINDS, redactor=Redactor(Redaction()), **limits))


def draft(state: SourceState, id_: str = "t") -> Draft:
    return state._books.records[id_].draft


def event(kind: str, at: float, clock: int = 0, *, worker: str = W1, id_: str = "t", **fields: Any) -> TaskEvent:
    """A `task-<kind>` event, `at` seconds after T0; its clock grows with its time unless it is given."""
    moment = T0 + at
    fields.setdefault("pid", PIDS.get(worker, 99))
    return TaskEvent(f"task-{kind}", id_, moment, worker, clock or 1 + round(at * 10_000), **fields)


def usual(*, retries: int = 0, begin: float = 1.0) -> list[Observation]:
    """Of one try: sent, received and started."""
    return [
        event("sent", begin - 0.5, worker="gen7@p", name="app.f", args="(1,)", kwargs="{}", queue="q", retries=retries),
        event("received", begin, name="app.f", args="(1,)", kwargs="{}", retries=retries),
        event("started", begin + 0.25),
    ]


def iso(at: float) -> str:
    """`at` seconds after T0, as Celery writes an ETA."""
    return datetime.fromtimestamp(T0 + at, UTC).isoformat()


def result(status: str, at: float, *, id_: str = "t", **fields: Any) -> TaskResult:
    return TaskResult(id_, status, T0 + at, T0 + at, **fields)


def held(where: Any, at: float, *, worker: str = W1, id_: str = "t", **fields: Any) -> TaskHeld:
    started_at = fields.pop("started_at", None)
    fields["started_at"] = None if started_at is None else T0 + started_at
    return TaskHeld(id_, worker, where, T0 + at, T0 + at, **fields)


def beat(at: float, *, worker: str = W1, kind: str = "heartbeat", **fields: Any) -> WorkerBeat:
    fields.setdefault("pid", PIDS.get(worker, 99))
    if kind != "offline":
        fields = {"freq": 2.0, "active": 0, "processed": 0} | fields
    clock = fields.pop("clock", 1 + round(at * 10_000))
    return WorkerBeat(f"worker-{kind}", worker, T0 + at, clock, at=T0 + at, seen_at=T0 + at, **fields)


def job(status: str, at: float, *, id_: str = "j", **fields: Any) -> JobSeen:
    """A reading of an RQ job, times in seconds after T0."""
    for name, value in fields.items():
        if name.endswith("_at") and value is not None:
            fields[name] = T0 + value
    return JobSeen(id_, status, T0 + at, queue="default", name="app.f", **fields)

"""The tasks of a source: each observation of one is applied at once where it is the usual next thing, else folded."""

from collections.abc import Callable, Mapping
from copy import copy

from taskscope_shared.model import FINISHED, Engine, State, Task

from taskscope_collector.observations import (
    JobAbandoned,
    JobGone,
    JobSeen,
    TaskEvent,
    TaskHeld,
    TaskMissing,
    TaskQueued,
    TaskRedelivered,
    TaskResult,
)
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer import celery_fold, rq_fold
from taskscope_collector.reducer.conclude import conclude
from taskscope_collector.reducer.fast import FastPath
from taskscope_collector.reducer.inherited import inherit
from taskscope_collector.reducer.intake import Intake, Names
from taskscope_collector.reducer.kinds import Kinds
from taskscope_collector.reducer.order import RANK, add
from taskscope_collector.reducer.record import Draft, Fact, Lane, Record, Stage, draft_of
from taskscope_collector.reducer.retention import Books
from taskscope_collector.reducer.runs import SLACK_SECONDS, Folding

FACTS = 64
"""Facts kept of a task that does not end; beyond that it is folded into its base."""
LAST = {
    "task-succeeded": Lane.FINISHED,
    "task-revoked": Lane.FINISHED,
    "task-rejected": Lane.FINISHED,
    "task-failed": Lane.FAILED,
}
"""Events that end a task; one that comes alone for an unknown task may be late for one that was evicted."""
LAST_RESULTS = {"SUCCESS": Lane.FINISHED, "REVOKED": Lane.FINISHED, "REJECTED": Lane.FINISHED, "FAILURE": Lane.FAILED}
EARLY = 10_000
"""Tasks not seen yet about which something was concluded already."""


class Tasks:
    """Applies what was seen of tasks to the books."""

    def __init__(self, source: str, engine: Engine, books: Books, kinds: Kinds, redactor: Redactor) -> None:
        self._source, self._engine = source, engine
        self._books = books
        self._kinds = kinds
        self.queue_names = Names()
        self._intake = Intake(redactor, Names())
        self._fast = FastPath(books, kinds, self._intake, self.queue_names)
        self._usual = self._fast.handlers
        self._fold: Callable[[Draft | None, list[Fact]], Folding] = (
            celery_fold.fold if engine is Engine.CELERY else rq_fold.fold
        )
        self._early: dict[str, list[Fact]] = {}

    # ------------------------------------------------------------------------------------------------- what was seen

    def events(self, lives: Mapping[str, list[TaskEvent]]) -> None:
        """Celery events by task, each task's in their order; types that say nothing of a task's life are left out."""
        records = self._books.records
        for id_, life in lives.items():
            record = records.get(id_) or self._first(id_, life)
            if record is not None and self._live(record, life):
                self._books.touch(record)

    def _live(self, record: Record, life: list[TaskEvent]) -> bool:
        """Apply the usual next events at once; whether there was any. The others are folded."""
        usual, prepare, applied = self._usual, self._intake.event, False
        for event in life:
            handler = usual.get(event.type)
            if handler is not None:
                event.type = handler[0]
                if record.facts is not None and handler[1](event, record):
                    prepare(event, record)
                    record.facts.append(event)
                    applied = True
                    continue
            elif event.type not in RANK:
                continue
            self._intake.message(event, record)
            self._intake.outcome(event)
            prepare(event, record)
            self.add(record, event)
        return applied

    def _first(self, id_: str, life: list[TaskEvent]) -> Record | None:
        kind = life[-1].type
        if kind == "task-sent" or kind not in RANK:  # the last one is enough for most
            kinds = RANK.keys() & {event.type for event in life}
            if not kinds or (kinds == {"task-sent"} and not self._books.has_room_to_wait()):
                return None
        if kind in LAST and life[0].type in LAST and id_ not in self._books.graves and self._is_too_old(life[-1]):
            return None
        return self._new(id_)

    def _is_too_old(self, event: TaskEvent) -> bool:
        return self._books.is_too_old(LAST[event.type], event.at)

    def result(self, result: TaskResult) -> None:
        """What a result backend stored."""
        lane = LAST_RESULTS.get(result.status)
        if lane is not None and self._is_unknown(result.id) and self._books.is_too_old(lane, result.at):
            return
        record = self._record(result.id)
        if record is not None and not self._fast.result(result, record):
            self.add(record, result)

    def held(self, held: TaskHeld, pid: int | None = None) -> None:
        """A worker has it. `pid` is that of the worker's main process, as in events; a reply names the pool's process."""
        held.pid = pid
        record = self._record(held.id)
        if record is None:
            return
        if record.facts is not None and _confirms(held, record) and _is_latest(held, record.facts):
            add(record.facts, held)  # evidence against what may be concluded later; nothing changes
            _see(record.draft, held.at)
            if record.draft.priority is None and held.priority is not None:
                record.draft.priority = held.priority  # no event says it
                self._books.mark(record)
        else:
            self.add(record, held)

    def waiting(self, fact: TaskQueued | JobSeen) -> None:
        """A message in a queue or the hash of a job, if there is room for what may only wait."""
        if fact.id not in self._books.records and _only_waits(fact) and not self._books.has_room_to_wait():
            return
        if type(fact) is JobSeen and fact.status in rq_fold.ENDED and self._is_unknown(fact.id) and self._is_past(fact):
            return
        record = self._record(fact.id)
        if record is not None:
            self.add(record, fact)

    def _is_past(self, job: JobSeen) -> bool:
        lane = Lane.FAILED if job.status == "failed" else Lane.FINISHED
        return self._books.is_too_old(lane, rq_fold.last_moment(job))

    def inference(self, fact: TaskMissing | TaskRedelivered | JobGone | JobAbandoned) -> None:
        """A conclusion makes no task; it waits until something is seen of it."""
        record = self._books.records.get(fact.id)
        if record is not None:
            self.add(record, fact)
        elif fact.id in self._early or len(self._early) < EARLY:
            add(self._early.setdefault(fact.id, []), fact)

    # -------------------------------------------------------------------------------------------------------- records

    def _record(self, id_: str) -> Record | None:
        return self._books.records.get(id_) or self._new(id_)

    def _is_unknown(self, id_: str) -> bool:
        return id_ not in self._books.records and id_ not in self._books.graves

    def _new(self, id_: str) -> Record | None:
        grave = self._books.disturbed(id_)
        if grave is not None:
            return grave
        if self._books.is_evicted(id_):
            return None
        record = self._books.add(Draft(id_, self._source, self._engine, State.QUEUED))
        if self._early and id_ in self._early:
            record.facts = self._early.pop(id_)
            record.stage = Stage.OTHER
        return record

    def add(self, record: Record, fact: Fact) -> None:
        """Keep a fact, and fold the record again if it says anything new."""
        record.stage = Stage.OTHER
        facts = record.remember()
        if add(facts, fact):
            if self._engine is Engine.RQ:
                record.facts = rq_fold.thin_out(facts)
            self.fold_again(record)

    def fold_again(self, record: Record) -> None:
        """Fold all facts; it counts as changed only if its state did."""
        facts = record.facts if record.facts is not None else []
        draft, before = record.draft, copy(record.draft)
        folding = self._fold(record.base, facts)
        conclude(folding, draft, self._kinds)
        record.pid = folding.last.pid if folding.last is not None else None
        if draft.queue is not None:
            draft.queue = self.queue_names.shared(draft.queue)
        before.updated_at = draft.updated_at  # that it was seen again is no news
        if draft != before or record.lane is Lane.NEW:
            self._books.touch(record)
        if draft.state in FINISHED or record.lane is Lane.GONE:
            self._books.fresh.append(record)
        elif len(facts) > FACTS:
            record.base, record.facts = draft_of(draft), []

    def inherit(self, record: Record, task: Task) -> bool:
        """Go on from what another wrote of it, where that says more. What is known of an RQ job is read whole each time."""
        says_more = self._engine is Engine.CELERY and inherit(record, task)
        if says_more:
            self.fold_again(record)
        return says_more

    def load(self, task: Task) -> None:
        """A task as it was written before a restart; it does not count as changed."""
        if task.id in self._books.records:
            return
        self._books.exhume(task.id)
        record = self._books.add(draft_of(task))
        record.dirty = True
        self._books.touch(record)
        record.dirty = False
        record.forget()


def _only_waits(fact: TaskQueued | JobSeen) -> bool:
    return isinstance(fact, TaskQueued) or fact.status in rq_fold.WAITING


def _see(draft: Draft, at: float) -> None:
    """As the fold does: when it was last seen dates what nothing else does."""
    dated = draft.sent_at or draft.received_at or draft.started_at or draft.finished_at or draft.progress or draft.history
    if not dated and at > draft.updated_at:
        draft.updated_at = at


def _same_start(held: TaskHeld, started_at: float) -> bool:
    return held.started_at is None or abs(held.started_at - started_at) <= SLACK_SECONDS


def _is_latest(held: TaskHeld, facts: list[Fact]) -> bool:
    """Whether no other reply was seen after it: the fold takes the try and its start from the first that tells one."""
    own = held.started_at, held.retries
    later = (fact for fact in facts if type(fact) is TaskHeld and fact.at >= held.at)
    return all((fact.started_at, fact.retries) == own for fact in later)


def _confirms(held: TaskHeld, record: Record) -> bool:
    """Whether the worker says nothing that is not known."""
    draft = record.draft
    if draft.worker != held.worker or (held.queue is not None and draft.queue is None) or draft.name is None:
        return False
    if held.retries is not None and held.retries != draft.retries:
        return False
    if held.where == "active":
        return draft.state is State.RUNNING and draft.started_at is not None and _same_start(held, draft.started_at)
    scheduled = held.where == "scheduled" and draft.eta_at is not None and draft.state is State.SCHEDULED
    return draft.state is State.RESERVED or scheduled

"""The usual life of a Celery task without folding: sent, received, started, its result stored, ended, each in its order.

Does to the draft what the fold would (a property test holds the two together). Whatever is not usual is refused here
(False), and then folded.
"""

from collections.abc import Callable
from typing import Final

from taskscope_shared.model import State

from taskscope_collector.observations import TaskEvent, TaskResult
from taskscope_collector.reducer.celery_events import epoch_seconds
from taskscope_collector.reducer.exceptions import parse
from taskscope_collector.reducer.intake import Intake, Names
from taskscope_collector.reducer.kinds import Kinds
from taskscope_collector.reducer.order import add
from taskscope_collector.reducer.record import Draft, Record, Stage
from taskscope_collector.reducer.retention import Books
from taskscope_collector.reducer.runs import SLACK_SECONDS

Handler = Callable[[TaskEvent, Record], bool]
_RESULTS: Final = {"SUCCESS": State.SUCCEEDED, "FAILURE": State.FAILED}

# Members of an enum are found slowly; these are looked at for each event.
_NEW: Final = Stage.NEW
_SENT: Final = Stage.SENT
_RECEIVED: Final = Stage.RECEIVED
_STARTED: Final = Stage.STARTED
_STORED: Final = Stage.STORED
_ENDED: Final = Stage.ENDED
_QUEUED: Final = State.QUEUED
_SCHEDULED: Final = State.SCHEDULED
_RETRYING: Final = State.RETRYING
_RESERVED: Final = State.RESERVED
_RUNNING: Final = State.RUNNING
_SUCCEEDED: Final = State.SUCCEEDED


class FastPath:
    """Applies the next event of a task whose stage says that it is the expected one."""

    def __init__(self, books: Books, kinds: Kinds, intake: Intake, queues: Names) -> None:
        self._books = books
        self._kinds = kinds
        self._intake = intake
        self._queues = queues
        self.handlers: dict[str, tuple[str, Handler]] = {
            "task-sent": ("task-sent", self._sent),
            "task-received": ("task-received", self._received),
            "task-started": ("task-started", self._started),
            "task-succeeded": ("task-succeeded", self._succeeded),
            "task-failed": ("task-failed", self._failed),
        }

    # ------------------------------------------------------------------------------------------------------- messages

    def _sent(self, event: TaskEvent, record: Record) -> bool:
        draft, is_new = record.draft, record.stage is _NEW
        if not is_new and not _is_late_message(event, record):
            return False
        self._message(event, record)
        if event.queue is not None:
            draft.queue = event.queue = self._queues.shared(event.queue)
        draft.sent_at = at = event.at
        if at > draft.updated_at:
            draft.updated_at = at
        if event.eta is not None or event.expires is not None:
            draft.eta_at = draft.eta_at if draft.eta_at is not None else epoch_seconds(event.eta)
            draft.expires_at = draft.expires_at if draft.expires_at is not None else epoch_seconds(event.expires)
        if is_new:
            record.stage = _SENT
            draft.state = _RETRYING if draft.retries else _QUEUED if draft.eta_at is None else _SCHEDULED
        elif draft.started_at is not None:
            draft.wait_seconds = _wait(draft, draft.started_at)
        return True

    def _received(self, event: TaskEvent, record: Record) -> bool:
        draft, at = record.draft, event.at
        usual = record.stage is _SENT and (event.retries or 0) == draft.retries
        if not usual and record.stage is not _NEW:
            return False
        if not event.hostname or not event.clock:
            return False
        self._message(event, record)
        record.stage, record.pid, record.clock = _RECEIVED, event.pid or None, event.clock
        draft.worker, draft.received_at, draft.attempts = event.hostname, at, 1
        if at > draft.updated_at:
            draft.updated_at = at
        if event.eta is not None or event.expires is not None:
            eta, expires = epoch_seconds(event.eta), epoch_seconds(event.expires)
            draft.eta_at = eta if eta is not None else draft.eta_at
            draft.expires_at = expires if expires is not None else draft.expires_at
        if draft.eta_at is not None and draft.eta_at > at:
            draft.state = _RETRYING if draft.retries else _SCHEDULED
        else:
            draft.state = _RESERVED
        return True

    def _message(self, event: TaskEvent, record: Record) -> None:
        """What sent and received say of the task itself."""
        draft = record.draft
        self._intake.message(event, record)
        if event.name is not None:
            if event.name != draft.name:
                draft.name, draft.kind = self._kinds.known(event.name)
            event.name = draft.name
        if event.args is not None:
            draft.args = event.args
        if event.kwargs is not None:
            draft.kwargs = event.kwargs
        if event.root_id is not None:
            draft.root_id = event.root_id
        if event.parent_id is not None and event.parent_id != draft.id:
            draft.parent_id = event.parent_id
        if event.retries:
            draft.retries = event.retries

    # -------------------------------------------------------------------------------------------------------- the run

    def _started(self, event: TaskEvent, record: Record) -> bool:
        draft = record.draft
        if record.stage is not _RECEIVED or not _follows(event, record):
            return False
        record.stage, record.clock = _STARTED, event.clock
        draft.started_at = at = event.at
        draft.state = _RUNNING
        if at > draft.updated_at:
            draft.updated_at = at
        if draft.sent_at is not None:
            draft.wait_seconds = _wait(draft, at)
        return True

    def _succeeded(self, event: TaskEvent, record: Record) -> bool:
        draft = record.draft
        if record.stage is not _STARTED and not _repeats(event, record, State.SUCCEEDED):
            return False
        if not _follows(event, record):
            return False
        self._intake.outcome(event)
        if event.result is not None:
            draft.result = event.result
        draft.state = _SUCCEEDED
        draft.runtime_seconds = event.runtime
        _end(event, record)
        return True

    def _failed(self, event: TaskEvent, record: Record) -> bool:
        draft = record.draft
        if record.stage is not _STARTED and not _repeats(event, record, State.FAILED):
            return False
        if not _follows(event, record):
            return False
        self._intake.outcome(event)
        kind, message = parse(event.exception, event.traceback)
        draft.exception_type = kind or draft.exception_type
        draft.exception = message if message is not None else draft.exception
        draft.traceback = event.traceback if event.traceback is not None else draft.traceback
        draft.state, draft.runtime_seconds = State.FAILED, None
        _end(event, record)
        return True

    # --------------------------------------------------------------------------------------------------------- results

    def result(self, result: TaskResult, record: Record) -> bool:
        """The final result of a task that runs (it is stored before the worker says so) or has just ended."""
        state, draft = _RESULTS.get(result.status), record.draft
        if state is None or record.facts is None or draft.name is None or result.retries not in (None, draft.retries):
            return False
        if record.stage is _STARTED:
            return self._stored(result, record, state)
        if record.stage is not _ENDED or draft.state is not state:
            return False
        return abs((draft.finished_at or 0.0) - result.at) <= SLACK_SECONDS and self._repeated(result, record)

    def _stored(self, result: TaskResult, record: Record, state: State) -> bool:
        draft = record.draft
        if draft.started_at is None or result.at < draft.started_at - SLACK_SECONDS:
            return False
        record.stage = _STORED
        draft.state, draft.finished_at = state, result.at
        draft.runtime_seconds = max(result.at - draft.started_at, 0.0)
        draft.updated_at = max(draft.updated_at, result.at)
        _fill(draft, result)
        if record.facts is not None:
            record.facts.append(result)
        self._books.touch(record)
        return True

    def _repeated(self, result: TaskResult, record: Record) -> bool:
        if record.facts is not None and add(record.facts, result) and _fill(record.draft, result):
            self._books.mark(record)
        return True


def _end(event: TaskEvent, record: Record) -> None:
    draft, stored, at = record.draft, record.stage is _STORED, event.at
    record.stage, record.clock, draft.finished_at = _ENDED, event.clock, at
    if draft.runtime_seconds is None and draft.started_at is not None:
        draft.runtime_seconds = max(at - draft.started_at, 0.0)
    if stored:  # the time of the stored result does not count any more
        draft.updated_at = max(draft.sent_at or 0.0, draft.received_at or 0.0, draft.started_at or 0.0)
    if at > draft.updated_at:
        draft.updated_at = at


def _fill(draft: Draft, result: TaskResult) -> bool:
    """What the events did not say; whether there was any."""
    before = (draft.group_id, draft.children, draft.queue, draft.parent_id, draft.name, draft.args, draft.kwargs, draft.result)
    blamed = (draft.exception_type, draft.exception, draft.traceback)
    draft.group_id, draft.children = draft.group_id or result.group_id, result.children or draft.children
    draft.queue, draft.name = draft.queue or result.queue, draft.name or result.name
    draft.args = draft.args if draft.args is not None else result.args
    draft.kwargs = draft.kwargs if draft.kwargs is not None else result.kwargs
    if draft.parent_id is None and result.parent_id != draft.id:
        draft.parent_id = result.parent_id
    if draft.state is _SUCCEEDED:
        draft.result = draft.result if draft.result is not None else result.result
    else:
        draft.exception_type = draft.exception_type or result.exception_type
        draft.exception = draft.exception if draft.exception is not None else result.exception
        draft.traceback = draft.traceback if draft.traceback is not None else result.traceback
    after = (draft.group_id, draft.children, draft.queue, draft.parent_id, draft.name, draft.args, draft.kwargs, draft.result)
    return before != after or blamed != (draft.exception_type, draft.exception, draft.traceback)


def _is_late_message(event: TaskEvent, record: Record) -> bool:
    """Whether it is the message of the only delivery, which was received first."""
    draft = record.draft
    received = Stage.RECEIVED <= record.stage <= Stage.ENDED and draft.sent_at is None
    return received and (event.retries or 0) == draft.retries and event.name == draft.name


def _follows(event: TaskEvent, record: Record) -> bool:
    return (
        event.clock > record.clock and event.hostname == record.draft.worker and (event.pid == record.pid or record.pid is None)
    )


def _repeats(event: TaskEvent, record: Record, state: State) -> bool:
    """Whether the stored result said so already."""
    draft = record.draft
    if record.stage is not _STORED or draft.state is not state or draft.finished_at is None:
        return False
    return abs(draft.finished_at - event.at) <= SLACK_SECONDS


def _wait(draft: Draft, started_at: float) -> float | None:
    if draft.sent_at is None:
        return None
    seconds = started_at - max(draft.sent_at, draft.eta_at or 0.0)
    return max(seconds, 0.0) if seconds > -SLACK_SECONDS else None

"""The meta of a Celery result backend (celery.backends.base), as it is stored and published: JSON, or it is left alone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.model import Progress

from taskscope_collector.observations import TaskResult
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.progress import read_progress
from taskscope_collector.sources.celery.skew import ClockSkew

WHOLE_BYTES = 1024 * 1024
"""A larger meta is not parsed: its status is read from its beginning, its date from its end."""
VALUE_BYTES = 64 * 1024
"""A larger result is shown from its JSON text, not decoded."""
EDGE_BYTES = 8 * 1024
CHILDREN = 200
CHILD_DEPTH = 20
FINAL = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"})
RAISED = frozenset({"FAILURE", "REVOKED", "RETRY", "REJECTED"})
_STATUS = re.compile(rb'\A\s*\{\s*"status":\s*"([^"\\]{1,100})"')
_RESULT = re.compile(rb'"result":\s*')
_DATE = re.compile(rb'"date_done":\s*"([0-9T:.+\-Z]{10,40})"')


class NotJsonError(ValueError):
    """The result is no JSON: a pickle, which is never read, or another serializer's."""


class _Raised(msgspec.Struct, gc=False):
    exc_type: str | None = None
    exc_message: Any = None


class _Started(msgspec.Struct, gc=False):
    hostname: str | None = None


class _Meta(msgspec.Struct, gc=False):
    status: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    traceback: str | None = None
    children: Any = None
    date_done: str | None = None
    group_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None


class ResultDecoder:
    """Turns metas into `TaskResult`s, redacted and capped."""

    def __init__(self, redactor: Redactor, clock: Clock, skew: ClockSkew) -> None:
        self._redactor = redactor
        self._clock = clock
        self._skew = skew
        self._meta = msgspec.json.Decoder(_Meta).decode
        self._raised = msgspec.json.Decoder(_Raised).decode
        self._started = msgspec.json.Decoder(_Started).decode

    def decode(self, task_id: str, payload: bytes, *, cut: bool = False) -> TaskResult:
        """The result of `task_id`; `cut` says that `payload` is only the beginning.

        Raises NotJsonError for a payload that is no JSON object, msgspec.MsgspecError for one that is no meta.
        """
        if payload[:1] != b"{":
            raise NotJsonError("the result is not JSON")
        now = self._clock.now()
        if cut or len(payload) > WHOLE_BYTES:
            return self._by_its_edges(task_id, payload, now, cut=cut)
        return self._whole(task_id, self._meta(payload), now)

    def _whole(self, task_id: str, meta: _Meta, now: float) -> TaskResult:
        result = TaskResult(id=task_id, status=meta.status, at=self._at(meta.date_done, meta.worker, now), seen_at=now)
        self._fill(result, meta)
        if meta.status in RAISED:
            result.exception_type, result.exception = self._exception(meta.result)
        elif meta.status == "STARTED":
            result.worker = result.worker or self._worker(meta.result)
        elif meta.status == "SUCCESS":
            result.result = self._preview(meta.result)
        elif meta.status not in FINAL:
            result.progress = self._progress(meta.result, now)
        return result

    def _fill(self, result: TaskResult, meta: _Meta) -> None:
        result.traceback = self._redactor.traceback(meta.traceback) if meta.traceback else None
        result.group_id = meta.group_id
        result.parent_id = meta.parent_id if meta.parent_id != result.id else None
        if meta.children:
            # A retry sends the task itself again, and Celery notes that as a child.
            result.children = tuple(child for child in dict.fromkeys(_child_ids(meta.children)) if child != result.id)
        result.name, result.worker = meta.name, meta.worker
        result.queue, result.retries = meta.queue, meta.retries
        result.args = self.shown(tuple(meta.args) if isinstance(meta.args, list) else meta.args)
        result.kwargs = self.shown(meta.kwargs)

    def shown(self, value: object) -> str | None:
        """Arguments as people read them: a text is a repr already."""
        if value is None:
            return None
        return self._redactor.text(value) if isinstance(value, str) else self._redactor.value(value)

    def _at(self, date_done: str | None, worker: str | None, now: float) -> float:
        stamped = epoch(date_done)
        if stamped is None:
            return now
        if worker in self._skew.applied:
            stamped -= self._skew.of(worker or "")
        elif self._skew.applied:
            return now  # one of the workers' clocks is wrong, and nothing says whether this is its result
        return min(stamped, now)

    def _preview(self, raw: msgspec.Raw) -> str:
        text = bytes(raw)
        if len(text) > VALUE_BYTES:
            return self._redactor.text(text[:EDGE_BYTES].decode("utf-8", "replace"))
        return self._redactor.value(msgspec.json.decode(text))

    def _exception(self, raw: msgspec.Raw) -> tuple[str | None, str | None]:
        try:
            raised = self._raised(raw)
        except msgspec.ValidationError:
            return None, self._preview(raw)
        message = raised.exc_message
        if isinstance(message, list):
            # The exception's args. One is the message itself; a secret is looked for in what is shown.
            text = (
                str(message[0]) if len(message) == 1 and isinstance(message[0], str) else self._redactor.value(tuple(message))
            )
        else:
            text = str(message) if message is not None else ""
        return raised.exc_type, self._redactor.text(text)

    def _worker(self, raw: msgspec.Raw) -> str | None:
        try:
            return self._started(raw).hostname
        except msgspec.ValidationError:
            return None

    def _progress(self, raw: msgspec.Raw, now: float) -> Progress | None:
        if len(bytes(raw)) > VALUE_BYTES:
            return None
        return read_progress(msgspec.json.decode(raw), self._redactor, now)

    def _by_its_edges(self, task_id: str, payload: bytes, now: float, *, cut: bool) -> TaskResult:
        head = payload[:EDGE_BYTES]
        status = _STATUS.match(head)
        if status is None:
            raise NotJsonError("a large result does not begin with its status")
        state = status.group(1).decode("utf-8", "replace")
        date = None if cut else _DATE.search(payload[-EDGE_BYTES:])
        at = self._at(date.group(1).decode() if date else None, None, now)
        result = TaskResult(id=task_id, status=state, at=at, seen_at=now)
        found = _RESULT.search(head)
        if found is not None and state == "SUCCESS":
            result.result = self._redactor.text(head[found.end() :].decode("utf-8", "replace"))
        return result


def epoch(date: str | None) -> float | None:
    """Seconds since the epoch of an ISO date (UTC unless it says otherwise); None if it is none."""
    if not date:
        return None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _child_ids(children: object) -> Iterator[str]:
    """Ids in `[[[id, parent], [members...] or null], ...]` (celery.result.AsyncResult.as_tuple), at most `CHILDREN`."""
    found = 0
    stack: list[tuple[object, int]] = [(children, 0)]
    while stack and found < CHILDREN:
        level, depth = stack.pop()
        if not isinstance(level, list):
            continue
        for child in level[: CHILDREN - found]:
            task_id, members = _child(child)
            if members is not None and depth < CHILD_DEPTH:
                stack.append((members, depth + 1))
            elif task_id is not None:
                found += 1
                yield task_id


def _child(child: object) -> tuple[str | None, object]:
    if not isinstance(child, list) or len(child) != 2:
        return None, None
    head, members = child
    task_id = head[0] if isinstance(head, list) and head else head
    return (task_id if isinstance(task_id, str) else None), members

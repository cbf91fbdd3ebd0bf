"""Task messages as they lie in a Redis broker's lists and in `unacked` (kombu.transport.virtual, celery.app.amqp)."""

import re
from typing import Any

import msgspec

from taskscope_collector.observations import TaskQueued
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.results import epoch

BODY_BYTES = 64 * 1024
"""A larger body is not looked into (only messages of protocol 1 need it)."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?=-|$)")


class _Headers(msgspec.Struct, gc=False):
    id: str | None = None
    task: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    retries: int | None = None
    eta: str | None = None
    expires: str | float | None = None
    traceparent: str | None = None


class _Properties(msgspec.Struct, gc=False):
    priority: int | None = None


class _Message(msgspec.Struct, gc=False):
    body: str = ""
    headers: _Headers = msgspec.field(default_factory=_Headers)
    properties: _Properties = msgspec.field(default_factory=_Properties)


class _OldBody(msgspec.Struct, gc=False):
    """Protocol 1 has everything in the body."""

    id: str
    task: str | None = None
    args: Any = None
    kwargs: Any = None
    retries: int | None = None
    eta: str | None = None
    expires: str | float | None = None
    taskset: str | None = None


class _Bytes(msgspec.Struct, gc=False):
    body: bytes


class MessageDecoder:
    """Turns task messages into `TaskQueued`. A body is never unpickled: what is shown comes from the headers."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._message = msgspec.json.Decoder(_Message).decode
        self._bytes = msgspec.json.Decoder(_Bytes).decode
        self._old = msgspec.json.Decoder(_OldBody).decode
        self._entry = msgspec.json.Decoder(tuple[msgspec.Raw, str | None, str | None]).decode

    def queued(self, payload: bytes, queue: str, now: float, *, unacked: bool = False) -> TaskQueued:
        """The task that waits in `queue`. Raises msgspec.MsgspecError for what is no task message."""
        message = self._message(payload)
        if message.headers.id is None:
            return self._old_message(payload, message, queue, now, unacked=unacked)
        headers = message.headers
        trace_id, span_id = _trace(headers.traceparent)
        task_id = headers.id or ""
        return TaskQueued(
            id=task_id,
            queue=queue,
            at=now,
            seen_at=now,
            name=headers.task,
            args=self._redactor.text(headers.argsrepr) if headers.argsrepr is not None else None,
            kwargs=self._redactor.text(headers.kwargsrepr) if headers.kwargsrepr is not None else None,
            root_id=headers.root_id,
            parent_id=headers.parent_id if headers.parent_id != task_id else None,
            group_id=headers.group,
            retries=headers.retries,
            eta_at=epoch(headers.eta),
            expires_at=_moment(headers.expires),
            priority=message.properties.priority,
            trace_id=trace_id,
            span_id=span_id,
            unacked=unacked,
        )

    def unacked(self, entry: bytes, now: float) -> TaskQueued:
        """The task of an entry of the `unacked` hash: `[message, exchange, routing key]`."""
        message, exchange, routing_key = self._entry(entry)
        return self.queued(bytes(message), routing_key or exchange or "", now, unacked=True)

    def _old_message(self, payload: bytes, message: _Message, queue: str, now: float, *, unacked: bool) -> TaskQueued:
        if len(message.body) > BODY_BYTES:
            raise msgspec.ValidationError("a message without an id in its headers, and a body too large to look into")
        body = self._old(self._bytes(payload).body)
        return TaskQueued(
            id=body.id,
            queue=queue,
            at=now,
            seen_at=now,
            name=body.task,
            args=self._redactor.value(tuple(body.args)) if isinstance(body.args, list) else None,
            kwargs=self._redactor.value(body.kwargs) if isinstance(body.kwargs, dict) else None,
            group_id=body.taskset,
            retries=body.retries,
            eta_at=epoch(body.eta),
            expires_at=_moment(body.expires),
            priority=message.properties.priority,
            unacked=unacked,
        )


def _moment(value: str | float | None) -> float | None:
    return value if isinstance(value, int | float) else epoch(value)


def _trace(traceparent: str | None) -> tuple[str | None, str | None]:
    """The ids of the trace and, where it was sampled, of the span that sent the task (W3C Trace Context, 3.2)."""
    found = _TRACEPARENT.match(traceparent or "")
    if found is None:
        return None, None
    return found[1], found[2] if int(found[3], 16) & 1 else None

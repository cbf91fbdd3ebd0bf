"""An RQ job's hash and newest result as an observation. Pure: bytes in, `JobSeen` out."""

import json
import math
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from taskscope_shared.clock import Clock

from taskscope_collector.observations import JobSeen
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.rq.failures import read_failure
from taskscope_collector.sources.rq.inert_pickle import Budget, InertPickleError, load
from taskscope_collector.sources.rq.payload import Call, clean, decode, inflate, read_value
from taskscope_collector.sources.rq.progress import read_progress

FIELDS = (
    "status",
    "created_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "last_heartbeat",
    "origin",
    "timeout",
    "worker_name",
    "result_ttl",
    "retries_left",
    "number_of_retries",
    "group_id",
    "dependency_ids",
    "dependency_id",
)
"""What is read of every job: the small fields without pickles (job.Job.to_dict of RQ)."""

FINAL = frozenset({"finished", "failed", "stopped", "canceled"})
META_BUDGET = Budget(bytes=32_768, objects=2_000, seconds=0.01)
EXCEPTION_BYTES = 1_048_576
_ID_LENGTH = 256
_TEXT_LENGTH = 256
_DEPENDENCIES = 50
_UUID = re.compile(r"\A[0-9a-f]{32}\Z")


def text(value: object) -> str | None:
    """A field as text; RQ writes '' for null."""
    if not isinstance(value, bytes) or not value:
        return None
    return value[:_TEXT_LENGTH].decode("utf-8", "replace")


def number(value: object) -> float | None:
    """A field as a number; None if it is none."""
    if not isinstance(value, bytes) or not value:
        return None
    try:
        parsed = float(value)
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None


def whole(value: object) -> int | None:
    """A field as an integer; None if it is none."""
    parsed = number(value)
    return int(parsed) if parsed is not None and abs(parsed) < 2**53 else None


def moment(value: object) -> float | None:
    """An ISO time with `Z` (rq.utils.utcformat) as epoch seconds."""
    written = text(value)
    if written is None:
        return None
    try:
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError):
        return None


def read_job(job_id: str, values: Sequence[object], at: float) -> JobSeen | None:
    """The hash's `FIELDS` as read at `at`; None if there is no such job, or a heartbeat alone that came after its deletion."""
    fields = dict(zip(FIELDS, values, strict=True))
    status = text(fields["status"])
    if status is None or fields["created_at"] is None:
        return None
    return JobSeen(
        id=job_id[:_ID_LENGTH],
        status=status,
        at=at,
        queue=text(fields["origin"]),
        worker=text(fields["worker_name"]),
        created_at=moment(fields["created_at"]),
        enqueued_at=moment(fields["enqueued_at"]),
        started_at=moment(fields["started_at"]),
        ended_at=moment(fields["ended_at"]),
        heartbeat_at=moment(fields["last_heartbeat"]),
        timeout_seconds=number(fields["timeout"]),
        result_ttl_seconds=number(fields["result_ttl"]),
        retries_left=whole(fields["retries_left"]),
        number_of_retries=whole(fields["number_of_retries"]),
        group_id=text(fields["group_id"]),
        dependencies=_dependencies(fields["dependency_ids"], fields["dependency_id"]),
    )


def _dependencies(many: object, one: object) -> tuple[str, ...]:
    if isinstance(many, bytes):
        try:
            ids = json.loads(many)
        except (ValueError, RecursionError):
            ids = None
        if isinstance(ids, list):
            return tuple(clean(item[:_ID_LENGTH]) for item in ids[:_DEPENDENCIES] if isinstance(item, str))
    single = text(one)
    return (single,) if single else ()


def add_call(job: JobSeen, call: Call) -> None:
    """Say what the job runs."""
    job.name, job.args, job.kwargs = call.name, call.args, call.kwargs


def add_meta(job: JobSeen, meta: bytes, redactor: Redactor, clock: Clock) -> None:
    """Say how far it is, as its `meta` has it."""
    try:
        value = load(meta, META_BUDGET, clock) if meta[:1] == b"\x80" else decode(meta, clock)
    except InertPickleError:
        return
    job.progress = read_progress(value, redactor, job.at)


def add_result(job: JobSeen, entry: Sequence[Any], redactor: Redactor, clock: Clock) -> None:
    """Say how it ended: `entry` is [stream id, [field, value, ...]], the newest of its results."""
    stream_id, flat = entry
    fields = dict(zip(flat[::2], flat[1::2], strict=False))
    job.result_id = text(stream_id)
    job.result_type = whole(fields.get(b"type"))
    job.result_started_at = number(fields.get(b"execution_started_at"))
    job.result_ended_at = number(fields.get(b"execution_ended_at")) or _stream_time(job.result_id)
    execution = text(fields.get(b"execution_id"))
    job.execution_id = execution if execution and _UUID.match(execution) else None
    job.worker = job.worker or text(fields.get(b"worker_name"))
    returned = fields.get(b"return_value")
    if isinstance(returned, bytes):
        job.result = read_value(returned, redactor, clock)
    packed = fields.get(b"exc_string")
    if isinstance(packed, bytes) and packed:
        try:
            add_exception(job, b64decode(packed), redactor)
        except (Base64Error, ValueError):
            return


def add_exception(job: JobSeen, packed: bytes, redactor: Redactor) -> None:
    """Say why it failed: `packed` is zlib of RQ's text."""
    failure = read_failure(inflate(packed, EXCEPTION_BYTES).decode("utf-8", "replace"))
    job.exception_type = failure.type
    job.exception = redactor.text(failure.message)
    job.traceback = redactor.traceback(failure.traceback) if failure.traceback else None


def _stream_time(stream_id: str | None) -> float | None:
    milliseconds = (stream_id or "").partition("-")[0]
    return int(milliseconds) / 1000 if milliseconds.isdecimal() else None

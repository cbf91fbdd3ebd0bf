"""Logs: one line a record, JSON for machines or short text for a terminal, each with the ids of the trace it belongs to."""

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from json import dumps
from typing import Any, TextIO

from opentelemetry import trace

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}


def configure(
    service: str, level: str, *, json: bool, stream: TextIO | None = None, more: Sequence[logging.Handler] = ()
) -> None:
    """Send every record of `level` (`debug`, `info`, `warning`, `error`) and above to `stream` (stderr unless given).

    `more` handlers get them, too. Replaces the root logger's handlers, so calling it again is harmless.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(service) if json else HumanFormatter(colour=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler, *more]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


class JsonFormatter(logging.Formatter):
    """`{"time": RFC 3339, "level", "service", "logger", "message", ...extra, "trace_id", "span_id", "exception"}`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON; what is not JSON is written as its text."""
        line: dict[str, Any] = {
            "time": _time(record.created).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in _extra(record).items() if name not in line} | _trace_ids()
        if exception := self._exception(record):
            line["exception"] = exception
        return dumps(line, default=str, separators=(",", ":"))

    def _exception(self, record: logging.LogRecord) -> str | None:
        text = self.formatException(record.exc_info) if record.exc_info else None
        return f"{text}\n{record.stack_info}" if text and record.stack_info else text or record.stack_info


class HumanFormatter(logging.Formatter):
    """`20:48:04 warning taskscope_collector.lease: lost  source=archive`."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line (and its traceback below)."""
        level = record.levelname.lower().ljust(7)
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        extra = "".join(f"  {name}={value}" for name, value in _extra(record).items())
        # The machine's own time zone: a person reads it beside the clock on the wall.
        line = f"{_time(record.created).astimezone():%H:%M:%S} {level} {record.name}: {record.getMessage()}{extra}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What `extra=` added to the record."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _trace_ids() -> dict[str, str]:
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

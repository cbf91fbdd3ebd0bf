"""What a log line holds."""

import json
import logging
import sys

from opentelemetry import trace
from taskscope_shared.telemetry import HumanFormatter, JsonFormatter


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("taskscope.x", logging.WARNING, "f.py", 1, "lost %s", ("lease",), None)
    vars(made).update(extra)
    return made


def test_a_json_line_has_the_message_and_the_extra_fields() -> None:
    line = JsonFormatter("collector").format(record(source="archive", odd={1, 2}.__class__))
    said = json.loads(line)
    assert "\n" not in line
    assert said["time"].endswith("Z")
    assert {key: said[key] for key in ("level", "service", "logger", "message", "source")} == {
        "level": "warning",
        "service": "collector",
        "logger": "taskscope.x",
        "message": "lost lease",
        "source": "archive",
    }
    assert said["odd"] == "<class 'set'>"


def test_a_json_line_holds_the_traceback() -> None:
    made = record()
    try:
        int("nope")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter("api").format(made)
    assert "\n" not in line
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_a_json_line_names_the_trace_it_belongs_to() -> None:
    context = trace.SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(context)):
        said = json.loads(JsonFormatter("api").format(record()))
    assert (said["trace_id"], said["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert "trace_id" not in json.loads(JsonFormatter("api").format(record()))


def test_a_line_for_people_is_short() -> None:
    line = HumanFormatter(colour=False).format(record(source="archive"))
    assert line.endswith(" warning taskscope.x: lost lease  source=archive")

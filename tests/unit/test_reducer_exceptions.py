"""Type and message of exceptions, out of reprs and tracebacks."""

import pytest
from taskscope_collector.reducer.exceptions import parse

HEAD = "Traceback (most recent call last):\n  File 'x.py', line 1, in f\n    boom()\n"


@pytest.mark.parametrize(
    ("exception", "traceback", "expected"),
    [
        ("ValueError('x')", None, ("ValueError", "x")),
        ("ValueError('it\\'s', 2)", None, ("ValueError", "'it\\'s', 2")),
        ('KeyError("a")', None, ("KeyError", "a")),
        ("SoftTimeLimitExceeded()", None, ("SoftTimeLimitExceeded", "")),
        ("TimeLimitExceeded(3,)", None, ("TimeLimitExceeded", "3")),
        ("ValueError('cut in the mid…", None, ("ValueError", "cut in the mid…")),
        ("<class 'app.Odd'>", None, ("Odd", "")),
        ("nothing like a repr", None, (None, "nothing like a repr")),
        (None, None, (None, None)),
        (
            "ExceptionWithTraceback()",
            HEAD + "billiard.exceptions.WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL) Job: 3.\n",
            ("WorkerLostError", "Worker exited prematurely: signal 9 (SIGKILL) Job: 3."),
        ),
        (
            "ExceptionWithTraceback()",
            HEAD + "billiard.exceptions.TimeLimitExceeded: TimeLimitExceeded(3,)\n",
            ("TimeLimitExceeded", "3"),
        ),
        ("ExceptionWithTraceback()", None, ("ExceptionWithTraceback", "")),
        (
            None,
            HEAD + "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (1 seconds)\n",
            (
                "JobTimeoutException",
                "Task exceeded maximum timeout value (1 seconds)",
            ),
        ),
    ],
)
def test_type_and_message(exception: str | None, traceback: str | None, expected: tuple[str | None, str | None]) -> None:
    assert parse(exception, traceback) == expected

"""What may go wrong: one exception, which says what the api says."""

from collections.abc import Mapping

import msgspec

KIND_PREFIX = "urn:taskscope:problem:"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457, as the api answers it."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    field: str | None = None
    sources: tuple[str, ...] | None = None
    modes: tuple[str, ...] | None = None
    request_id: str | None = None


class TaskscopeError(Exception):
    """The api refused, or could not be understood.

    `field` names the parameter that is wrong, `detail` says what would be right. `status` is HTTP's, 0 where there was no
    answer; `kind` is the end of `type`: `unknown-task`. With `request_id` the request is found in the api's log.
    `retry_after_seconds` is what the api asks to wait.
    """

    def __init__(self, problem: Problem, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.status = problem.status
        self.type = problem.type
        self.kind = problem.type.removeprefix(KIND_PREFIX)
        self.title = problem.title
        self.field = problem.field
        self.detail = problem.detail
        self.sources = problem.sources or ()
        self.request_id = problem.request_id
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(TaskscopeError):
    """No answer came from any of the base URLs, as often as it was tried."""

    def __init__(self, detail: str) -> None:
        super().__init__(Problem(type=f"{KIND_PREFIX}unreachable", title="Unreachable", detail=detail))


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> TaskscopeError:
    """The error of an answer: its problem, or what can be said of an answer that is none (a proxy's page)."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        detail = f"the answer has the status {status} and is no problem: {body[:200].decode(errors='replace')}"
        problem = Problem(title=f"Status {status}", detail=detail, request_id=headers.get("X-Request-Id"))
    return TaskscopeError(msgspec.structs.replace(problem, status=status), _retry_after(headers.get("Retry-After")))


def _retry_after(text: str | None) -> float | None:
    """Seconds. The api says no dates; a proxy that does is waited for like one that says nothing."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None

"""One error and one handler: RFC 9457 problems that name the field."""

import logging
from http import HTTPStatus
from typing import Annotated

import msgspec
from quart import Quart, Response, request
from taskscope_shared.store import StoreError
from werkzeug.exceptions import HTTPException

from taskscope_api.asked import asked
from taskscope_api.described import says

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "urn:taskscope:problem:"
MEDIA_TYPE = "application/problem+json"
PASSED_ON = ("Allow", "Location", "Retry-After", "WWW-Authenticate")
"""Headers of werkzeug's errors that say something; the others are of its HTML."""
RETRY_SECONDS = 2
"""When to ask again for what could not be had: Redis is tried again about so often."""

NOBODY = f"{PROBLEM_TYPE}unauthenticated"
CHALLENGE = 'Bearer realm="taskscope"'
"""How services say who they are, in every mode that asks: with a token of ours, of the provider or of the cluster."""


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 `application/problem+json`. `field` names the parameter or member that is wrong.

    `request_id` is that of the answer's `X-Request-Id`, and of the api's log.
    """

    type: Annotated[
        str, says("What kind of problem this is: a URN, not to be fetched", "urn:taskscope:problem:invalid-parameter")
    ]
    title: Annotated[str, says("The kind in words", "Invalid parameter")]
    status: Annotated[int, says("The HTTP status", 400)]
    detail: Annotated[str, says("What is wrong, and what would be right", "'fail' is not one of queued, running, failed")]
    field: Annotated[str | None, says("The parameter or member that is wrong", "state")] = None
    sources: Annotated[list[str] | None, says("Those that have the id, where several do", ["archivist", "media"])] = None
    modes: Annotated[list[str] | None, says("How one may say who one is, where nobody known asks", ["token", "session"])] = None
    request_id: Annotated[str | None, says("As in `X-Request-Id` and the api's log", "9f86d081884c7d65")] = None


def problem(status: int, kind: str, detail: str, *, field: str | None = None, sources: list[str] | None = None) -> Problem:
    """The problem of that kind, which ends its `type` and is its title."""
    title = kind.replace("-", " ").capitalize()
    return Problem(type=PROBLEM_TYPE + kind, title=title, status=status, detail=detail, field=field, sources=sources)


UNFORESEEN = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "the api failed; its log says why")


class ApiError(Exception):
    """What a caller did wrong, or cannot have. `kind` ends the problem's `type`."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        field: str | None = None,
        sources: list[str] | None = None,
        modes: tuple[str, ...] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = problem(status, kind, detail, field=field, sources=sources)
        if modes:
            self.problem.modes = list(modes)
        self.retry_after_seconds = retry_after_seconds

    @classmethod
    def of_field(cls, field: str, detail: str, kind: str = "invalid-parameter") -> "ApiError":
        """A 400 for one parameter or member."""
        return cls(HTTPStatus.BAD_REQUEST, kind, detail, field=field)


def encode(problem: Problem, request_id: str | None) -> bytes:
    """The problem of one request as JSON."""
    return msgspec.json.encode(msgspec.structs.replace(problem, request_id=request_id))


def respond(problem: Problem) -> Response:
    """The problem as an answer. Nobody may keep it; one that asks to wait says for how long."""
    asking = asked()
    body = encode(problem, None if asking is None else asking.id)
    response = Response(body, status=problem.status, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        wrong = "" if problem.type == NOBODY else ', error="invalid_token"'
        response.headers["WWW-Authenticate"] = CHALLENGE + wrong
    return response


def install(app: Quart) -> None:
    """Let every error leave as a problem."""

    @app.errorhandler(ApiError)
    async def _known(error: ApiError) -> Response:
        response = respond(error.problem)
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    @app.errorhandler(StoreError)
    async def _store(error: StoreError) -> Response:
        logger.warning("a request could not be answered: %s", error)
        detail = f"this is asked of Redis, which does not answer: {error}"
        return respond(problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail))

    @app.errorhandler(HTTPException)
    async def _http(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        response = respond(problem(status, status.phrase.lower().replace(" ", "-"), _detail(status, error)))
        response.headers.update([(name, value) for name, value in error.get_headers() if name in PASSED_ON])
        return response

    @app.errorhandler(Exception)
    async def _unforeseen(error: Exception) -> Response:
        asking = asked()
        logger.error("a request failed", exc_info=error, extra={"request_id": None if asking is None else asking.id})
        return respond(UNFORESEEN)


def _detail(status: HTTPStatus, error: HTTPException) -> str:
    if status == HTTPStatus.NOT_FOUND:
        slash = "; try it without the slash at its end" if len(request.path) > 1 and request.path.endswith("/") else ""
        return f"there is no {request.path[:200]}; {request.root_path}/openapi.json lists what there is{slash}"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return f"{request.method} is not allowed here; {allowed} are"
    return error.description or status.phrase

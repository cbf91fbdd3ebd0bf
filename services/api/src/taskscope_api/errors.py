"""One error and one handler: RFC 9457 problems that name the field."""

import logging
from http import HTTPStatus

import msgspec
from quart import Quart, Response
from werkzeug.exceptions import HTTPException

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "urn:taskscope:problem:"


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 `application/problem+json`. `field` names the parameter or member that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    sources: list[str] | None = None


class ApiError(Exception):
    """What a caller did wrong, or cannot have. `kind` ends the problem's `type`."""

    def __init__(
        self, status: int, kind: str, detail: str, *, field: str | None = None, sources: list[str] | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(
            type=PROBLEM_TYPE + kind,
            title=kind.replace("-", " ").capitalize(),
            status=status,
            detail=detail,
            field=field,
            sources=sources,
        )

    @classmethod
    def of_field(cls, field: str, detail: str, kind: str = "invalid-parameter") -> "ApiError":
        """A 400 for one parameter or member."""
        return cls(HTTPStatus.BAD_REQUEST, kind, detail, field=field)


def respond(problem: Problem) -> Response:
    """The problem as an answer."""
    return Response(msgspec.json.encode(problem), status=problem.status, content_type="application/problem+json")


def install(app: Quart) -> None:
    """Let every error leave as a problem."""

    @app.errorhandler(ApiError)
    async def _known(error: ApiError) -> Response:
        return respond(error.problem)

    @app.errorhandler(HTTPException)
    async def _http(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        title = HTTPStatus(status).phrase
        problem = Problem(
            type=PROBLEM_TYPE + title.lower().replace(" ", "-"), title=title, status=status, detail=error.description or title
        )
        response = respond(problem)
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    async def _unforeseen(error: Exception) -> Response:
        logger.error("a request failed", exc_info=error)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return respond(
            Problem(
                type=PROBLEM_TYPE + "internal-error",
                title=status.phrase,
                status=status,
                detail="the api failed; its log says why",
            )
        )

"""How each error answers, for the OpenAPI document: the one place that says when it comes, with an example."""

from http import HTTPStatus
from typing import Any

import msgspec

from taskscope_api.errors import MEDIA_TYPE, Problem, problem
from taskscope_api.limits import MAX_BODY, MAX_HEADER_BYTES, MAX_URL
from taskscope_api.schema_examples import REFERENCE

EXAMPLE_ID = "9f86d081884c7d65"


class Error(msgspec.Struct, frozen=True):
    """`when` it comes, and the problem that is an example of it."""

    when: str
    example: Problem
    headers: tuple[str, ...] = ()


def _errors() -> dict[int, Error]:
    listed = (
        Error(
            "A parameter is wrong or unknown: `field` names it, `detail` says what would be right.",
            problem(400, "invalid-parameter", "'fail' is not one of scheduled, deferred, queued", field="state"),
        ),
        Error(
            "Nobody known asks, or a token is wrong: `modes` says how one may say who one is.",
            msgspec.structs.replace(
                problem(401, "unauthenticated", "say who you are, by one of: token, oidc"), modes=["token", "oidc"]
            ),
            ("WWW-Authenticate",),
        ),
        Error(
            "Who asks may not do this, or was given no right at all; or another site's page asks in their name.",
            problem(403, "forbidden", "this takes the role operator; ada has viewer"),
        ),
        Error("There is no such thing, or not for who asks.", problem(404, "unknown-task", "no task '6f1d2c' is retained")),
        Error(
            "The path takes another method: `Allow` says which.",
            problem(405, "method-not-allowed", "POST is not allowed here; GET, HEAD, OPTIONS are"),
            ("Allow",),
        ),
        Error(
            "No format fits the Accept header.",
            problem(406, "not-acceptable", "nothing here fits 'image/png'; accept application/json", field="Accept"),
        ),
        Error(
            "Several sources have that id: `sources` names them.",
            msgspec.structs.replace(
                problem(409, "ambiguous-task", "several sources have a task '6f1d2c': say ?source=", field="source"),
                sources=["archivist", "media"],
            ),
        ),
        Error(f"A body of more than {MAX_BODY} bytes.", problem(413, "body-too-large", f"a body may have {MAX_BODY} bytes")),
        Error(
            "The body is of another kind than is taken.",
            problem(415, "unsupported-media-type", "send Content-Type: application/json", field="Content-Type"),
        ),
        Error(
            f"Path and query of more than {MAX_URL} bytes.",
            problem(414, "url-too-long", f"path and query may have {MAX_URL} bytes"),
        ),
        Error(
            "Too much at once, or too many wrong tokens: come back after `Retry-After` seconds.",
            problem(429, "too-many-exports", "4 exports run already: come back in 5 s"),
            ("Retry-After",),
        ),
        Error(
            f"Headers of more than {MAX_HEADER_BYTES} bytes.",
            problem(431, "headers-too-large", f"a request may have headers with {MAX_HEADER_BYTES} bytes together"),
        ),
        Error(
            "The api failed; its log has the request's id.", problem(500, "internal-error", "the api failed; its log says why")
        ),
        Error(
            "What the answer needs is away for now: come back after `Retry-After` seconds.",
            problem(503, "store-unavailable", "this is asked of Redis, which does not answer: connection refused"),
            ("Retry-After",),
        ),
        Error("The answer took too long.", problem(504, "took-too-long", "the answer did not begin within 10 s")),
    )
    return {error.example.status: error for error in listed}


ERRORS = _errors()
ALWAYS = (413, 414, 431, 500, 504)
"""What any request may be answered with."""


def name_of(status: int) -> str:
    """The component's: `NotFound`."""
    return "".join(word.capitalize() for word in HTTPStatus(status).phrase.replace("-", " ").split())


def reference_to(status: int) -> dict[str, str]:
    """For an operation."""
    return {"$ref": f"#/components/responses/{name_of(status)}"}


def components() -> dict[str, Any]:
    """Name -> response object."""
    return {name_of(status): _response(error) for status, error in ERRORS.items()}


def _response(error: Error) -> dict[str, Any]:
    example = msgspec.to_builtins(msgspec.structs.replace(error.example, request_id=EXAMPLE_ID))
    schema = {"$ref": REFERENCE.format(name=Problem.__name__)}
    names = ("X-Request-Id", *error.headers)
    return {
        "description": error.when,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }

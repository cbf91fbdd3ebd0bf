"""The last touches to what a route answers, while it is known which route it was and who asked."""

from http import HTTPStatus

from quart import Quart, Response, g, request
from quart.wrappers.response import DataBody

from taskscope_api import compression, conditional, staleness
from taskscope_api.asked import asked
from taskscope_api.principals import Principal


def install(app: Quart) -> None:
    """Finish every answer of the app's routes."""

    @app.after_request
    async def _finish(response: Response) -> Response:
        asking: Principal | None = g.get("principal")
        _note(asking)
        if asking is not None and (stale := staleness.told(app.extensions["taskscope"].live, asking)) is not None:
            response.headers[staleness.HEADER] = stale
        if response.status_code != HTTPStatus.OK:
            return response
        if request.method == "OPTIONS":
            return _options(response)
        if not compression.applies(response):
            return response
        vary = response.headers.get("Vary")
        response.headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
        if _is_unchanged(response):
            return conditional.not_modified(response)
        if compression.wanted(request.headers.get("Accept-Encoding")):
            await compression.compress(response)
        return response


def _note(asking: Principal | None) -> None:
    """For the access log."""
    noted = asked()
    if noted is not None:
        noted.route = None if request.url_rule is None else request.url_rule.rule
        noted.principal = None if asking is None else asking.name


def _options(response: Response) -> Response:
    """Quart answers with `Allow` and an empty page of HTML."""
    response.status_code = HTTPStatus.NO_CONTENT
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


def _is_unchanged(response: Response) -> bool:
    """Tag the answer, if it may be kept; whether the client has it already."""
    body = response.response
    if (
        not isinstance(body, DataBody)
        or request.method not in ("GET", "HEAD")
        or "no-store" in response.headers.get("Cache-Control", "")
    ):
        return False
    current = response.headers.get("ETag")
    if current is None:
        current = response.headers["ETag"] = conditional.tag(body.data)
    return conditional.holds(request.headers.get("If-None-Match"), current)

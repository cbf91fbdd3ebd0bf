"""The last touches to what a route answers, while it is known which route it was and who asked."""

from http import HTTPStatus

from quart import Quart, Request, Response, g, request
from quart.wrappers.response import DataBody

from taskscope_api import compression, conditional, staleness
from taskscope_api.asked import SCOPE_KEY, Asked
from taskscope_api.principals import Principal, varies
from taskscope_api.services import Services


def install(app: Quart) -> None:
    """Finish every answer of the app's routes."""

    @app.after_request
    async def _finish(response: Response) -> Response:
        current, asking = request._get_current_object(), g.get("principal")  # type: ignore[attr-defined]  # noqa: SLF001 - what the proxy stands for
        _note(current, asking)
        if asking is not None:
            _of_who_asks(response, app.extensions["taskscope"], asking)
        if response.status_code != HTTPStatus.OK:
            return response
        if current.method == "OPTIONS":
            return _options(response)
        return await _economised(response, current) if compression.applies(response) else response


def _of_who_asks(response: Response, services: Services, asking: Principal) -> None:
    if (stale := staleness.told(services.live, asking)) is not None:
        response.headers[staleness.HEADER] = stale
    if (theirs := varies(services.access)) is not None:
        vary = response.headers.get("Vary")
        response.headers["Vary"] = f"{vary}, {theirs}" if vary else theirs


def _note(current: Request, asking: Principal | None) -> None:
    """For the access log."""
    noted: Asked | None = current.scope.get(SCOPE_KEY)  # type: ignore[assignment]  # a TypedDict without our key
    if noted is not None:
        noted.route = None if current.url_rule is None else current.url_rule.rule
        noted.principal = None if asking is None else asking.name


async def _economised(response: Response, current: Request) -> Response:
    """The answer without a body that the client has, or compressed if it takes that."""
    headers, asked_with = response.headers, current.headers
    vary = headers.get("Vary")
    headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    if _tagged(response) and conditional.holds(asked_with.get("If-None-Match"), headers["ETag"]):
        return conditional.not_modified(response)
    if compression.wanted(asked_with.get("Accept-Encoding")):
        await compression.compress(response)
    return response


def _tagged(response: Response) -> bool:
    """Whether the answer has a tag now: all may be kept that are whole and do not say otherwise."""
    headers, body = response.headers, response.response
    if "ETag" not in headers:
        if not isinstance(body, DataBody) or "no-store" in headers.get("Cache-Control", ""):
            return False
        headers["ETag"] = conditional.tag(body.data)
    return True


def _options(response: Response) -> Response:
    """Quart answers with `Allow` and an empty page of HTML."""
    response.status_code = HTTPStatus.NO_CONTENT
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return response

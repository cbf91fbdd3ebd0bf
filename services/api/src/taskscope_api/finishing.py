"""The last touches to what a route answers, while it is known which route it was and who asked."""

from http import HTTPStatus

from quart import Quart, Response, g, request

from taskscope_api.asked import asked


def install(app: Quart) -> None:
    """Finish every answer of the app's routes."""

    @app.after_request
    async def _finish(response: Response) -> Response:
        _note()
        if request.method == "OPTIONS" and response.status_code == HTTPStatus.OK:
            return _options(response)
        return response


def _note() -> None:
    """For the access log."""
    asking = asked()
    if asking is None:
        return
    asking.route = None if request.url_rule is None else request.url_rule.rule
    asking.principal = g.principal.name if "principal" in g else None


def _options(response: Response) -> Response:
    """Quart answers with `Allow` and an empty page of HTML."""
    response.status_code = HTTPStatus.NO_CONTENT
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return response

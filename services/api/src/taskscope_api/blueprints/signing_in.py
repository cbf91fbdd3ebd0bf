"""`/api/session/login` and `/api/session/callback`: to the company's provider, and back. Browsers go there, not pages."""

from html import escape
from http import HTTPStatus

from quart import Blueprint, Response, request
from quart_schema import hide

from taskscope_api.access.identity import Identity
from taskscope_api.access.oidc import KIND, OidcMode
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.sessions import Sessions
from taskscope_api.access.sign_in import SignedIn
from taskscope_api.errors import ApiError, respond
from taskscope_api.principals import Role, requires
from taskscope_api.services import Services

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} - Taskscope</title></head>
<body><h1>{title}</h1><p>{detail}.</p><p><a href="login">Sign in</a></p></body></html>
"""


def signing_in_blueprint(services: Services) -> Blueprint:
    """The two routes; without the mode `oidc` they say so."""
    blueprint = Blueprint("signing_in", __name__)
    identity = services.identity

    @blueprint.get("/api/session/login")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def login() -> Response:
        """Send the browser to the provider; `next` is the local path that it wants."""
        try:
            mode, _ = _configured(identity)
            begun = await mode.sign_in.begin(request.scope, request.args.get("next"))
        except ApiError as error:
            return _shown(error)
        return _sent_on(begun.url, begun.cookies)

    @blueprint.get("/api/session/callback")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def callback() -> Response:
        """Take the browser back from the provider, signed in."""
        try:
            mode, sessions = _configured(identity)
            signed_in = await mode.sign_in.finish(request.scope, request.args.to_dict())
            return _sent_on(signed_in.next, [signed_in.cookie, _begun(identity, mode, sessions, signed_in)])
        except ApiError as error:
            identity.failures.turned_away(request.scope, error, None, KIND)
            return _shown(error)

    return blueprint


def _configured(identity: Identity) -> tuple[OidcMode, Sessions]:
    if identity.oidc is None or identity.sessions is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "no-provider", "nobody signs in at a provider here: access.mode is not oidc")
    return identity.oidc, identity.sessions


def _begun(identity: Identity, mode: OidcMode, sessions: Sessions, signed_in: SignedIn) -> str:
    """The cookie of the session. Raises `ApiError` for somebody without any right here."""
    try:
        groups = mode.worth.remembered(signed_in.user, signed_in.groups)
        session = sessions.begin(KIND, signed_in.user, signed_in.user, groups)
        identity.failures.audit.signed("signed-in", request.scope, KIND, mode.worth.of_session(session))
    except RefusedError as refused:
        raise ApiError(HTTPStatus.FORBIDDEN, refused.kind, refused.detail) from None
    return sessions.cookie(session, request.scope)


def _sent_on(url: str, cookies: list[str]) -> Response:
    response = Response(b"", HTTPStatus.FOUND, {"Location": url, "Cache-Control": "no-store"})
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    return response


def _shown(error: ApiError) -> Response:
    """A small page for people, a problem for whoever does not want one."""
    response = respond(error.problem)
    if "text/html" not in request.headers.get("Accept", ""):
        return response
    page = PAGE.format(title=escape(error.problem.title), detail=escape(error.problem.detail))
    response.set_data(page.encode())
    response.content_type = "text/html; charset=utf-8"
    return response

"""`/api/session/login` and `/api/session/callback`: to the company's provider, and back. Browsers go there, not pages."""

import logging
from http import HTTPStatus

from quart import Blueprint, Response, request
from quart_schema import hide

from taskscope_api.access.identity import Identity
from taskscope_api.access.oidc import KIND, OidcMode
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.sessions import Sessions
from taskscope_api.access.sign_in import SignedIn
from taskscope_api.access.turned_back import page_of
from taskscope_api.errors import PROBLEM_TYPE, ApiError, respond
from taskscope_api.principals import Role, requires
from taskscope_api.services import Services

logger = logging.getLogger(__name__)


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
            return _turned_back(identity, error, _local(identity, request.args.get("next")))
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
            state = request.args.get("state", "")
            wanted = None if identity.oidc is None else identity.oidc.sign_in.wanted(request.scope, state)
            return _turned_back(identity, error, wanted)

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


def _local(identity: Identity, wanted: str | None) -> str | None:
    try:
        return None if identity.oidc is None else identity.oidc.sign_in.local(wanted)
    except ApiError:
        return None


def _turned_back(identity: Identity, error: ApiError, wanted: str | None) -> Response:
    """The page says to people what happened; whoever does not want one gets the problem. The log has the reason for both."""
    logger.warning("nobody was signed in: %s", error.problem.detail)
    if "text/html" not in request.headers.get("Accept", ""):
        return respond(error.problem)
    path = request.root_path if identity.oidc is None else identity.oidc.sign_in.path
    return _sent_on(page_of(path, error.problem.type.removeprefix(PROBLEM_TYPE), wanted), [])

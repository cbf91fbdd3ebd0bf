"""`/api/session`: who one is, signing in with a token, signing out."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from taskscope_api.access.identity import Identity
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.tokens import KIND
from taskscope_api.answers import answer
from taskscope_api.asked import Scope, header
from taskscope_api.described import Flag, says
from taskscope_api.errors import ApiError, Problem
from taskscope_api.principals import Principal, Role, requires
from taskscope_api.queries import NoQuery, parameters
from taskscope_api.services import Services
from taskscope_api.wire import time_text

MODES = ["none", "token", "proxy", "oidc", "service_account"]


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """What one signs in with."""

    token: Annotated[str, says("An API token: `taskscope token create` makes it", "ts_3f9a2c71d04b_kq3...")]


class WhoAmI(msgspec.Struct, kw_only=True):
    """Who asks, and how one may say so."""

    authenticated: Annotated[Flag, says("Whether it is known who asks")]
    name: Annotated[str | None, says("Of who asks; null where nobody known does", "ada")] = None
    role: Annotated[str | None, says("What they may do", "viewer", enum=["viewer", "operator", "admin", None])] = None
    sources: Annotated[
        list[str] | None, says("The sources that they may see; null: all of them, or nobody known", ["archivist"])
    ] = None
    expires_at: Annotated[str | None, says("When that ends by itself", "2026-03-01T21:30:00.000Z", format="date-time")] = None
    modes: Annotated[
        list[Annotated[str, msgspec.Meta(extra_json_schema={"enum": MODES})]],
        says("How one may say who one is; `none`: nobody is asked", ["token"]),
    ]


def session_blueprint(services: Services) -> Blueprint:
    """Signing in and out."""
    blueprint = Blueprint("session", __name__)
    identity, access = services.identity, services.access

    @blueprint.get("/api/session")
    @requires(Role.PUBLIC, access)
    @document_querystring(NoQuery)
    @document_response(WhoAmI)
    @document_response(Problem, 401)
    @document_response(Problem, 403)
    @document_response(Problem, 429)
    async def who() -> Response:
        """Who asks, and which modes are on. Also answers whom nobody knows; a wrong token is an error here, too."""
        parameters(NoQuery)
        return answer(who_am_i(await access.principal(request.scope), access.modes), keep=False)

    @blueprint.post("/api/session")
    @requires(Role.PUBLIC, access)
    @document_querystring(NoQuery)
    @document_request(SignIn)
    @document_response(WhoAmI)
    @document_response(Problem, 401)
    @document_response(Problem, 403)
    @document_response(Problem, 404)
    @document_response(Problem, 415)
    @document_response(Problem, 429)
    async def sign_in() -> Response:
        """Sign a browser in with a token. The cookie that it gets holds no secret, and ends with the token."""
        parameters(NoQuery)
        scope = request.scope
        identity.origins.check(scope, borrowed=False)
        found, cookie = signed_in(identity, (await _body()).token, scope)
        response = answer(who_am_i(found, access.modes), keep=False)
        response.headers["Set-Cookie"] = cookie
        return response

    @blueprint.delete("/api/session")
    @requires(Role.PUBLIC, access)
    @document_querystring(NoQuery)
    @document_response(WhoAmI)
    @document_response(Problem, 403)
    async def sign_out() -> Response:
        """Sign the browser out: its cookie is taken away. Whoever is not signed in is answered the same."""
        parameters(NoQuery)
        scope = request.scope
        identity.origins.check(scope, borrowed=header(scope, b"cookie") is not None)
        response = answer(who_am_i(None, access.modes), keep=False)
        if identity.sessions is not None:
            leaving = await identity.sessions.identify(scope)
            if leaving is not None:
                identity.failures.audit.signed("signed-out", scope, identity.sessions.mode, leaving)
            response.headers["Set-Cookie"] = identity.sessions.end(scope)
        return response

    return blueprint


def who_am_i(found: Principal | None, modes: tuple[str, ...]) -> WhoAmI:
    """As the page wants to know it."""
    if found is None:
        return WhoAmI(authenticated=False, modes=list(modes))
    sources = None if found.sources is None else sorted(found.sources)
    return WhoAmI(
        authenticated=True,
        name=found.name,
        role=found.role,
        sources=sources,
        expires_at=time_text(found.expires_at),
        modes=list(modes),
    )


async def _body() -> SignIn:
    """What was sent. Raises `ApiError`: 415 for what a form of another site could send, too, 400 for what is wrong."""
    if request.mimetype != "application/json":
        detail = "a body is JSON here: send Content-Type: application/json"
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail, field="Content-Type")
    try:
        return msgspec.json.decode(await request.get_data(), type=SignIn)
    except (msgspec.DecodeError, UnicodeDecodeError):  # what they say could repeat the token
        detail = 'the body should be {"token": "ts_..."}'
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid-body", detail, field="token") from None


def signed_in(identity: Identity, text: str, scope: Scope) -> tuple[Principal, str]:
    """Who signs in with this token, and the cookie for it. Raises `ApiError`: 401, 429, or 404 where there are no tokens."""
    if identity.tokens is None or identity.sessions is None:
        detail = f"nobody signs in with a token here; there is {', '.join(identity.access.modes)}"
        raise ApiError(HTTPStatus.NOT_FOUND, "no-tokens", detail)
    try:
        found = identity.tokens.judge(text)
    except RefusedError as refused:
        raise identity.failures.refused(scope, refused, KIND, identity.access.modes) from None
    id_ = (found.credential or "").removeprefix(f"{KIND}:")
    session = identity.sessions.begin(KIND, id_, found.name, until=found.expires_at)
    identity.failures.audit.signed("signed-in", scope, KIND, found)
    return msgspec.structs.replace(found, expires_at=session.expires_at), identity.sessions.cookie(session, scope)

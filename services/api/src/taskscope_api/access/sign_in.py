"""Signing in at the company's provider: OpenID Connect's code flow with PKCE, state and nonce.

What belongs to one attempt is in a signed cookie of ten minutes, named after its state: any replica can finish what another
began, several tabs do not disturb each other, and nothing is remembered here.
"""

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from itsdangerous import BadSignature, Signer
from taskscope_shared.clock import Clock
from taskscope_shared.settings_access import Oidc
from taskscope_shared.settings_base import SecretUnavailableError, resolve_secret

from taskscope_api.access.jwks import KeysUnavailableError
from taskscope_api.access.jwt_verifier import Claims, InvalidTokenError, Verifier
from taskscope_api.access.people import People
from taskscope_api.access.provider import Endpoints, Provider, ProviderAwayError
from taskscope_api.access.remote import DeniedError, RemoteError
from taskscope_api.asked import Scope, header
from taskscope_api.errors import ApiError

logger = logging.getLogger(__name__)

SECONDS = 600.0
"""An attempt may take."""
SALT = "taskscope.sign-in.1"
COOKIE = "taskscope_sign_in_"
ATTEMPTS = 4
"""Whose cookies a browser keeps; those of others are cleared when one more begins."""
CALLBACK = "/api/session/callback"
MAX_NEXT = 1_000


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One attempt to sign in: `seed` is what state, nonce and PKCE's verifier are made of, `until` in epoch seconds."""

    seed: str
    next: str
    until: float

    def part(self, use: str) -> str:
        """A value for one use, which tells nothing of the others."""
        return _text(hashlib.sha256(f"{use}:{self.seed}".encode()).digest())


class Begun(msgspec.Struct, frozen=True):
    """Where the browser goes, and the `Set-Cookie` values that go with it."""

    url: str
    cookies: list[str]


class SignedIn(msgspec.Struct, frozen=True):
    """Who signed in, where they wanted to go, and the `Set-Cookie` value that ends the attempt."""

    user: str
    groups: tuple[str, ...]
    next: str
    cookie: str


class SignIn:
    """Sends browsers to the provider and takes them back. Of the `keys` the last one signs, all are accepted.

    `path` is what everything is served below, for browsers.
    """

    def __init__(self, oidc: Oidc, provider: Provider, verifier: Verifier, keys: Sequence[str], clock: Clock) -> None:
        self._oidc = oidc
        self._provider = provider
        self._verifier = verifier
        self._people = People(oidc)
        self._signer = Signer(list(keys), salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256)
        self._clock = clock
        self._base = oidc.public_url.rstrip("/")
        self.path = urlsplit(self._base).path

    # ------------------------------------------------------------------------------------------------------ beginning

    async def begin(self, scope: Scope, wanted: str | None) -> Begun:
        """Where to sign in, to get to the local path `wanted` after it. Raises `ApiError`: 400 or 503."""
        attempt = Attempt(secrets.token_urlsafe(24), self.local(wanted), self._clock.now() + SECONDS)
        endpoint = (await self._endpoints(there=True)).authorization
        if endpoint is None:
            raise _away(f"{self._oidc.issuer} lets nobody sign in: its document has no authorization_endpoint")
        asked = {
            "response_type": "code",
            "client_id": self._oidc.client_id,
            "redirect_uri": self._base + CALLBACK,
            "scope": " ".join(self._oidc.scopes),
            "state": attempt.part("state"),
            "nonce": attempt.part("nonce"),
            "code_challenge": _text(hashlib.sha256(attempt.part("verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        cookies = [self._set(name, "", 0) for name in _attempts(scope)[ATTEMPTS - 1 :]]
        value = self._signer.sign(_text(msgspec.json.encode(attempt))).decode()
        name = _name(attempt.part("state"))
        return Begun(
            f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}",
            [*cookies, self._set(name, value, int(SECONDS))],
        )

    def local(self, wanted: str | None) -> str:
        """The path as it may stand in a `Location`: one of ours, and never another site. Raises `ApiError` 400."""
        if not wanted:
            return f"{self.path}/"
        parts = urlsplit(wanted)
        ours = wanted.startswith(f"{self.path}/") and not wanted.startswith(("//", "/\\"))
        if not ours or parts.scheme or parts.netloc or "\\" in wanted or not wanted.isprintable() or len(wanted) > MAX_NEXT:
            raise ApiError.of_field(
                "next", f"this has to be a path of this site that begins with {self.path}/, at most {MAX_NEXT} characters"
            )
        return quote(wanted, safe="/%?#&=:@!$'()*+,;~[]-._")

    def _set(self, name: str, value: str, seconds: int) -> str:
        secure = "; Secure" if self._base.startswith("https:") else ""
        return f"{name}={value}; Path={self.path}/api/session; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"

    # ------------------------------------------------------------------------------------------------------ finishing

    async def finish(self, scope: Scope, answered: Mapping[str, str]) -> SignedIn:
        """Who comes back from the provider with these parameters. Raises `ApiError`, which says what to try."""
        attempt = self._attempt(scope, answered.get("state", ""))
        endpoints = await self._endpoints()
        if (endpoints.says_issuer or "iss" in answered) and answered.get("iss") != self._oidc.issuer:
            raise _failed("it was not the configured provider that sent the browser back")
        if "error" in answered:
            raise _said_no(answered)
        if not (code := answered.get("code")):
            raise _failed("the provider sent no code")
        claims = await self._claims(endpoints, attempt, code)
        user = self._people.user(claims)
        if user is None:
            raise _failed(f"the provider does not say who this is: no claim {self._oidc.username_claim or 'sub'}")
        return SignedIn(user, self._people.groups(claims) or (), attempt.next, self._set(_name(attempt.part("state")), "", 0))

    def wanted(self, scope: Scope, state: str) -> str | None:
        """Where this browser wanted to go when it began the attempt of that state; None where that is not known (any more)."""
        try:
            return self._attempt(scope, state).next
        except ApiError:
            return None

    def _attempt(self, scope: Scope, state: str) -> Attempt:
        value = _cookies(scope).get(_name(state), "")
        try:
            attempt = msgspec.json.decode(urlsafe_b64decode(_padded(self._signer.unsign(value))), type=Attempt)
        except (BadSignature, ValueError, msgspec.MsgspecError):
            attempt = None
        if (
            attempt is None
            or self._clock.now() >= attempt.until
            or not hmac.compare_digest(attempt.part("state").encode(), state.encode())
        ):
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                "sign-in-expired",
                f"this was not begun in this browser, took over {SECONDS / 60:g} minutes, or is over already: sign in again",
            )
        return attempt

    async def _claims(self, endpoints: Endpoints, attempt: Attempt, code: str) -> Claims:
        """What the provider says of who signed in, by the code."""
        tokens = await self._tokens(endpoints, attempt, code)
        if not isinstance(id_token := tokens.get("id_token"), str):
            raise _failed("the provider gave no ID token: is openid among access.oidc.scopes?")
        try:
            claims = await self._verifier.verify(id_token)
        except InvalidTokenError as error:
            raise _failed(f"the provider's ID token is not accepted: {error}") from None
        except KeysUnavailableError as error:
            raise _away(f"the provider's keys cannot be had: {error}") from None
        self._check(claims, attempt)
        return await self._completed(endpoints, claims, tokens.get("access_token"))

    def _check(self, claims: Claims, attempt: Attempt) -> None:
        """What an ID token has to claim beside what every token has to (OpenID Connect Core §3.1.3.7)."""
        nonce, audience = claims.get("nonce"), claims["aud"]
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), attempt.part("nonce").encode()):
            raise _failed("the provider's ID token was made for another attempt")
        party = claims.get("azp", self._oidc.client_id)
        if party != self._oidc.client_id or (isinstance(audience, list) and len(audience) > 1 and "azp" not in claims):
            raise _failed("the provider's ID token was made for another client")

    async def _tokens(self, endpoints: Endpoints, attempt: Attempt, code: str) -> dict[str, Any]:
        if endpoints.token is None:
            raise _away(f"{self._oidc.issuer} lets nobody sign in: its document has no token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._base + CALLBACK,
            "code_verifier": attempt.part("verifier"),
        }
        login = self._login(endpoints, form)
        try:
            return await self._provider.remote.post(endpoints.token, form, login)
        except DeniedError as error:
            logger.warning("the provider refuses a sign-in: %s", error)
            if error.error in ("invalid_client", "unauthorized_client"):
                raise _away(
                    "the provider does not know this installation: access.oidc.client_id or client_secret is wrong"
                ) from None
            raise _failed(f"the provider refuses it: {error}") from None
        except RemoteError as error:
            raise _away(str(error)) from None

    def _login(self, endpoints: Endpoints, form: dict[str, str]) -> tuple[str, str] | None:
        """Say who we are: as HTTP Basic (RFC 6749 §2.3.1), in the form, or as a public client, which PKCE alone protects."""
        client, secret = self._oidc.client_id, self._oidc.client_secret
        if secret is None:
            form["client_id"] = client
            return None
        try:
            text = resolve_secret(secret)
        except SecretUnavailableError as error:
            raise _away(str(error)) from None
        if endpoints.form_secret_alone:
            form.update(client_id=client, client_secret=text)
            return None
        return quote(client, safe=""), quote(text, safe="")

    async def _completed(self, endpoints: Endpoints, claims: Claims, access_token: object) -> Claims:
        """With what the provider tells at its userinfo endpoint alone, as many do with groups."""
        if self._people.is_told(claims) or endpoints.userinfo is None or not isinstance(access_token, str):
            return claims
        try:
            more = await self._provider.remote.get(endpoints.userinfo, bearer=access_token)
        except RemoteError as error:
            raise _away(f"what the provider knows of who signed in cannot be had: {error}") from None
        if more.get("sub") != claims["sub"]:
            raise _failed("the provider's userinfo endpoint speaks of somebody else")
        return {**more, **claims}

    async def _endpoints(self, *, there: bool = False) -> Endpoints:
        try:
            return await self._provider.endpoints(there=there)
        except ProviderAwayError as error:
            raise _away(str(error)) from None


def _away(why: str) -> ApiError:
    detail = f"nobody can sign in now: {why}. Who is signed in stays so; try again soon"
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "provider-unavailable", detail)


def _failed(why: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, "sign-in-failed", f"{why}. Sign in again")


def _said_no(answered: Mapping[str, str]) -> ApiError:
    """The provider's own words, as they may be shown."""
    words = "".join(
        each for each in f"{answered['error'][:80]}: {answered.get('error_description', '')[:200]}" if each.isprintable()
    )
    return ApiError(
        HTTPStatus.FORBIDDEN,
        "sign-in-refused",
        f"the provider says {words.rstrip(': ')}. Sign in again, or ask whoever runs it",
    )


def _name(state: str) -> str:
    return COOKIE + "".join(each for each in state[:12] if each.isalnum())


def _attempts(scope: Scope) -> list[str]:
    return [name for name in _cookies(scope) if name.startswith(COOKIE)]


def _cookies(scope: Scope) -> dict[str, str]:
    pairs = (text.strip().partition("=") for text in (header(scope, b"cookie") or "").split(";"))
    return {name: value for name, _, value in pairs}


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _padded(text: bytes) -> bytes:
    return text + b"=" * (-len(text) % 4)

"""The company's provider of identities: what its discovery document says, and its keys.

Nobody waits for it to start, so a provider that is away keeps only those away who want to sign in; what was read is used on.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from taskscope_shared.clock import Clock

from taskscope_api.access.jwks import Keys
from taskscope_api.access.remote import Remote, RemoteError

logger = logging.getLogger(__name__)

DISCOVERY = "/.well-known/openid-configuration"
FRESH_SECONDS = 3600.0
THERE_SECONDS = 10.0
"""How long a provider that answered is taken to be there: who is sent to one that is not sees an error of the browser."""
TROUBLE_SECONDS = 15.0
"""Between two looks at a provider that was away, whoever needs it."""
AGAIN_SECONDS = 5.0
"""Between two requests for a document that could not be had, whoever needs it."""


class Endpoints(msgspec.Struct, frozen=True):
    """What is used of a discovery document (OpenID Connect Discovery 1.0 §3)."""

    jwks_uri: str
    authorization: str | None = None
    token: str | None = None
    userinfo: str | None = None
    end_session: str | None = None
    says_issuer: bool = False
    """Whether it names itself when it sends a browser back (RFC 9207)."""
    form_secret_alone: bool = False
    """Whether it wants the client's secret in the form, not as HTTP Basic."""


class ProviderAwayError(Exception):
    """The provider cannot be asked now; the message says why."""


class Provider:
    """The provider `issuer`, asked through `remote`. `jwks_url` (None: what its document says) is where its keys are."""

    def __init__(self, issuer: str, remote: Remote, clock: Clock, *, jwks_url: str | None = None) -> None:
        self.issuer = issuer
        self.remote = remote
        self._clock = clock
        self._jwks_url = jwks_url
        self._endpoints: Endpoints | None = None
        self._read_at = 0.0
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self.keys = Keys(self._key_set, clock)
        self.reason: str | None = None
        """Why the document could not be read the last time."""

    async def endpoints(self, *, there: bool = False) -> Endpoints:
        """What the document says. Raises `ProviderAwayError`: never read, or it has to be `there` and is not."""
        age = self._clock.monotonic() - self._read_at
        stale = self._endpoints is None or age > (THERE_SECONDS if there else FRESH_SECONDS)
        reading = self._refresh() if stale else None
        if reading is not None and (there or self._endpoints is None):
            await asyncio.shield(reading)
        if self._endpoints is None or (there and self.reason is not None):
            raise ProviderAwayError(f"{self.issuer} cannot be asked: {self.reason}")
        return self._endpoints

    @property
    def trouble(self) -> str | None:
        """Why it could not be asked the last time; None while all is well."""
        return self.reason or self.keys.reason

    async def run(self) -> None:
        """Ask once, so that nobody has to wait later and the log says what is wrong, and again while something is."""
        self.keys.begin()
        try:
            while True:
                await asyncio.sleep(TROUBLE_SECONDS)
                if self.reason is not None:
                    self._refresh()
                elif self.keys.reason is not None:
                    self.keys.begin()
        finally:
            await self.close()

    async def close(self) -> None:
        """Ask nothing any more."""
        await self.keys.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _key_set(self) -> Mapping[str, Any]:
        if self._jwks_url is not None:
            return await self.remote.get(self._jwks_url)
        try:
            return await self.remote.get((await self.endpoints()).jwks_uri)
        except ProviderAwayError as error:
            raise RemoteError(str(error)) from None

    def _refresh(self) -> "asyncio.Task[None] | None":
        if self._reading is not None and not self._reading.done():
            return self._reading
        now = self._clock.monotonic()
        if self._tried_at is not None and now - self._tried_at < AGAIN_SECONDS:
            return None
        self._tried_at = now
        self._reading = asyncio.create_task(self._read(), name="read a provider's document")
        return self._reading

    async def _read(self) -> None:
        try:
            found = _endpoints(await self.remote.get(self.issuer.rstrip("/") + DISCOVERY), self.issuer)
        except RemoteError as error:
            self._failed(str(error))
        except Exception as error:  # the boundary of a task that nobody may wait for; the reason is shown
            logger.exception("a provider's document could not be read")
            self._failed(type(error).__name__)
        else:
            self._endpoints, self._read_at, self.reason = found, self._clock.monotonic(), None

    def _failed(self, reason: str) -> None:
        if reason != self.reason:
            logger.warning("the provider %s cannot be asked: %s", self.issuer, reason)
        self.reason = reason


def _endpoints(document: Mapping[str, Any], issuer: str) -> Endpoints:
    """Raises `RemoteError` for a document that is not the issuer's, or that names what is no address."""
    if document.get("issuer") != issuer:
        raise RemoteError(
            f"its document is of the issuer {str(document.get('issuer'))[:200]!r}, not of {issuer!r}: they have to be equal"
        )
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    methods = methods if isinstance(methods, list) else []
    return Endpoints(
        jwks_uri=_address(document, "jwks_uri", issuer) or _missing("jwks_uri"),
        authorization=_address(document, "authorization_endpoint", issuer),
        token=_address(document, "token_endpoint", issuer),
        userinfo=_address(document, "userinfo_endpoint", issuer),
        end_session=_address(document, "end_session_endpoint", issuer),
        says_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        form_secret_alone="client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def _address(document: Mapping[str, Any], name: str, issuer: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _is_address(value, https=urlsplit(issuer).scheme == "https"):
        raise RemoteError(f"its document names as {name} what is no {'https ' if issuer.startswith('https') else ''}address")
    return value


def _is_address(value: str, *, https: bool) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ({"https"} if https else {"http", "https"}) and bool(parts.hostname) and not parts.fragment


def _missing(name: str) -> str:
    raise RemoteError(f"its document has no {name}")

"""What is fetched from a provider of identities: small JSON documents, each with a deadline and a bound.

A client is made for each request: they are seconds apart at the least, and a rotated CA or token is taken without a restart.
"""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec

DEADLINE_SECONDS = 5.0
MAX_BYTES = 256 * 1024
"""Of an answer: key sets of large companies have 20 KB."""


class RemoteError(Exception):
    """What was asked for could not be had; the message says why, and holds no secret."""


class DeniedError(RemoteError):
    """The provider answered, and said no: `error` and `description` are its own words (RFC 6749 §5.2), cut."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"it answered {status}: {error}{f' ({description})' if description else ''}")
        self.error = error


class Remote:
    """Asks one provider.

    `ca_file` holds the certificates that are trusted (None: the system's), `token_file` a bearer token that is sent to
    `token_host`, and to nobody else. Both are read anew for each request. `trust_env`: whether HTTPS_PROXY and its kin count.
    """

    def __init__(
        self,
        ca_file: str | None = None,
        *,
        token_file: str | None = None,
        token_host: str | None = None,
        trust_env: bool = True,
    ) -> None:
        self._ca_file = ca_file
        self._token_file = token_file
        self._token_host = token_host
        self._trust_env = trust_env

    async def get(self, url: str, bearer: str | None = None) -> dict[str, Any]:
        """The JSON object at `url`. Raises `RemoteError`."""
        token = bearer if bearer is not None else await asyncio.to_thread(self._token, url)
        return await self._asked("GET", url, headers={"Authorization": f"Bearer {token}"} if token else {})

    async def post(self, url: str, form: Mapping[str, str], login: tuple[str, str] | None = None) -> dict[str, Any]:
        """The JSON object that a form is answered with; `login` goes as HTTP Basic. Raises `RemoteError`."""
        return await self._asked("POST", url, data=dict(form), auth=login)

    async def _asked(self, method: str, url: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx2's own
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return _object(*await self._answer(method, url, options))
        except TimeoutError:
            raise RemoteError(f"no answer from {_shown(url)} within {DEADLINE_SECONDS:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise RemoteError(f"{_shown(url)}: {str(error) or type(error).__name__}") from None

    async def _answer(self, method: str, url: str, options: dict[str, Any]) -> tuple[int, bytes]:
        trusted = await asyncio.to_thread(self._trusted)
        limit = httpx2.Timeout(DEADLINE_SECONDS)
        async with (
            httpx2.AsyncClient(verify=trusted, timeout=limit, trust_env=self._trust_env) as client,
            client.stream(method, url, **options) as response,
        ):
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise RemoteError(f"{_shown(url)} answers more than {MAX_BYTES // 1024} KB")
            return response.status_code, bytes(body)

    def _trusted(self) -> ssl.SSLContext:
        """In a thread: the system's certificates take some 20 ms. Raises OSError.

        A CA that was named is trusted as it is. Python 3.13 would refuse one without the extensions of RFC 5280, as those of
        many clusters are (EKS: kubernetes-client/python#2394); chain, dates and name are checked all the same.
        """
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except ssl.SSLError:
            raise RemoteError(f"the CA file {self._ca_file} holds no certificate") from None
        except OSError as error:
            raise RemoteError(f"the CA file {self._ca_file} cannot be read: {error.strerror}") from None
        if self._ca_file is not None:
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def _token(self, url: str) -> str | None:
        if self._token_file is None or urlsplit(url).hostname != self._token_host:
            return None
        try:
            return Path(self._token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise RemoteError(f"the token file {self._token_file} cannot be read: {reason}") from None


def _object(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        found = None
    if status != 200:
        said = found or {}
        raise DeniedError(status, _cut(said.get("error"), f"HTTP {status}"), _cut(said.get("error_description"), ""))
    if found is None:
        raise RemoteError("it answered something that is no JSON object")
    return found


def _cut(value: object, default: str) -> str:
    """Text of a provider as it may be shown: short and printable."""
    return "".join(each for each in value if each.isprintable())[:200] if isinstance(value, str) and value else default


def _shown(url: str) -> str:
    return url.partition("?")[0][:200]

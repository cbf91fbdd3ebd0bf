"""Where the api is, and how who asks is told."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

DEFAULT_URL = "http://127.0.0.1:5051"


class Access:
    """The api's base URLs (each with its sub-path), and a token: as text, or in a file that is read anew for each request.

    Kubernetes renews a projected service-account token in its file; one that was read at the start would expire.
    """

    def __init__(self, base_url: str | Sequence[str], token: str | None, token_file: str | Path | None) -> None:
        urls = [base_url] if isinstance(base_url, str) else list(base_url)
        if not urls or any(not url.startswith(("http://", "https://")) for url in urls):
            raise ValueError(f"a base URL begins with http:// or https://, and there is one at least: {urls}")
        if token is not None and token_file is not None:
            raise ValueError("say token or token_file, not both")
        self._urls = [url.rstrip("/") for url in urls]
        self._token = token
        self._token_file = None if token_file is None else Path(token_file)
        self._current = 0

    @property
    def url(self) -> str:
        """The base URL that is used now."""
        return self._urls[self._current]

    @property
    def count(self) -> int:
        """Base URLs."""
        return len(self._urls)

    def turn_from(self, url: str) -> None:
        """Use the next base URL, since `url` does not answer."""
        if url == self.url:
            self._current = (self._current + 1) % len(self._urls)

    def headers(self) -> dict[str, str]:
        """What says who asks. Raises `OSError` for a file that cannot be read."""
        token = self._token if self._token_file is None else self._token_file.read_text("utf-8").strip()
        return {} if token is None else {"Authorization": f"Bearer {token}"}


class Options(msgspec.Struct, frozen=True):
    """How requests are made: how long an answer may take, and how often and how long at most is waited for another try."""

    timeout_seconds: float = 15.0
    retries: int = 3
    most_wait_seconds: float = 30.0
    ssl_context: ssl.SSLContext | None = None

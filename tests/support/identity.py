"""An api that asks who one is, and what one says to it."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from quart import Quart
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore
from taskscope_shared.tokens import Token, dump, new_token, parse

NOW = 1_790_000_000.0
KEY = "k" * 64
ORIGIN = "http://localhost"
"""What Quart's test client asks for."""


class Door:
    """An app with a file of tokens, and its clock."""

    def __init__(self, folder: Path, **access: Any) -> None:
        self.clock = ManualClock(NOW)
        self.file = folder / "tokens.yaml"
        self.file.write_text("[]\n")
        api = access.pop("api", {})
        said = {"mode": "token", "tokens": {"file": str(self.file)}, "session": {"key": KEY}, **access}
        self.settings = Settings.model_validate({"access": said, "api": api})
        self.app: Quart = create_app(self.settings, MemoryStore(self.clock), self.clock)

    @property
    def identity(self) -> Any:
        return self.app.extensions["taskscope"].identity

    def token(self, name: str = "ci", role: str = "viewer", sources: Iterable[str] | None = None, seconds: float = 1e6) -> str:
        """A token that is in the file now, and read."""
        made, text = new_token(name, role, sources, now=self.clock.now(), expires_at=self.clock.now() + seconds)
        self.write([*parse(self.file.read_text()), made])
        return text

    def write(self, tokens: list[Token]) -> None:
        """Let the file hold these."""
        self.file.write_text(dump(tokens))
        self.look()

    def revoke_all(self) -> None:
        self.write([])

    def look(self) -> None:
        """As the app does twice a second."""
        self.identity.token_file.look()

    async def ask(
        self,
        path: str = "/api/sources",
        method: str = "GET",
        peer: str = "203.0.113.9",
        json: Any = None,
        data: Any = None,
        **headers: str,
    ) -> Any:
        """The response; `X_Forwarded_For="..."` is that header, `bearer` a token."""
        named = {name.replace("_", "-"): value for name, value in headers.items() if name != "bearer"}
        if "bearer" in headers:
            named["Authorization"] = f"Bearer {headers['bearer']}"
        given: dict[str, Any] = {"headers": named, "scope_base": {"client": (peer, 5000)}}
        if json is not None:
            given["json"] = json
        if data is not None:
            given["data"] = data
        return await self.app.test_client(use_cookies=False).open(path, method=method, **given)

    async def kind(self, *args: Any, **kwargs: Any) -> tuple[int, str]:
        """Status, and the kind of the problem, if it is one."""
        response = await self.ask(*args, **kwargs)
        body = await response.get_json(force=True, silent=True) or {}
        return response.status_code, str(body.get("type", "")).rpartition(":")[2]

    async def sign_in(self, token: str, **headers: str) -> str:
        """The cookie that signing in gives, as it is sent back."""
        response = await self.ask("/api/session", "POST", "203.0.113.9", {"token": token}, None, **headers)
        assert response.status_code == 200, await response.get_data()
        return str(response.headers["Set-Cookie"].partition(";")[0])


class Audited(logging.Handler):
    """The records of the audit log."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def told(self, *names: str) -> list[tuple[Any, ...]]:
        """These extras of each record."""
        return [tuple(getattr(record, name, None) for name in names) for record in self.records]

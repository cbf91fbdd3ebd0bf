"""An installed Taskscope, as those see it who use it."""

import base64
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from support.kube.helm import Release
from support.kube.kubectl import Kubectl, Object, is_ready, restarts
from support.kube.ledger import Ledger, shortened
from support.kube.needs import Address
from support.waiting import wait_for
from taskscope_client import Client, Task

SHOWN_FIELDS = ("id", "engine", "state", "worker", "queue", "retries", "started_at", "finished_at")
PAGE = 500
RECONCILED_SECONDS = 45.0


class Way(NamedTuple):
    """A host, at which address it is found, and the path below which Taskscope is."""

    host: str
    address: Address
    base_path: str

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        port = "" if self.address.port == 80 else f":{self.address.port}"
        return f"http://{self.host}{port}{self.base_path}"


class Site:
    """A release, and its ways in."""

    def __init__(self, release: Release, ingress: Way, route: Way) -> None:
        self.release = release
        self.kubectl: Kubectl = release.kubectl
        self.ingress = ingress
        self.route = route

    @property
    def name(self) -> str:
        """What the names of its objects begin with."""
        return self.release.name

    def addresses(self) -> Mapping[str, str]:
        """Host -> address, for names that no DNS knows."""
        return {way.host: way.address.host for way in (self.ingress, self.route)}

    def token(self) -> str:
        """The admin's, as NOTES say how to read it."""
        found = self.kubectl.get("secret", f"{self.name}-admin-token")["data"]["token"]
        return base64.b64decode(found).decode()

    def service(self, component: str, port: int) -> str:
        """The URL of a Service, as other pods reach it."""
        return f"http://{self.name}-{component}.{self.kubectl.namespace}:{port}{self.ingress.base_path}"

    def client(self) -> Client:
        """The administrator's, through the Ingress."""
        return Client(self.ingress.url, token=self.token(), timeout_seconds=10)

    def pods(self, component: str) -> list[Object]:
        """Of one component, but for those that are going away."""
        return self.kubectl.pods(self.release.of(component))

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Until every Deployment has rolled out, and every pod of it is ready."""
        names = [f"deployment/{one['metadata']['name']}" for one in self._deployments()]
        self.kubectl.rolled_out(*names, seconds=seconds)

    def wait_settled(self, replicas: Mapping[str, int], seconds: float = 90.0) -> None:
        """Until no pod is coming or going."""

        def settled() -> bool:
            found = {one: self.kubectl.items("pods", "-l", self.release.of(one)) for one in replicas}
            return all(len(found[one]) == count and all(map(is_ready, found[one])) for one, count in replicas.items())

        wait_for(settled, seconds=seconds, what="the release's pods to settle", every=0.5)

    def restarts(self) -> int:
        """How often containers of it were started again."""
        return sum(restarts(pod) for pod in self.kubectl.pods(self.release.selector))

    def shown(self) -> dict[str, Task]:
        """Task id -> what the api shows, of everything that the suite sent."""
        with self.client() as client:
            found = client.tasks(fields=SHOWN_FIELDS, page_size=PAGE)
            return {task.id: task for task in found}

    def assert_shows(self, *ledgers: Ledger, seconds: float = RECONCILED_SECONDS) -> float:
        """That no task is lost and none is wrong, at once or after reconciliation; the seconds that took."""
        begun, deadline = time.monotonic(), time.monotonic() + seconds
        while True:
            shown = self.shown()
            differences = [one for ledger in ledgers for one in ledger.differences(shown)]
            if not differences:
                return time.monotonic() - begun
            assert time.monotonic() < deadline, f"of {sum(len(each.tasks) for each in ledgers)}, {shortened(differences)}"
            time.sleep(0.5)

    def health(self) -> Any:
        """`/api/health`."""
        with self.client() as client:
            return client.health()

    def _deployments(self) -> list[Object]:
        return self.kubectl.items("deployments", "-l", self.release.selector)

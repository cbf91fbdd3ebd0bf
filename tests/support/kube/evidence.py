"""What is kept when a test of the cluster fails: objects, events and logs of the suite's namespaces."""

from collections.abc import Sequence
from pathlib import Path

from support.kube.kubectl import Kubectl


def keep(kubectl: Kubectl, namespaces: Sequence[str], folder: Path) -> None:
    """Write it into `folder`. What cannot be had is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for namespace in namespaces:
        _keep_of(kubectl.within(namespace), folder / namespace)


def _keep_of(kubectl: Kubectl, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, command in {
        "pods.txt": ["get", "pods,deployments,jobs,endpointslices", "-o", "wide"],
        "events.txt": ["get", "events", "--sort-by=.lastTimestamp"],
        "describe.txt": ["describe", "pods"],
    }.items():
        _write(folder / name, kubectl.tried(*command).stdout)
    for pod in kubectl.tried("get", "pods", "-o", "name").stdout.split():
        for suffix, more in {"": [], ".before": ["--previous"]}.items():
            _write(folder / f"{pod.removeprefix('pod/')}{suffix}.log", kubectl.tried("logs", pod, "--tail=3000", *more).stdout)


def _write(file: Path, text: str) -> None:
    if text:
        file.write_text(text, "utf-8")

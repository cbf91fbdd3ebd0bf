"""The chart, rendered by Helm itself."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from support.servers import unavailable

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/taskscope"
WAYS = sorted((CHART / "ci").glob("*-values.yaml"))
"""One file of values for each way of running it."""
NAMESPACE, RELEASE = "watch", "taskscope"
VERSION = ("--kube-version", "1.34.0")
"""Of the cluster that templates are rendered for, where none is asked: helm's own default is what it was built with."""
SOURCE = {"name": "archive", "engine": "celery", "brokerUrl": "redis://broker.jobs:6379/0"}

Manifest = dict[str, Any]


class RefusedError(Exception):
    """Helm did not take the values; the text is what it said."""


@functools.cache
def helm() -> str:
    """The path of helm: `HELM` names it, else it is on PATH, or a neighbouring folder has built one."""
    neighbour = ROOT / "../shared/kube/env"
    found = os.environ.get("HELM") or shutil.which("helm")
    if found is None and neighbour.exists():
        script = f". {neighbour} && command -v helm || true"
        found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    return found or unavailable("there is no helm: put it on PATH, or let HELM name it")


def run_helm(*arguments: str, values: Path | Mapping[str, Any] | None = None) -> str:
    """What a command prints. Raises `RefusedError` with what it says when it fails."""
    given, text = [], None
    if isinstance(values, Path):
        given = ["--values", str(values)]
    elif values is not None:
        given, text = ["--values", "-"], yaml.safe_dump(dict(values))
    command = [helm(), *arguments, *given]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RefusedError(f"{done.stdout}\n{done.stderr}")
    return done.stdout


def render(values: Path | Mapping[str, Any], *, release: str = RELEASE, upgrade: bool = False) -> list[Manifest]:
    """The objects that an install (or an upgrade) with these values makes, hooks included."""
    arguments = ["template", release, str(CHART), "--namespace", NAMESPACE, *VERSION, *(["--is-upgrade"] if upgrade else [])]
    text = run_helm(*arguments, values=values)
    return [each for each in yaml.safe_load_all(text) if each]


@functools.cache
def rendered(way: Path) -> tuple[Manifest, ...]:
    """The objects of a file of `ci/`; not to be changed."""
    return tuple(render(way))


def with_source(**values: Any) -> dict[str, Any]:
    """The least values that are taken, and more."""
    return {"sources": [SOURCE], **values}


def of_kind(manifests: list[Manifest] | tuple[Manifest, ...], kind: str) -> list[Manifest]:
    """Those of a kind."""
    return [each for each in manifests if each["kind"] == kind]


def named(manifests: list[Manifest] | tuple[Manifest, ...], kind: str, name: str = RELEASE) -> Manifest:
    """The one of a kind and name."""
    found = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} {kind} {name}"
    return found[0]


def pods(manifests: list[Manifest] | tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """The name of what makes it, and the pod (metadata and spec) of every workload, Job and Pod."""
    for each in manifests:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, each
        elif each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield name, each["spec"]["template"]


def problems(values: Mapping[str, Any]) -> list[str]:
    """What the chart says is wrong with the values, a line each; fails where it takes them."""
    try:
        render(values)
    except RefusedError as error:
        return re.findall(r"^  - (.+)$", str(error), re.MULTILINE) or [str(error)]
    raise AssertionError("the values were taken")

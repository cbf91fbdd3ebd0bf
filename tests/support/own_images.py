"""Our container images, run as a cluster that trusts nobody runs them: no root, no capabilities, nothing to write to."""

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from support.servers import LABEL, docker, unavailable

TAG = "dev"
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
BASES = {"collector": "python:3.13-slim", "api": "python:3.13-slim", "web": "nginxinc/nginx-unprivileged:1.26"}


def image(component: str) -> str:
    """The name of our image, which has to be there."""
    name = f"taskscope-{component}:{TAG}"
    if docker("image", "inspect", name).returncode:
        unavailable(f"there is no image {name}: make images")
    return name


def inspected(component: str) -> dict[str, Any]:
    """What the image says of itself."""
    found: dict[str, Any] = json.loads(docker("image", "inspect", image(component)).stdout)[0]
    return found


class Running:
    """A container of one of our images, or of another, in a network of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def said(self) -> str:
        """Its log."""
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def state(self) -> dict[str, Any]:
        """As the engine knows it."""
        found: dict[str, Any] = json.loads(docker("inspect", self.name).stdout)[0]["State"]
        return found

    def is_healthy(self) -> bool:
        """Whether the image's own check says so."""
        state = self.state()
        if state["Status"] != "running":
            pytest.fail(f"{self.name} ended with {state['ExitCode']}: {self.said()[-2000:]}")
        return bool(state["Health"]["Status"] == "healthy")

    def port(self, inside: int) -> int:
        """The port of 127.0.0.1 that leads there."""
        return int(docker("port", self.name, str(inside)).stdout.splitlines()[0].rsplit(":", 1)[1])

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command in it."""
        return docker("exec", self.name, *command)

    def stop(self) -> int:
        """End it as a kubelet does; the exit status. 137: it had to be killed."""
        docker("stop", "-t", "20", self.name)
        return int(self.state()["ExitCode"])

    def memory(self) -> float:
        """MB that it holds, without what the kernel would give back."""
        used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", self.name).stdout.split("/")[0].strip()
        factors = {"KiB": 1024 / 1e6, "MiB": 1024**2 / 1e6, "GiB": 1024**3 / 1e6}
        return float(used[:-3]) * factors[used[-3:]]


class Network:
    """Where containers find each other by the names they are given."""

    def __init__(self, name: str) -> None:
        self._name = name

    @contextmanager
    def running(
        self, image_name: str, alias: str, *options: str, environment: Mapping[str, str] = {}, command: tuple[str, ...] = ()
    ) -> Iterator[Running]:
        """A container, until the context ends."""
        name = f"{self._name}-{alias}-{secrets.token_hex(2)}"
        said = [part for key, value in environment.items() for part in ("-e", f"{key}={value}")]
        place = ["--label", LABEL, "--name", name, "--network", self._name, "--network-alias", alias]
        made = docker("run", "-d", *place, *options, *said, image_name, *command)
        assert made.returncode == 0, made.stderr
        try:
            yield Running(name)
        finally:
            docker("rm", "-f", "-v", name)


@contextmanager
def network() -> Iterator[Network]:
    """One of its own."""
    if docker("version", "--format", "{{.Server.Version}}").returncode:
        unavailable("the images need Docker, and no engine answers")
    name = f"taskscope-test-{secrets.token_hex(4)}"
    docker("network", "create", "--label", LABEL, name)
    try:
        yield Network(name)
    finally:
        docker("network", "rm", name)


def megabytes_above(component: str) -> float:
    """What the image has above the image that it is built on, uncompressed."""
    base = docker("image", "inspect", "--format", "{{.Size}}", BASES[component])
    if base.returncode:
        unavailable(f"there is no image {BASES[component]}")
    return float(inspected(component)["Size"] - int(base.stdout)) / 1e6

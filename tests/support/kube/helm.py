"""Helm, for one release."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.kube.kubectl import Kubectl

Values = Mapping[str, Any]


class HelmError(AssertionError):
    """Helm refused; the text is what it said."""


class Release:
    """A release of a chart in the namespace of `kubectl`. Its values are written into `folder`."""

    def __init__(self, kubectl: Kubectl, name: str, chart: Path, folder: Path) -> None:
        self.kubectl = kubectl
        self.name = name
        self._chart = chart
        self._folder = folder

    @property
    def selector(self) -> str:
        """Labels of all its pods."""
        return f"app.kubernetes.io/instance={self.name}"

    def of(self, component: str) -> str:
        """Labels of the pods of one component."""
        return f"{self.selector},app.kubernetes.io/component={component}"

    def install(self, values: Values, *more: str) -> str:
        """Create it. Raises `HelmError`."""
        return self._helm("install", self.name, str(self._chart), *self._written(values), *more)

    def upgrade(self, values: Values, *more: str) -> str:
        """Other values. Raises `HelmError`."""
        return self._helm("upgrade", self.name, str(self._chart), *self._written(values), *more)

    def rollback(self, *more: str) -> str:
        """To the revision before."""
        return self._helm("rollback", self.name, *more)

    def uninstall(self, *more: str) -> str:
        """Remove it, hooks first."""
        return self._helm("uninstall", self.name, *more)

    def test(self) -> str:
        """What `helm test` says."""
        return self._helm("test", self.name, "--logs")

    def notes(self) -> str:
        """What the user was told."""
        return self._helm("get", "notes", self.name)

    def exists(self) -> bool:
        """Whether Helm knows it, in whatever state."""
        return bool(self.kubectl.items("secrets", "-l", f"owner=helm,name={self.name}"))

    def _written(self, values: Values) -> tuple[str, str]:
        file = self._folder / f"{self.name}.values.json"
        file.write_text(json.dumps(values, indent=2), "utf-8")
        return "--values", str(file)

    def _helm(self, command: str, *arguments: str) -> str:
        where = ["--kubeconfig", self.kubectl.kubeconfig, "--namespace", self.kubectl.namespace]
        line = ["helm", command, *arguments, *where]
        done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise HelmError(done.stderr.strip() + done.stdout.strip())
        return done.stdout

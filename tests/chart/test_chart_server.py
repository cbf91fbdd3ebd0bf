"""A real API server takes what the chart makes, with the standard `restricted` on (`make test-cluster`)."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helm import CHART, VERSION, WAYS, RefusedError, run_helm, with_source
from support.servers import unavailable

pytestmark = pytest.mark.cluster

OWNED = "deployment,statefulset,service,secret,configmap,serviceaccount,poddisruptionbudget,networkpolicy,ingress,job,pvc"
"""Kinds that a release makes."""


def kubectl(*arguments: str, text: str | None = None) -> str:
    """What kubectl says, warnings included. Raises AssertionError where it fails."""
    kubeconfig = os.environ.get("TASKSCOPE_TEST_KUBECONFIG") or os.environ.get("KUBECONFIG")
    assert kubeconfig, "set KUBECONFIG or TASKSCOPE_TEST_KUBECONFIG: these tests were asked for, and need a cluster"
    assert shutil.which("kubectl"), "these tests need kubectl"
    command = ["kubectl", "--kubeconfig", kubeconfig, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    if "no matches for kind" in done.stderr:
        unavailable(f"the cluster lacks kinds that these values make: {done.stderr[:300]}")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    name = f"chart-dry-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, *(f"pod-security.kubernetes.io/{what}=restricted" for what in ("enforce", "warn")))
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_the_api_server_takes_each_way_of_running_it(way: Path, namespace: str) -> None:
    # A dry run makes no service account, and there is no such priority: the pod of the test would not be looked at.
    ready = ("serviceAccount.create=false", "priorityClassName=", "api.priorityClassName=")
    overridden = [argument for each in ready for argument in ("--set", each)]
    text = run_helm("template", "taskscope", str(CHART), "--namespace", namespace, *VERSION, *overridden, values=way)
    said = kubectl("apply", "--namespace", namespace, "--dry-run=server", "-f", "-", text=text)
    assert "Warning" not in said


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_helm_finds_that_it_could_install_it(way: Path, namespace: str) -> None:
    kubeconfig = os.environ.get("TASKSCOPE_TEST_KUBECONFIG") or os.environ["KUBECONFIG"]
    run_helm("install", "taskscope", str(CHART), "--kubeconfig", kubeconfig, "-n", namespace, "--dry-run=server", values=way)


def secrets_of(namespace: str) -> dict[str, dict[str, str]]:
    """What the Secrets hold that the chart made."""
    found = json.loads(kubectl("get", "secrets", "-n", namespace, "-l", "app.kubernetes.io/part-of=taskscope", "-o", "json"))
    return {each["metadata"]["name"]: each["data"] for each in found["items"]}


def test_what_was_made_by_chance_survives_upgrades_and_goes_with_the_release(namespace: str) -> None:
    kubeconfig = os.environ.get("TASKSCOPE_TEST_KUBECONFIG") or os.environ["KUBECONFIG"]
    where = ("--kubeconfig", kubeconfig, "-n", namespace)
    before = set(kubectl("get", OWNED, "-n", namespace, "-o", "name").split())
    run_helm("install", "kept", str(CHART), *where, values=with_source())
    made = secrets_of(namespace)
    assert set(made) == {f"kept-taskscope-{name}" for name in ("admin-token", "tokens", "session", "valkey")}
    for values in (with_source(), with_source(logLevel="debug", basePath="/tasks")):
        run_helm("upgrade", "kept", str(CHART), *where, values=values)
        assert secrets_of(namespace) == made
    run_helm("rollback", "kept", "1", *where)
    assert secrets_of(namespace) == made
    run_helm("uninstall", "kept", *where, "--no-hooks", "--wait")
    assert set(kubectl("get", OWNED, "-n", namespace, "-o", "name").split()) == before


def test_what_the_schema_refuses_makes_nothing(namespace: str) -> None:
    kubeconfig = os.environ.get("TASKSCOPE_TEST_KUBECONFIG") or os.environ["KUBECONFIG"]
    with pytest.raises(RefusedError, match="replicaCount"):
        run_helm(
            *("install", "refused", str(CHART), "--kubeconfig", kubeconfig, "-n", namespace),
            values={"api": {"replicaCount": "two"}},
        )
    with pytest.raises(RefusedError, match="sources: is empty"):
        run_helm("install", "refused", str(CHART), "--kubeconfig", kubeconfig, "-n", namespace, values={})
    assert kubectl("get", OWNED, "-n", namespace, "-l", "app.kubernetes.io/instance=refused", "-o", "name") == ""
    assert kubectl("get", "secret", "-n", namespace, "-l", "owner=helm,name=refused", "-o", "name") == ""

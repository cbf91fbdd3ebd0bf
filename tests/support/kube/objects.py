"""Kubernetes objects of the suite's servers and workers, made small."""

from collections.abc import Mapping, Sequence
from typing import Any

from support.kube.kubectl import Object

GROUND = {"taskscope-test": "ground"}


def deployment(
    name: str,
    image: str,
    command: Sequence[str] = (),
    *,
    environment: Mapping[str, str] = {},
    port: int | None = None,
    ready: Sequence[str] = (),
    node: str | None = None,
    account: str | None = None,
    ready_seconds: int = 2,
) -> Object:
    """One replica, replaced only after it ended. `ready` is a command that succeeds when it is; `node` is where it stays."""
    container: Object = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    if command:
        container["args" if image.startswith("redis") else "command"] = list(command)
    if port:
        container["ports"] = [{"containerPort": port}]
    if ready:
        container["readinessProbe"] = {
            "exec": {"command": list(ready)},
            "periodSeconds": ready_seconds,
            "timeoutSeconds": 10,
        }
    spec: Object = {"containers": [container], "terminationGracePeriodSeconds": 2, "enableServiceLinks": False}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    if account:
        spec |= _with_token(spec, account)
    labels = {"app": name, **GROUND}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def service(name: str, port: int) -> Object:
    """The Service of the deployment of that name."""
    metadata = {"name": name, "labels": GROUND}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }


def secret(name: str, values: Mapping[str, str]) -> Object:
    """A Secret of texts."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}


def account(name: str) -> Object:
    """A service account."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def _with_token(spec: Mapping[str, Any], account: str) -> Object:
    """The account, and its token for Taskscope where programs read it (docs/oidc.md)."""
    token = {"serviceAccountToken": {"path": "token", "audience": "taskscope", "expirationSeconds": 3600}}
    container = {**spec["containers"][0], "volumeMounts": [{"name": "taskscope", "mountPath": "/var/run/taskscope"}]}
    volumes = [{"name": "taskscope", "projected": {"sources": [token]}}]
    return {"serviceAccountName": account, "containers": [container], "volumes": volumes}

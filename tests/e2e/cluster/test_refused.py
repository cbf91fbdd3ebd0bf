"""Configurations that are wrong: they are refused before anything is created, with the value's name and the fix."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kube.ground import Ground
from support.kube.helm import HelmError, Release
from support.kube.kubectl import Kubectl
from support.kube.namespaces import prepared_namespace
from support.kube.needs import CHART
from support.kube.values import sources

ARCHIVE = {"name": "archive", "engine": "celery", "brokerUrl": "redis://broker:6379/0"}
WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a value that is none": ({"sources": [ARCHIVE], "replicas": 3}, ("replicas",)),
    "a source without its broker": ({"sources": [{"name": "archive", "engine": "celery"}]}, ("sources", "brokerUrl")),
    "an engine that is none": ({"sources": [{**ARCHIVE, "engine": "dramatiq"}]}, ("engine", "celery", "rq")),
    "a password in a URL": ({"sources": [{**ARCHIVE, "brokerUrl": "redis://:secret@broker/0"}]}, ("existingSecret",)),
    "two sources of one name": ({"sources": [ARCHIVE, ARCHIVE]}, ("archive",)),
    "oidc without a provider": ({"sources": [ARCHIVE], "access": {"mode": "oidc"}}, ("issuer",)),
    "a path with a slash at its end": ({"sources": [ARCHIVE], "basePath": "/taskscope/"}, ("basePath",)),
    "a number that is none": ({"sources": [ARCHIVE], "leaseSeconds": "soon"}, ("leaseSeconds",)),
}


@pytest.fixture(scope="module")
def empty(kubectl: Kubectl, run: Any, ground: Ground) -> Iterator[Kubectl]:
    within = prepared_namespace(kubectl, f"{run.name}-refused", ground)
    yield within
    within.run("delete", "namespace", within.namespace, "--wait=false")


@pytest.mark.parametrize("what", WRONG)
def test_is_refused_before_anything_is_created(what: str, empty: Kubectl, tmp_path: Path) -> None:
    values, words = WRONG[what]
    release = Release(empty, "taskscope", CHART, tmp_path)
    before = _everything(empty)
    with pytest.raises(HelmError) as refused:
        release.install(values)
    assert not release.exists()
    assert _everything(empty) == before
    missing = [word for word in words if word not in str(refused.value)]
    assert missing == [], str(refused.value)


def test_a_right_configuration_passes_a_dry_run_of_the_api_server(empty: Kubectl, ground: Ground, tmp_path: Path) -> None:
    before = _everything(empty)
    release = Release(empty, "taskscope", CHART, tmp_path)
    release.install({"sources": sources(ground)}, "--dry-run=server")
    assert _everything(empty) == before


def _everything(kubectl: Kubectl) -> set[str]:
    """Names of what is in the namespace."""
    return set(kubectl.run("get", "all,secrets,configmaps,serviceaccounts,ingresses,pvc", "-o", "name").split())

"""Other pods of the cluster, which ask by the Service's name."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.kube.ground import TOKEN_FILE, Ground
from support.kube.images import Images
from support.kube.kubectl import Kubectl
from support.kube.namespaces import made_namespace
from support.kube.objects import account, deployment
from support.kube.site import Site


@pytest.fixture(scope="module")
def elsewhere(kubectl: Kubectl, run: Any, images: Images) -> Iterator[Kubectl]:
    """A namespace that nothing was granted to, with an account and a pod of the same names."""
    within = made_namespace(kubectl, run.elsewhere)
    within.apply([account("worker"), deployment("driver", images.workload, ["sleep", "infinity"], account="worker")])
    within.rolled_out("deployment/driver")
    yield within
    within.run("delete", "namespace", run.elsewhere, "--wait=false")


@pytest.mark.parametrize(("component", "port"), [("api", 5051), ("web", 80)])
def test_a_pod_of_another_namespace_asks_the_service_by_its_name(component: str, port: int, site: Site, ground: Ground) -> None:
    url = site.service(component, port)
    answered = ground.driver("ask", f"{url}/api/workers", "--token", site.token())
    assert answered["status"] == 200
    assert {worker["source"] for worker in answered["body"]["items"]} == {"archive", "newsroom", "media"}
    assert ground.driver("ask", f"{url}/api/workers")["status"] == 401


def test_a_service_account_of_the_namespace_that_is_granted_is_let_in(site: Site, ground: Ground) -> None:
    answered = ground.driver("ask", f"{site.service('api', 5051)}/api/session", "--token-file", TOKEN_FILE)
    assert answered["status"] == 200
    said = answered["body"]
    assert (said["name"], said["role"]) == (f"system:serviceaccount:{ground.namespace}:worker", "viewer")


def test_a_service_account_of_another_namespace_is_refused(site: Site, elsewhere: Kubectl) -> None:
    command = ["python", "-m", "footage", "ask", f"{site.service('api', 5051)}/api/tasks", "--token-file", TOKEN_FILE]
    answered = json.loads(elsewhere.execute("deployment/driver", *command))
    assert answered["status"] == 403
    assert "was given no right" in answered["body"]["detail"]

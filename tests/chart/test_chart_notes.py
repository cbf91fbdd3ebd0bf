"""What is said after an install: how to open it, how to sign in, and what it is not good for."""

from typing import Any

import pytest
from support.helm import CHART, NAMESPACE, RELEASE, run_helm, with_source


def notes(**values: Any) -> str:
    said = run_helm(
        *("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client"), values=with_source(**values)
    )
    return said.partition("NOTES:")[2]


def test_how_to_open_it_and_to_sign_in() -> None:
    said = notes(basePath="/tasks")
    assert "kubectl port-forward -n watch service/taskscope-web 8080:80" in said
    assert "http://127.0.0.1:8080/tasks/" in said
    assert "kubectl get secret -n watch taskscope-admin-token -o jsonpath='{.data.token}' | base64 -d" in said
    assert "helm test -n watch taskscope" in said


def test_the_address_of_an_ingress() -> None:
    tls = [{"secretName": "s", "hosts": ["tasks.example.org"]}]
    said = notes(basePath="/tasks", ingress={"enabled": True, "hosts": ["tasks.example.org"], "tls": tls})
    assert "https://tasks.example.org/tasks/" in said
    assert "port-forward" not in said
    assert "api.trustedProxies is empty" in said


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, "a single Valkey that is there for trials"),
        ({"access": {"mode": "none"}}, "access.mode is none: whoever reaches the address sees every task"),
    ],
)
def test_what_it_is_not_good_for_is_said(values: dict[str, Any], warned: str) -> None:
    fine = {"redis": {"url": "redis://redis.data/0"}, "access": {"tokens": {"existingSecret": "tokens"}}}
    assert warned in notes(**values)
    assert "WARNING" not in notes(**fine)
    assert "admin-token" not in notes(**fine)

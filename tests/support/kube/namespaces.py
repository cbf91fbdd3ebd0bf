"""Namespaces of the suite."""

from collections.abc import Mapping

from support.kube.ground import Ground
from support.kube.kubectl import Kubectl
from support.kube.objects import secret
from support.kube.values import secrets_of

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}


def made_namespace(kubectl: Kubectl, name: str, labels: Mapping[str, str] = {}) -> Kubectl:
    """A new one. Who makes it has it removed."""
    within = kubectl.within(name)
    within.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}])
    return within


def prepared_namespace(kubectl: Kubectl, name: str, ground: Ground) -> Kubectl:
    """One that enforces the standard `restricted`, with the Secrets that the suite's values refer to."""
    within = made_namespace(kubectl, name, RESTRICTED)
    within.apply([secret(one, texts) for one, texts in secrets_of(ground).items()])
    return within

"""What the cluster suite needs, and by which variables it is told where that is. What is missing is an error that names it.

KUBECONFIG                        the cluster; TASKSCOPE_TEST_KUBECONFIG goes before it
TASKSCOPE_TEST_LOAD               the command that brings images of the local Docker engine to the cluster; their names
                                  are appended: "kind load docker-image"; ../shared/kube/load where that is there
TASKSCOPE_TEST_REGISTRY           in place of that: where images are pushed to, and the cluster gets them from
TASKSCOPE_TEST_TAG                tag of Taskscope's images (dev)
TASKSCOPE_TEST_INGRESS            address of the ingress controller (127.0.0.1:80)
TASKSCOPE_TEST_INGRESS_CLASS      IngressClass, if not the cluster's default one
TASKSCOPE_TEST_GATEWAY            NAMESPACE/NAME of a Gateway that takes routes of all namespaces (ingress/traefik)
TASKSCOPE_TEST_GATEWAY_ADDRESS    its address (that of the ingress)
TASKSCOPE_TEST_KILL               the command that kills a container's process without a word; the node and the
                                  container's id are appended. On the cluster of ../shared/kube it is known
TASKSCOPE_TEST_KEEP               true: leave everything in the cluster, to look at
"""

import os
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
SHARED_LOAD = ROOT.parent / "shared" / "kube" / "load"
CHART = ROOT / "deploy" / "helm" / "taskscope"


class Address(NamedTuple):
    """`host` and `port` that names are resolved to."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`HOST:PORT`, or `HOST` for port 80."""
        host, _, port = text.partition(":")
        return cls(host, int(port or 80))


class Needs(NamedTuple):
    """Everything that is said from outside."""

    kubeconfig: str
    load: tuple[str, ...]
    registry: str
    tag: str
    ingress: Address
    ingress_class: str
    gateway_namespace: str
    gateway: str
    gateway_address: Address


def needs() -> Needs:
    """What the environment says. Raises `AssertionError` with everything that is missing."""
    said = os.environ
    missing = [*_missing_programs(), *_missing_cluster(), *_missing_way_of_images()]
    assert not missing, "the cluster suite was asked for, and needs: " + "; ".join(missing)
    ingress = said.get("TASKSCOPE_TEST_INGRESS", "127.0.0.1:80")
    namespace, _, gateway = said.get("TASKSCOPE_TEST_GATEWAY", "ingress/traefik").partition("/")
    return Needs(
        kubeconfig=kubeconfig(),
        load=_load(),
        registry=said.get("TASKSCOPE_TEST_REGISTRY", ""),
        tag=said.get("TASKSCOPE_TEST_TAG", "dev"),
        ingress=Address.parse(ingress),
        ingress_class=said.get("TASKSCOPE_TEST_INGRESS_CLASS", ""),
        gateway_namespace=namespace,
        gateway=gateway,
        gateway_address=Address.parse(said.get("TASKSCOPE_TEST_GATEWAY_ADDRESS", ingress)),
    )


def kubeconfig() -> str:
    """The file that names the cluster. Raises `AssertionError`."""
    missing = _missing_cluster()
    assert not missing, f"tests of the cluster were asked for, and need {missing[0]}"
    return _named()


def chromium() -> str:
    """The browser's path."""
    return os.environ.get("CHROMIUM", "/usr/bin/chromium")


def _named() -> str:
    return os.environ.get("TASKSCOPE_TEST_KUBECONFIG") or os.environ.get("KUBECONFIG") or ""


def _load() -> tuple[str, ...]:
    said = os.environ.get("TASKSCOPE_TEST_LOAD")
    if said:
        return tuple(shlex.split(said))
    return ("bash", str(SHARED_LOAD)) if SHARED_LOAD.exists() else ()


def _missing_programs() -> list[str]:
    wanted = {"kubectl": "", "helm": " (3.14 or newer)", "docker": " (it builds and holds the images)", "node": ""}
    return [f"the program {name}{why}" for name, why in wanted.items() if shutil.which(name) is None]


def _missing_cluster() -> list[str]:
    if not _named():
        return ["KUBECONFIG or TASKSCOPE_TEST_KUBECONFIG: the file that names a cluster"]
    if not Path(_named()).exists():
        return [f"{_named()}, which KUBECONFIG names"]
    return []


def _missing_way_of_images() -> list[str]:
    if not (_load() or os.environ.get("TASKSCOPE_TEST_REGISTRY")):
        return [
            "TASKSCOPE_TEST_LOAD (as in 'kind load docker-image') or TASKSCOPE_TEST_REGISTRY: how images come to the cluster"
        ]
    return []

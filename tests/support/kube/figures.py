"""Figures of pods, as the kubelet has them."""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from support.kube.kubectl import Kubectl, Object
from support.waiting import wait_for

MIB = 1024 * 1024
QUIET_BYTES = 2 * MIB


class Look(NamedTuple):
    """When a kubelet looked at a pod, and the pod's working set: memory in use less inactive files."""

    at: str
    working_set_bytes: int


def looks(kubectl: Kubectl, pods: Sequence[Object]) -> dict[str, Look]:
    """Pod -> what `/stats/summary` of its kubelet says. Pods that it did not look at yet are left out."""
    wanted = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
    found: dict[str, Look] = {}
    for node in {pod["spec"]["nodeName"] for pod in pods}:
        summary: Any = kubectl.raw(f"/api/v1/nodes/{node}/proxy/stats/summary")
        for one in summary["pods"]:
            about, memory = one["podRef"], one.get("memory", {})
            if (about["namespace"], about["name"]) in wanted and "workingSetBytes" in memory:
                found[about["name"]] = Look(memory["time"], int(memory["workingSetBytes"]))
    return found


def quiet_working_set(kubectl: Kubectl, pods: Sequence[Object]) -> float:
    """The median pod's, in MiB, once the last two looks at each pod differ by less than 2 MiB."""
    seen: dict[str, list[Look]] = {pod["metadata"]["name"]: [] for pod in pods}

    def is_quiet() -> bool:
        for name, look in looks(kubectl, pods).items():
            if look not in seen[name]:
                seen[name].append(look)
        return all(map(_is_steady, seen.values()))

    wait_for(is_quiet, seconds=90, what="the pods' memory to be quiet", every=2.0)
    return median(each[-1].working_set_bytes for each in seen.values()) / MIB


def _is_steady(looks: Sequence[Look]) -> bool:
    if len(looks) < 2:
        return False
    before, after = looks[-2:]
    return abs(after.working_set_bytes - before.working_set_bytes) < QUIET_BYTES

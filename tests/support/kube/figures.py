"""Figures of pods, as the kubelet has them."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from support.kube.kubectl import Kubectl, Object
from support.waiting import wait_for

MIB = 1024 * 1024
QUIET_BYTES = 2 * MIB


def working_sets(kubectl: Kubectl, pods: Sequence[Object]) -> dict[str, int]:
    """Pod -> bytes of its working set (memory in use less inactive files), as `/stats/summary` of its kubelet says."""
    found: dict[str, int] = {}
    for node in {pod["spec"]["nodeName"] for pod in pods}:
        summary: Any = kubectl.raw(f"/api/v1/nodes/{node}/proxy/stats/summary")
        for one in summary["pods"]:
            if one["podRef"]["namespace"] == pods[0]["metadata"]["namespace"] and "memory" in one:
                found[one["podRef"]["name"]] = int(one["memory"]["workingSetBytes"])
    return {name: found[name] for pod in pods if (name := pod["metadata"]["name"]) in found}


def quiet_working_set(kubectl: Kubectl, pods: Sequence[Object]) -> float:
    """The median pod's, in MiB, once two looks that the kubelet took at different times differ by less than 2 MiB."""
    looks: list[dict[str, int]] = [{}]

    def quiet() -> bool:
        now = working_sets(kubectl, pods)
        before = looks[-1]
        if now == before or len(now) < len(pods):
            return False
        looks.append(now)
        return bool(before) and all(abs(now[name] - before.get(name, 0)) < QUIET_BYTES for name in now)

    wait_for(quiet, seconds=90, what="the pods' memory to be quiet")
    return median(looks[-1].values()) / MIB

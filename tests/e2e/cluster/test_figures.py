"""Figures that the documents tell: sizes of images, and memory of pods that have nothing to do."""

from collections.abc import Callable
from typing import Any

import pytest
from support.kube import images
from support.kube.figures import quiet_working_set
from support.kube.needs import Needs

MEGABYTE = 1_000_000
IMAGE_MB = {"collector": 90, "api": 90, "web": 5}
IDLE_MB = {"collector": 90, "api": 100, "web": 15}


@pytest.mark.parametrize("component", ["collector", "api", "web"])
def test_the_image_adds_little_to_its_base(component: str, needs: Needs, measured: Callable[[str], None]) -> None:
    added = images.sizes(needs)[component] / MEGABYTE
    measured(f"{component}: {added:.1f} MB above its base image, uncompressed (≤ {IMAGE_MB[component]} MB)")
    assert added <= IMAGE_MB[component]


@pytest.mark.parametrize("component", ["collector", "api", "web"])
def test_an_idle_pod_takes_little_memory(component: str, installed: Any, measured: Callable[[str], None]) -> None:
    site = installed.site
    megabytes = quiet_working_set(site.kubectl, site.pods(component))
    measured(f"{component}: {megabytes:.0f} MiB (≤ {IDLE_MB[component]})")
    assert megabytes <= IDLE_MB[component]

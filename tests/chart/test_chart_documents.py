"""What the documents show of the chart's values is taken, and the chart can be a part of another one."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.helm import CHART, ROOT, VERSION, render, run_helm, with_source

DOCUMENTS = (ROOT / "docs/kubernetes.md", ROOT / "deploy/helm/readme-head.md")
KEYS = set(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")))


def shown() -> list[tuple[str, dict[str, Any]]]:
    """Each indented block of the documents that is values of the chart, and not commands."""
    blocks = [
        (document.name, re.sub(r"^ {4}", "", block, flags=re.MULTILINE))
        for document in DOCUMENTS
        for block in re.findall(r"(?:^ {4}.*\n)+", document.read_text("utf-8"), re.MULTILINE)
    ]
    return [(name, values) for name, block in blocks if (values := read(block)) is not None]


def read(block: str) -> dict[str, Any] | None:
    try:
        values = yaml.safe_load(block)
    except yaml.YAMLError:
        return None
    return values if isinstance(values, dict) and set(values) <= KEYS else None


EXAMPLES = shown()


def test_there_are_examples_of_what_matters() -> None:
    told = {key for _, values in EXAMPLES for key in values}
    assert told >= {
        "sources",
        "redis",
        "ingress",
        "httpRoute",
        "basePath",
        "access",
        "networkPolicy",
        "metrics",
        "otel",
        "collector",
    }


@pytest.mark.parametrize(
    "values", [values for _, values in EXAMPLES], ids=[f"{name}-{','.join(each)}" for name, each in EXAMPLES]
)
def test_values_that_are_shown_are_taken(values: dict[str, Any]) -> None:
    assert render({**with_source(), **values})


def test_it_can_be_a_part_of_another_chart(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: platform\nversion: 1.0.0\n", encoding="utf-8")
    shutil.copytree(CHART, tmp_path / "charts/taskscope")
    values = {"global": {"imageRegistry": "registry.example.org", "region": "north"}, "taskscope": with_source()}
    text = run_helm("template", "monitoring", str(tmp_path), *VERSION, values=values)
    assert 'image: "registry.example.org/taskscope-api:' in text
    assert "name: monitoring-taskscope-api" in text

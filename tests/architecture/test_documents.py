"""What the documents name is there."""

import re
from pathlib import Path

import pytest
from support.source_code import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text("utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE))
    assert named - make_targets() == set()


def test_every_make_target_that_a_program_tells_its_user_exists() -> None:
    programs = [path for top in ("services", "examples") for path in (ROOT / top).glob("*/src/**/*.py")]
    named = {(path.name, target) for path in programs for target in re.findall(r"`make ([a-z-]+)`", path.read_text("utf-8"))}
    assert {target for _, target in named} >= {"web"}
    assert {(name, target) for name, target in named if target not in make_targets()} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_file_of_the_repository_that_is_named_exists(document: Path) -> None:
    tops = "services|tests|docs|examples|deploy"
    named = set(re.findall(rf"`((?:{tops})/[\w./-]+)`", document.read_text("utf-8")))
    roots = (ROOT, ROOT / "services" / "web")
    assert [name for name in sorted(named) if not any((root / name).exists() for root in roots)] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    assert [path.name for path in sorted(folder.glob("0*.md")) if path.name not in index] == []

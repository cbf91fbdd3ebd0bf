"""Writes the chart's README: readme-head.md, and a table of the values from the comments in values.yaml.

`make chart` writes it; the tests say when it is out of date. A comment that begins with `# --` describes the key below it,
`# @section` begins a table. Every key that holds no described keys of its own needs a description.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
CHART = HERE / "taskscope"
_KEY = re.compile(r"( *)([A-Za-z][A-Za-z0-9]*):")


class Value(NamedTuple):
    """One row: the section it is in, `a.b.c`, and what it is (None: nobody said)."""

    section: str
    path: tuple[str, ...]
    description: str | None


def described(text: str) -> Iterator[Value]:
    """The keys of values.yaml in their order, with what the comment above each says."""
    section = ""
    said: list[str] = []
    path: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# @section "):
            section = stripped.removeprefix("# @section ")
        elif stripped.startswith("# -- "):
            said = [stripped.removeprefix("# -- ")]
        elif said and stripped.startswith("# "):
            said.append(stripped.removeprefix("# "))
        elif found := _KEY.match(line):
            path = [*path[: len(found[1]) // 2], found[2]]
            yield Value(section, tuple(path), " ".join(said) or None)
            said = []


def rows(text: str) -> list[Value]:
    """The described ones: what is below a described key belongs to it. Raises ValueError for a leaf that nobody described."""
    values = yaml.safe_load(text)
    kept: list[Value] = []
    for value in described(text):
        if any(value.path[: len(each.path)] == each.path for each in kept):
            continue
        if value.description is not None:
            kept.append(value)
        elif not isinstance(_at(values, value.path), dict):
            raise ValueError(f"{'.'.join(value.path)} has no comment that begins with '# --' above it")
    return kept


def _at(values: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - what YAML gives
    for key in path:
        values = values[key]
    return values


def readme() -> str:
    """The whole text."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values, parts, section = yaml.safe_load(text), [(HERE / "readme-head.md").read_text(encoding="utf-8").rstrip()], None
    for row in rows(text):
        if row.section != section:
            section = row.section
            parts.append(f"\n### {section}\n\n| value | default | |\n|---|---|---|")
        parts.append(f"| `{'.'.join(row.path)}` | {_default(_at(values, row.path))} | {row.description} |")
    return "\n".join(parts) + "\n"


def _default(value: object) -> str:
    return "" if value in (None, "") else f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme(), encoding="utf-8")

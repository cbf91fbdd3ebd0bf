"""The product's own source, parsed: what architecture tests look at."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "taskscope_shared": ROOT / "services/shared",
    "taskscope_collector": ROOT / "services/collector",
    "taskscope_api": ROOT / "services/api",
    "taskscope": ROOT / "services/standalone",
    "taskscope_client": ROOT / "services/client",
}


class Module(NamedTuple):
    """A module: its dotted name, its file and what is in it."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def shown(self) -> str:
        """The file as a message names it."""
        return str(self.path.relative_to(ROOT))


@functools.cache
def modules(package: str) -> tuple[Module, ...]:
    """Every module of `package`."""
    source = PACKAGES[package] / "src"
    files = sorted((source / package).rglob("*.py"))
    return tuple(
        Module(_dotted(file.relative_to(source)), file, ast.parse(file.read_text("utf-8"), str(file))) for file in files
    )


def every_module() -> Iterator[Module]:
    """Every module of every package."""
    for package in PACKAGES:
        yield from modules(package)


def imports(module: Module) -> Iterator[tuple[str, int]]:
    """Dotted names that `module` imports, with their lines; `from a import b` is `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def uses(module: Module) -> Iterator[tuple[str, int]]:
    """Dotted names that `module` imports or reaches (`os.environ.get` gives `os.environ`, too), with their lines."""
    yield from imports(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


def _dotted(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")

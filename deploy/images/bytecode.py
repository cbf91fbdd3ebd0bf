"""Writes the bytecode of our packages that are named, and of all that importing their modules loads, below the given folders.

    bytecode.py taskscope_shared,taskscope_api /own/ /app/

The image runs with a root file system that cannot be written: what has no bytecode is compiled at each start. What nobody
loads needs none. The bytecode is never compared with its source.
"""

import importlib
import pkgutil
import py_compile
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

NOT_RUN = "testing"
WITHOUT_SOURCE = {"google", "numpy", "opentelemetry", "pydantic", "redis"}
"""Large ones, in which bytecode takes the source's place: a traceback has file, line and function, but not the line's text. Not
all: some read their own source (anyio), and without it do something else."""
PACKAGES, FOLDERS = sys.argv[1].split(","), tuple(sys.argv[2:])
loaded = set[str]()
get_code: Any = SourceFileLoader.get_code


def noted(loader: SourceFileLoader, name: str) -> CodeType:
    """Load a module, and note it; also one that fails then, since what it needs is not installed: it is tried each time."""
    loaded.add(loader.path)
    code: CodeType = get_code(loader, name)
    return code


SourceFileLoader.get_code = noted  # type: ignore[method-assign]  # for this process
for package in map(importlib.import_module, PACKAGES):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(NOT_RUN):
            importlib.import_module(module.name)
for source in loaded:
    if source.startswith(FOLDERS):
        instead = f"{source}c" if WITHOUT_SOURCE & set(Path(source).parts) else None
        py_compile.compile(source, instead, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        if instead:
            Path(source).unlink()

"""Writes the bytecode of all that importing the module that is given imports, where it is not the base image's.

The image runs with a root file system that cannot be written: what has no bytecode is compiled at each start. What a service
does not import, a third of what it depends on, needs none. The bytecode is never compared with its source.
"""

import importlib
import py_compile
import sys
from pathlib import Path

OURS = tuple(sys.argv[2:])

importlib.import_module(sys.argv[1])
for module in list(sys.modules.values()):
    source = getattr(module, "__file__", None) or ""
    if source.endswith(".py") and source.startswith(OURS) and Path(source).exists():
        py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)

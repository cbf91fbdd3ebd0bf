"""Task names to kinds, by configured patterns."""

import re
from collections.abc import Mapping
from fnmatch import translate

OTHER = "other"
CACHED = 10_000
"""Names remembered with their kind; task names are few, but nothing keeps a producer from making them up."""


class Kinds:
    """The first kind, in the configured order, one of whose patterns matches the name in any case; else `other`."""

    def __init__(self, patterns: Mapping[str, tuple[str, ...]]) -> None:
        self.names = tuple(patterns)
        self._patterns = [
            (kind, re.compile("|".join(translate(glob.lower()) for glob in globs))) for kind, globs in patterns.items() if globs
        ]
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, name: str) -> str:
        """The kind of a task name."""
        return self.known(name)[1]

    def known(self, name: str) -> tuple[str, str]:
        """The name as first seen (one object for all tasks that bear it) and its kind."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= CACHED:
                self._known.clear()
            known = self._known[name] = (name, self._match(name.lower()))
        return known

    def _match(self, lowered: str) -> str:
        return next((kind for kind, pattern in self._patterns if pattern.match(lowered)), OTHER)

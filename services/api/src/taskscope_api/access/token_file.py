"""The file of tokens, read anew when it changes. A change that cannot be read changes nothing."""

import asyncio
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from taskscope_shared.clock import Clock
from taskscope_shared.tokens import MAX_TEXT, Token, TokensError, parse

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks whether the file changed: a token that is revoked there ends within a second."""
GONE_SECONDS = 10.0
"""A file that is away for so long was taken away, and nobody has a token any more. Editors put it away for a moment."""

Mark = tuple[int, int, int]
"""Inode, size and time of change: a mounted Secret is another file after each change, behind the same link."""


class TokenFile:
    """The tokens of the file at `path`. `reason` says why they are not what the file says now; None where they are."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._mark: Mark | None = None
        self._gone_at: float | None = None
        self.tokens: Mapping[str, Token] = {}
        self.reason: str | None = None
        self.readings = 0
        self.failures = 0
        self._take(_read(path, None))

    def get(self, id_: str) -> Token | None:
        """The token of that id, if there is one."""
        return self.tokens.get(id_)

    def ids(self) -> Collection[str]:
        """Of the tokens that there are now."""
        return self.tokens.keys()

    def look(self) -> None:
        """Read the file if it changed."""
        self._take(_read(self._path, self._mark))

    async def run(self) -> None:
        """Look again and again, and let nobody wait for the disk meanwhile."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._take(await asyncio.to_thread(_read, self._path, self._mark))
            except Exception:  # the boundary of this task: a token that is revoked later has to end, too
                self.failures += 1
                logger.exception("the file of tokens could not be looked at")

    def _take(self, found: "_Found | None") -> None:
        if found is None:
            return
        self._mark = found.mark
        if found.tokens is not None:
            self.tokens, self._gone_at = {token.id: token for token in found.tokens}, None
            self.readings += 1
            self._say(None)
            return
        if not found.gone:
            self._gone_at = None
        elif self._gone_at is None:
            self._gone_at = self._clock.monotonic()
        elif self.tokens and self._clock.monotonic() - self._gone_at >= GONE_SECONDS:
            self.tokens = {}
        kept = f"the {len(self.tokens)} tokens read before are good still" if self.tokens else "nobody has a token"
        self._say(f"the file of tokens {found.problem}: {kept}")

    def _say(self, reason: str | None) -> None:
        if reason == self.reason:
            return
        self.reason = reason
        if reason is None:
            logger.info("%s holds %d tokens", self._path, len(self.tokens))
        else:
            logger.error("%s: %s", self._path, reason)


class _Found:
    """What a look at the file found: tokens, or a problem."""

    def __init__(self, mark: Mark | None, tokens: list[Token] | None, problem: str = "", *, gone: bool = False) -> None:
        self.mark = mark
        self.tokens = tokens
        self.problem = problem
        self.gone = gone


def _read(path: Path, before: Mark | None) -> _Found | None:
    """What the file holds; None when it did not change since it had the mark `before`."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            mark = (status.st_ino, status.st_size, status.st_mtime_ns)
            return None if mark == before else _parsed(mark, file.read(MAX_TEXT + 1))
    except FileNotFoundError:
        return _Found(None, None, "is not there", gone=True)
    except OSError as error:
        return _Found(None, None, f"cannot be read ({error.strerror})")


def _parsed(mark: Mark, data: bytes) -> _Found:
    try:
        return _Found(mark, parse(data.decode()))
    except UnicodeDecodeError:
        return _Found(mark, None, "is not UTF-8 text")
    except TokensError as error:
        return _Found(mark, None, f"is not a file of tokens: {error}")

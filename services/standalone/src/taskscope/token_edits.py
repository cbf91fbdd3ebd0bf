"""Edits the file of tokens: a token more or less, and everything else in it as it was."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from taskscope_shared.tokens import MAX_TOKENS, Token, TokensError, dump, item_text, parse

NEW_MODE = 0o600
"""Of a file that was not there: hashes are no secrets, but nobody else's business. One that is there keeps its own."""


class EditError(Exception):
    """The file cannot be edited; the message says why."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """The real file behind `path`, while nobody else edits it. Raises `EditError`."""
    real = path.resolve()
    try:
        folder = os.open(real.parent, os.O_RDONLY)
    except OSError as error:
        raise EditError(f"{real.parent} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield real
    finally:
        os.close(folder)


def read(path: Path) -> str:
    """The file's text; empty where there is none. Raises `EditError`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise EditError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EditError(f"{path} is not UTF-8 text") from None


def tokens_in(path: Path, text: str) -> list[Token]:
    """The tokens of the file's text. Raises `EditError`."""
    try:
        return parse(text)
    except TokensError as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        raise EditError(f"{path} is not a file of tokens; nothing was changed:\n{problems}") from None


def with_token(text: str, tokens: list[Token], new: Token) -> str:
    """The text with one token more at its end. Raises `EditError` for one too many."""
    if len(tokens) >= MAX_TOKENS:
        raise EditError(f"there are {len(tokens):,} tokens already, and there may be no more: revoke some")
    longer = f"{text.rstrip()}\n{item_text(new)}" if tokens else text + item_text(new)
    return _checked(longer, [*tokens, new])


def without_token(text: str, tokens: list[Token], id_: str) -> str:
    """The text without the token of that id."""
    place = [token.id for token in tokens].index(id_)
    return _checked(_cut(text, place), [token for token in tokens if token.id != id_])


def _cut(text: str, place: int) -> str:
    """The text without the lines of one item of its list."""
    items = getattr(yaml.compose(text, Loader=yaml.SafeLoader), "value", [])
    lines = text.splitlines(keepends=True)
    begins = [item.start_mark.line for item in items]
    ends = [*begins[1:], items[-1].end_mark.line if items else 0]
    kept = [*lines[: begins[place]], *lines[ends[place] :]]
    return "".join(kept)


def _checked(text: str, wanted: list[Token]) -> str:
    """The text, if it says what is wanted; else (a list in one line, an unusual indentation) all of it written anew."""
    try:
        return text if parse(text) == wanted else dump(wanted)
    except TokensError:
        return dump(wanted)


def _keep_readers(handle: int, before: os.stat_result | None) -> None:
    """Let the new file be read by whom the old one was: an api that cannot read it would not learn who was revoked."""
    if before is not None:
        with contextlib.suppress(PermissionError):  # only root gives files away
            os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, NEW_MODE if before is None else before.st_mode & 0o777)


def write(path: Path, text: str) -> None:
    """Put the text in the file's place at once: whoever reads it sees the old one or the new one. Raises `EditError`."""
    try:
        before = path.stat() if path.exists() else None
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                _keep_readers(file.fileno(), before)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EditError(f"{path} cannot be written: {error.strerror}") from None

"""Type and message of an exception, out of what the wire has of it: a repr, and a traceback's text."""

import ast
import re

_REPR = re.compile(r"\s*([A-Za-z_][\w.]*)\((.*)\)\s*\Z", re.DOTALL)
_CUT_REPR = re.compile(r"\s*([A-Za-z_][\w.]*)\((.*)", re.DOTALL)
_ANGLE_REPR = re.compile(r"\s*<(?:class ')?([A-Za-z_][\w.]*)'?(?:: (.*))?>\s*\Z", re.DOTALL)
_LAST_LINE = re.compile(r"((?:[a-z_]\w*\.)*_?[A-Z]\w*)(?:: (.*))?\Z")
_HIDDEN = ("ExceptionWithTraceback", "_RemoteTraceback", "RemoteTraceback")
"""What billiard wraps an exception in to bring it over a pipe: it says nothing by itself."""


def parse(exception: str | None, traceback: str | None) -> tuple[str | None, str | None]:
    """(type, message). `ValueError('x')` is `("ValueError", "x")`; a wrapper's repr is looked up in the traceback."""
    kind, message = from_repr(exception) if exception else (None, None)
    if kind is None or kind in _HIDDEN:
        found = from_traceback(traceback) if traceback else (None, None)
        return found if found[0] else (kind, message if kind else exception)
    return kind, message


def from_repr(text: str) -> tuple[str | None, str | None]:
    """Type and message out of an exception's repr, which may have been cut."""
    match = _REPR.match(text) or _CUT_REPR.match(text) or _ANGLE_REPR.match(text)
    if match is None:
        return None, text
    return match.group(1).rpartition(".")[2], _message(match.group(2) or "")


def from_traceback(text: str) -> tuple[str | None, str | None]:
    """Type and message out of the last line of a traceback that names an exception."""
    for line in reversed(text.rstrip().splitlines()[-50:]):
        match = _LAST_LINE.match(line)
        kind = match.group(1).rpartition(".")[2] if match else None
        if match is None or kind is None or kind in _HIDDEN:
            continue
        message = match.group(2) or ""
        if message.startswith(f"{kind}("):
            return from_repr(message)
        return kind, message
    return None, None


def _message(inner: str) -> str:
    text = inner.strip().removesuffix(",")
    if text[:1] in "'\"" and text:
        inside = text[1:-1]
        if len(text) > 1 and text[-1] == text[0] and text[0] not in inside and "\\" not in inside:
            return inside  # nothing to unescape, as usual
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text.strip("'\"") if text[-1:] != text[:1] else text
        if isinstance(value, str):
            return value
    return text

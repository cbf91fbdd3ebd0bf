"""Hides values whose keys look like secrets, and caps what is kept, before anything is stored.

Three kinds of input: texts that somebody else made (reprs, JSON, tracebacks), whose structure is guessed with the safe side
being hidden too much; and decoded values, which are walked. A key is compared with the configured globs in lower case and
without `_`, `-`, `.` and blanks, so that `api_key` hides `X-Api-Key` and `apiKey`, too.
"""

import re
from fnmatch import translate
from string import ascii_lowercase, ascii_uppercase

from taskscope_shared.settings import Redaction

MASK = "***"
ELLIPSIS = "…"
DEPTH = 8
"""Levels of a decoded value that are shown."""
_KEY_REACH = 100
"""Characters of a key looked at on each side of its stem."""
_WORK = 4
"""How many times the cap is read of a text that is longer: hiding shortens it."""

_RARE = "qzxjkvwc"
_ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_DROPPED = str.maketrans("", "", "_-. ")
_KEY_LEFT = re.compile(r"[\w.\-]*\Z")
_KEY_RIGHT = re.compile(r"[\w.\-]*")
_SEPARATOR = re.compile(r"""(\\*['"])?\]?\s*(:|=>|={1,3})\s*""")
_PAIR = re.compile(r"""\\*['"]\s*,\s*(?=b?\\*['"])""")
_QUOTE = re.compile(r"""[bBrRuUfF]{0,2}(\\*)(['"])""")
_BARE = re.compile(r"""(?:(?:bearer|basic|digest|token)\s+)?[^\s,;&'"()\[\]{}<>]*""", re.IGNORECASE)
_HEADER = re.compile(r"""[^\r\n'"]*""")
_BRACKETS = re.compile(r"""[()\[\]{}]|'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)""", re.DOTALL)
_URL_PASSWORD = re.compile(r"""(://[^\s/@:'"]*:)[^\s/'"]*(?=@)""")
_CUT_URL_PASSWORD = re.compile(r"""(://[^\s/@:'"]*:)[^\s/@'"]*\Z""")


class Redactor:
    """Redaction as configured. Stateless after construction: one serves all sources."""

    def __init__(self, settings: Redaction) -> None:
        self._text_bytes = settings.text_bytes
        self._traceback_bytes = settings.traceback_bytes
        globs = [pattern.lower().translate(_DROPPED) for pattern in settings.keys]
        self._secret_key = re.compile("|".join(translate(glob) for glob in globs) or r"(?!)").match
        stems = _stems(settings.keys)
        self._hints = _hints(stems)
        self._stem = re.compile("|".join(re.escape(stem) for stem in stems) or r"(?!)")

    def text(self, text: str) -> str:
        """A repr or JSON text: values of secret-looking keys become `***`, then capped with `…`."""
        if len(text) <= self._text_bytes and text.isascii():
            return self._hide(text) if "@" in text or self._suspect(text) else text
        window = text[: self._text_bytes * _WORK]
        if "://" in window or self._suspect(window):
            window = self._hide(window, cut=len(window) < len(text))
        return _cap(window, self._text_bytes, cut=len(text) > self._text_bytes * _WORK)

    def traceback(self, text: str) -> str:
        """A traceback, secrets hidden; a long one keeps its head and its tail (which says what was raised)."""
        limit = self._traceback_bytes
        if len(text) > limit:
            head = text[: limit // 4]
            tail = text[-(limit - limit // 4) :]
            return self._shown(head, limit // 4, cut=True) + f"\n{ELLIPSIS}\n" + self._shown_tail(tail, limit - limit // 4)
        return self._shown(text, limit, cut=False)

    def value(self, value: object) -> str:
        """Preview, like a repr, of a decoded JSON value: redacted by key at any depth, capped, with bounded work."""
        parts = _Preview(self)
        parts.add(value, 0)
        return _cap("".join(parts.parts), self._text_bytes, cut=parts.left < 0)

    def is_secret(self, key: str) -> bool:
        """Whether a key's value is to be hidden."""
        return self._secret_key(key[: 2 * _KEY_REACH].lower().translate(_DROPPED)) is not None

    @property
    def budget(self) -> int:
        """Bytes of a text that are kept."""
        return self._text_bytes

    def _suspect(self, text: str) -> bool:
        lowered = text.lower()
        for letter, hints in self._hints:
            if letter in lowered:
                for hint in hints:
                    if hint in lowered:
                        return True
        return False

    def _shown(self, text: str, limit: int, *, cut: bool) -> str:
        if "@" in text or self._suspect(text):
            text = self._hide(text, cut=cut)
        return _cap(text, limit, cut=False)

    def _shown_tail(self, text: str, limit: int) -> str:
        # The first line of a tail may be the rest of a secret whose key was cut off.
        _, newline, rest = text.partition("\n")
        text = rest if newline else text
        if "@" in text or self._suspect(text):
            text = self._hide(text)
        encoded = text.encode("utf-8", "replace")
        return text if len(encoded) <= limit else encoded[-limit:].decode("utf-8", "ignore")

    def _hide(self, text: str, *, cut: bool = False) -> str:
        parts: list[str] = []
        done = 0
        for match in self._stem.finditer(_lowered(text)):
            if match.start() < done:
                continue
            span = self._secret_value(text, match.start(), match.end())
            if span is not None:
                parts += (text[done : span[0]], MASK)
                done = span[1]
        parts.append(text[done:])
        hidden = _URL_PASSWORD.sub(rf"\1{MASK}", "".join(parts))
        return _CUT_URL_PASSWORD.sub(rf"\1{MASK}", hidden) if cut else hidden

    def _secret_value(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """Where the value of the key around text[start:end] is, or None if there is no secret key with a value."""
        reach = max(0, start - _KEY_REACH)
        left = _KEY_LEFT.search(text[reach:start])
        key_start = start - (len(left.group()) if left else 0)
        right = _KEY_RIGHT.match(text, end, end + _KEY_REACH)
        key_end = right.end() if right else end
        key = text[key_start:key_end]
        if not (self.is_secret(key) or self.is_secret(key.rpartition(".")[2])):
            return None
        separator = _SEPARATOR.match(text, key_end)
        if separator is None:
            return _pair_value(text, key_start, key_end)
        if separator.group(1) is None and separator.group(2) == ":" and _is_header(key):
            header = _HEADER.match(text, separator.end())
            if header and header.group():
                return header.span()
        return _value_at(text, separator.end())


def _is_header(key: str) -> bool:
    lowered = key.lower()
    return "cookie" in lowered or "authorization" in lowered


def _pair_value(text: str, key_start: int, key_end: int) -> tuple[int, int] | None:
    """The second of `('key', 'value')`, as lists of headers are written."""
    pair = _PAIR.match(text, key_end)
    if pair is None or not re.search(r"""[(\[]\s*b?\\*['"]\Z""", text[max(0, key_start - 8) : key_start]):
        return None
    span = _value_at(text, pair.end())
    return span if re.match(r"""\\*['"]?\s*[)\]]|\Z""", text[span[1] :]) else None


def _value_at(text: str, at: int) -> tuple[int, int]:
    quote = _QUOTE.match(text, at)
    if quote is not None:
        return quote.end(), _closing_quote(text, quote.end(), quote.group(1), quote.group(2))
    bare = _BARE.match(text, at)
    end = bare.end() if bare else at
    following = text[end : end + 1]
    if following and following in "([{":
        return at, _closing_bracket(text, end)
    if following == "<":
        closing = text.find(">", end)
        return at, len(text) if closing < 0 else closing + 1
    return at, end


def _closing_quote(text: str, at: int, slashes: str, quote: str) -> int:
    if slashes:  # a string inside of a string: its quotes are escaped to the same depth
        closing = re.compile(rf"(?<!\\){re.escape(slashes)}{quote}").search(text, at)
        return closing.start() if closing else len(text)
    end = at
    while (end := text.find(quote, end)) >= 0:
        before = end
        while before > at and text[before - 1] == "\\":
            before -= 1
        if (end - before) % 2 == 0:
            return end
        end += 1
    return len(text)


def _closing_bracket(text: str, at: int) -> int:
    depth = 0
    for match in _BRACKETS.finditer(text, at):
        piece = match.group()
        depth += (piece in "([{") - (piece in ")]}")
        if depth == 0:
            return match.end()
    return len(text)


def _stems(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """For each glob the longest literal piece, in the ways it may be written; one that contains another is left out."""
    stems: set[str] = set()
    for pattern in patterns:
        literal = max(re.split(r"[*?]|\[[^\]]*\]", pattern.lower()), key=len)
        stems.update(literal.replace("_", joint).replace("-", joint) for joint in ("_", "-", ""))
    return tuple(stem for stem in sorted(stems) if not any(other != stem and other in stem for other in stems))


def _hints(stems: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What to look for first: stems with the same first letters (`passwd`, `password`) are one hint.

    By a rare letter where there is one ("" where not): a letter is found five times as fast as a word, and many texts lack it.
    """
    shared: dict[str, list[str]] = {}
    for stem in stems:
        shared.setdefault(stem[:5], []).append(stem)
    by_letter: dict[str, list[str]] = {}
    for start, group in shared.items():
        hint = group[0] if len(group) == 1 else start
        by_letter.setdefault(next((letter for letter in _RARE if letter in hint), ""), []).append(hint)
    return tuple((letter, tuple(hints)) for letter, hints in by_letter.items())


def _lowered(text: str) -> str:
    """In lower case, each character at its place (`str.lower` makes two of some)."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.translate(_ASCII_LOWER)


def _cap(text: str, limit: int, *, cut: bool) -> str:
    if len(text) <= limit and (text.isascii() or len(text.encode("utf-8", "replace")) <= limit):
        return text + ELLIPSIS if cut else text
    kept = text.encode("utf-8", "replace")[: limit - len(ELLIPSIS.encode())]
    return kept.decode("utf-8", "ignore") + ELLIPSIS


class _Preview:
    """Builds the preview of a value until its budget is used up."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.parts: list[str] = []
        self.left = redactor.budget

    def add(self, value: object, depth: int) -> None:
        if self.left < 0:
            return
        if isinstance(value, dict | list | tuple) and depth >= DEPTH:
            self._put(ELLIPSIS)
        elif isinstance(value, dict):
            self._mapping(value, depth)
        elif isinstance(value, list):
            self._sequence("[", value, "]", depth)
        elif isinstance(value, tuple):
            self._sequence("(", value, ",)" if len(value) == 1 else ")", depth)
        else:
            self._put(self._leaf(value))

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)

    def _mapping(self, value: dict[object, object], depth: int) -> None:
        self._put("{")
        for index, (key, item) in enumerate(value.items()):
            if self.left < 0:
                return
            self._put((", " if index else "") + self._leaf(key) + ": ")
            if isinstance(key, str) and self._redactor.is_secret(key):
                self._put(f"'{MASK}'")
            else:
                self.add(item, depth + 1)
        self._put("}")

    def _sequence(self, opening: str, value: list[object] | tuple[object, ...], closing: str, depth: int) -> None:
        self._put(opening)
        if _is_secret_pair(value, self._redactor):
            self._put(f"{self._leaf(value[0])}, '{MASK}'{closing}")
            return
        for index, item in enumerate(value):
            if self.left < 0:
                return
            if index:
                self._put(", ")
            self.add(item, depth + 1)
        self._put(closing)

    def _leaf(self, value: object) -> str:
        if isinstance(value, str):
            return repr(self._redactor.text(value))
        if isinstance(value, bytes):
            return "b" + repr(self._redactor.text(value[: self._redactor.budget].decode("latin-1")))
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
            return f"<int of {value.bit_length()} bits>"
        if value is None or isinstance(value, bool | int | float):
            return repr(value)
        return f"<{type(value).__name__}>"


def _is_secret_pair(value: list[object] | tuple[object, ...], redactor: Redactor) -> bool:
    if len(value) != 2 or not isinstance(value[0], str) or not isinstance(value[1], str):
        return False
    return " " not in value[0] and redactor.is_secret(value[0])

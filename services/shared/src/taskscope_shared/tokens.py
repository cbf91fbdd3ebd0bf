"""API tokens: `ts_<id>_<secret>`. The id is public, the secret is known by its hash alone.

A secret has 256 random bits, so nothing slower than one SHA-256 is needed to keep it from being guessed.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, get_args

import msgspec
import yaml

from taskscope_shared.settings import parse_yaml
from taskscope_shared.settings_access import RoleName
from taskscope_shared.settings_problems import NAME as SOURCE_NAME

PREFIX = "ts_"
MAX_TOKENS = 1000
MAX_TEXT = 1024 * 1024
"""Characters of the file."""
MAX_NAME = 100
ROLES: tuple[str, ...] = get_args(RoleName)
SCHEME = "sha256:"

_TOKEN = re.compile(r"ts_([0-9a-f]{12})_([A-Za-z0-9_-]{32,128})")
_ID = re.compile(r"[0-9a-f]{12}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class Token(msgspec.Struct, frozen=True):
    """What a file knows of a token. `sources`: None are all; times are epoch seconds, `expires_at` None is never."""

    id: str
    name: str
    hash: str
    role: str
    sources: tuple[str, ...] | None = None
    created_at: float | None = None
    expires_at: float | None = None


class TokensError(Exception):
    """A file is not one of tokens; `problems` says why, without repeating what it holds."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def new_token(
    name: str, role: str, sources: Iterable[str] | None, *, now: float, expires_at: float | None
) -> tuple[Token, str]:
    """A new one, and the text that is shown once."""
    id_ = secrets.token_hex(6)
    text = f"{PREFIX}{id_}_{secrets.token_urlsafe(32)}"
    seen = None if sources is None else tuple(dict.fromkeys(sources))
    ends = None if expires_at is None else float(round(expires_at))  # the file has whole seconds
    return Token(id_, name, hash_of(text), role, seen, float(round(now)), ends), text


def hash_of(text: str) -> str:
    """Of a whole token, as the file has it."""
    return SCHEME + hashlib.sha256(text.encode(errors="replace")).hexdigest()


def id_of(text: str) -> str | None:
    """The id of what has the form of a token; None for what has not."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else found[1]


# ------------------------------------------------------------------------------------------------------------- the file


def parse(text: str) -> list[Token]:
    """The tokens of a file, in its order. Raises `TokensError` with everything that is wrong."""
    if len(text) > MAX_TEXT:
        raise TokensError([f"it has more than {MAX_TEXT:,} characters"])
    try:
        data = parse_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date of a 13th month, lists in lists without end
        mark = getattr(error, "problem_mark", None)
        raise TokensError([f"it is not YAML{f' in line {mark.line + 1}' if mark else ''}"]) from None
    if data is None:
        return []
    if not isinstance(data, list) or len(data) > MAX_TOKENS:
        raise TokensError([f"it should be a list of at most {MAX_TOKENS:,} tokens"])
    problems = [f"[{place}]{problem}" for place, item in enumerate(data) for problem in _problems(item)]
    if problems:
        raise TokensError(problems)
    tokens = [_token(item) for item in data]
    if twice := [token.id for place, token in enumerate(tokens) if token.id in {each.id for each in tokens[:place]}]:
        raise TokensError([f"the id {id_} is given twice" for id_ in twice])
    return tokens


def dump(tokens: Iterable[Token]) -> str:
    """Text that `parse` reads."""
    return "".join(item_text(token) for token in tokens) or "[]\n"


def item_text(token: Token) -> str:
    """One token as an item of the file's list."""
    said: dict[str, Any] = {"id": token.id, "name": token.name, "hash": token.hash, "role": token.role}
    if token.sources is not None:
        said["sources"] = list(token.sources)
    for field in ("created_at", "expires_at"):
        if (at := getattr(token, field)) is not None:
            said[field] = datetime.fromtimestamp(at, UTC).replace(microsecond=0)
    return str(yaml.safe_dump([said], sort_keys=False, allow_unicode=True, width=1000))


_FIELDS = Token.__struct_fields__
_REQUIRED = ("id", "name", "hash", "role")


def _problems(item: object) -> Iterator[str]:
    if not isinstance(item, Mapping):
        yield " is not a mapping"
        return
    yield from (f".{key} is not a field of a token" for key in item if key not in _FIELDS)
    yield from (f".{key} is missing" for key in _REQUIRED if key not in item)
    yield from (f".{key} {wrong}" for key, value in item.items() if key in _FIELDS and (wrong := _wrong(key, value)))


def _wrong(key: str, value: object) -> str | None:
    """What is wrong with a field, without its value."""
    if key in ("created_at", "expires_at"):
        return None if value is None or _seconds(value) is not None else "is not a time: 2027-01-31T00:00:00Z is one"
    if key == "sources":
        return _wrong_sources(value)
    if not isinstance(value, str):
        return "is not text: put it in quotes"
    return {
        "id": None if _ID.fullmatch(value) else "is not 12 hexadecimal digits",
        "hash": None if _HASH.fullmatch(value) else "is not sha256: and 64 hexadecimal digits",
        "role": None if value in ROLES else f"is not one of {', '.join(ROLES)}",
        "name": wrong_name(value),
    }[key]


def wrong_name(name: str) -> str | None:
    """What is wrong with the name of a token."""
    fine = 0 < len(name) <= MAX_NAME and name.isprintable() and name.strip() == name
    return None if fine else f"is not 1 to {MAX_NAME} printable characters"


def _wrong_sources(value: object) -> str | None:
    if value is None:
        return None
    fine = isinstance(value, list) and value and all(isinstance(each, str) and SOURCE_NAME.fullmatch(each) for each in value)
    return None if fine else "is not a list of names of sources: leave it out for all"


def _token(item: Mapping[str, Any]) -> Token:
    sources = item.get("sources")
    return Token(
        item["id"],
        item["name"],
        item["hash"],
        item["role"],
        None if sources is None else tuple(sources),
        _seconds(item.get("created_at")),
        _seconds(item.get("expires_at")),
    )


def _seconds(value: object) -> float | None:
    """Epoch seconds of what YAML makes of a time; a day begins at midnight UTC, and so is a time without a zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() if isinstance(value, date) else None

"""What can be wrong with a configuration, said so that it can be put right: where, what, and what would be right.

Nothing here reads the environment or a file, and nothing here ever repeats a URL's password.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args
from urllib.parse import SplitResult, urlsplit

import msgspec
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from taskscope_shared.sentinel_url import SENTINEL_SCHEMES, SentinelUrlError, is_sentinel_url, parse_sentinel_url

REDIS_SCHEMES = ("redis", "rediss", "unix", *SENTINEL_SCHEMES)
BROKER_SCHEMES = ("redis", "rediss", "unix", "amqp", "amqps", *SENTINEL_SCHEMES)
URL_FIELDS = ("broker_url", "result_backend", "redis_url", "url")
SECRET_FIELDS = ("key", "client_secret")
_SCHEMES = {"broker_url": BROKER_SCHEMES, "redis_url": REDIS_SCHEMES, "url": REDIS_SCHEMES}
_OTHER_NAMES = {
    "pyamqp": "amqp",
    "py-amqp": "amqp",
    "librabbitmq": "amqp",
    "redis+socket": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
    "http": "redis",
    "https": "rediss",
    "tcp": "redis",
    "sentinel": "redis+sentinel",
    "sentinels": "rediss+sentinel",
    "redis-sentinel": "redis+sentinel",
    "rediss-sentinel": "rediss+sentinel",
}
_EXAMPLES = {
    "name": "name: archive",
    "engine": "engine: celery, or engine: rq",
    "broker_url": "broker_url: redis://broker:6379/0, or {file: /secrets/broker-url}",
    "redis_url": "redis_url: redis://redis:6379/0, or {file: /secrets/redis-url}",
    "file": "{file: /secrets/broker-url}",
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.:{}-]+")
"""What RQ 3.0 itself takes as RQ_KEY_PREFIX."""
_ADVERTISED = re.compile(r"http://[^/?#@\s]+/?")
TRACE_ID = "{trace_id}"
"""In `api.trace_url`."""
NO_HOST = "has no host, or one that cannot be read"
_LINK = re.compile(r"[^\s\x00-\x1f\x7f\"<>\\^`]+")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_OF_PROBES = ("/livez/", "/readyz/", "/healthz/")
_NEXT_URL = re.compile(r";(?=[a-z][a-z0-9+.-]*://)")
_PASSWORD = re.compile(r"(?<=://)\S*(?=@)")
_QUERY_SECRET = re.compile(r"(?i)([?&][^=&#]*(?:pass|secret|token|key)[^=&#]*=)[^&#]+")
_SHOWN_CHARACTERS = 40


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: `path` as `sources[0].broker_url`, what is wrong, and what would be right."""

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        """One line for people."""
        line = f"{self.path}: {self.message}" if self.path else self.message
        return f"{line} ({self.hint})" if self.hint else line


class SettingsError(Exception):
    """The configuration cannot be used; `problems` has everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def masked(url: str) -> str:
    """`url` as it may be shown: user and password, and secrets in its query, are `***`; so in each of `url;url`."""
    return ";".join(_QUERY_SECRET.sub(r"\1***", _PASSWORD.sub("***", each)) for each in _NEXT_URL.split(url))


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that `word` was probably meant to be."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def dotted(parts: Iterable[str | int]) -> str:
    """`("sources", 0, "name")` as `sources[0].name`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


# ------------------------------------------------------------------------------------------------- What the model says


def explain(error: ErrorDetails, model: type[BaseModel], engines: Mapping[str, type[BaseModel]]) -> Problem:
    """One of pydantic's errors in our words; `engines` has the models of the tagged union `sources`."""
    location, owner = _place(error["loc"], model, engines)
    path, last = dotted(location), str(location[-1]) if location else ""
    kind = error["type"]
    inside = bool(error["loc"]) and error["loc"][-1] != last
    if last in URL_FIELDS and (inside or kind not in ("missing", "extra_forbidden")):
        return Problem(path, "is neither a URL nor {file: PATH}", _EXAMPLES.get(last, _EXAMPLES["redis_url"]))
    if last in SECRET_FIELDS and (inside or kind not in ("missing", "extra_forbidden")):
        return Problem(path, "is neither a text nor {file: PATH}", "{file: /secrets/session-key}")
    if kind == "extra_forbidden":
        return _unknown(path, last, owner)
    if kind == "missing":
        return Problem(path, "is missing", _EXAMPLES.get(last))
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _wrong_engine(path, error["input"], engines)
    return Problem(path, _said(error), _remedy(kind))


def _place(
    loc: tuple[str | int, ...], model: type[BaseModel], engines: Mapping[str, type[BaseModel]]
) -> tuple[list[str | int], type[BaseModel] | None]:
    """The path in the file (without the names of union members), and the model that the last part belongs to."""
    parts: list[str | int] = []
    owner: type[BaseModel] | None = model
    last: type[BaseModel] | None = model
    for part in loc:
        if parts and parts[-1] in (*URL_FIELDS, *SECRET_FIELDS):
            break  # the rest names members of a union
        if last is None and len(parts) == 2 and parts[0] == "sources" and part in engines:
            last = engines[str(part)]
            continue
        parts.append(part)
        if isinstance(part, int):
            continue  # the list's items are what its field says
        owner, last = last, _model_of(last, part)
    return parts, owner


def _model_of(owner: type[BaseModel] | None, field: str) -> type[BaseModel] | None:
    """The one model that a field holds, be it in a list or beside None."""
    if owner is None or field not in owner.model_fields:
        return None
    found = list(_models_in(owner.model_fields[field].annotation))
    return found[0] if len(found) == 1 else None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _unknown(path: str, key: str, owner: type[BaseModel] | None) -> Problem:
    known = list(owner.model_fields) if owner else []
    meant = closest(key, known)
    hint = f"did you mean {meant}?" if meant else f"known: {', '.join(known)}"
    return Problem(path, "is not a setting", hint if known else None)


def _wrong_engine(path: str, given: object, engines: Mapping[str, type[BaseModel]]) -> Problem:
    engine = given.get("engine") if isinstance(given, Mapping) else None
    if engine is None:
        return Problem(f"{path}.engine", "is missing", _EXAMPLES["engine"])
    meant = closest(str(engine).lower(), engines, cutoff=0.5)
    hint = f"did you mean {meant}?" if meant else f"known: {', '.join(engines)}"
    return Problem(f"{path}.engine", f"{_shown(engine)} is not an engine", hint)


def _said(error: ErrorDetails) -> str:
    what = error["msg"].replace("Input should be", "should be").replace("a valid tuple", "a list")
    return f"{what[:1].lower()}{what[1:]}, and is {_shown(error['input'])}"


def _shown(value: object) -> str:
    """A value as it may be repeated: short, and nothing that could hold a password."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN_CHARACTERS and "@" not in value and "://" not in value else "another text"
    if value is None:
        return "empty"
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "something else"


def _remedy(kind: str) -> str | None:
    return {
        "string_type": "put it in quotes",
        "tuple_type": "write a list: [a, b]",
        "dict_type": "write a mapping: {key: value}",
        "model_type": "write a mapping: {key: value}",
        "model_attributes_type": "write a mapping: {key: value}",
    }.get(kind)


# ------------------------------------------------------------------------------------------ What the model cannot say


def check_raw(data: Mapping[str, Any]) -> list[Problem]:
    """Problems of the merged, interpolated data that no type tells: names, duplicates, URLs."""
    problems: list[Problem] = []
    sources = data.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list | tuple) else ()):
        if isinstance(source, Mapping):
            problems += _check_source(f"sources[{index}]", source)
    problems += _duplicates(sources if isinstance(sources, list | tuple) else ())
    redis = data.get("redis")
    if isinstance(redis, Mapping):
        problems += _check_url("redis.url", "url", redis.get("url"))
        if isinstance(prefix := redis.get("prefix"), str) and (not prefix or set(prefix) & set("{}")):
            problems.append(Problem("redis.prefix", "must not be empty or hold { or }", "prefix: taskscope"))
    api = data.get("api")
    return [*problems, *(_check_api(api) if isinstance(api, Mapping) else ())]


def _check_api(api: Mapping[str, Any]) -> Iterator[Problem]:
    advertised, base = api.get("advertise"), api.get("base_path")
    yield from _check_trace_url(api.get("trace_url"))
    if isinstance(advertised, str) and "${" not in advertised and not _ADVERTISED.fullmatch(advertised):
        rule = "http://host:port, at which the api's other replicas reach this one"
        yield Problem("api.advertise", f"{_shown(advertised)} is no such address", rule)
    if isinstance(base, str) and "${" not in base:
        if not _BASE_PATH.fullmatch(base):
            rule = "as /monitoring/tasks: a / first and none at the end, letters, digits and . _ ~ -; empty for the root"
            yield Problem("api.base_path", f"{_shown(base)} is no such path", rule)
        elif f"{base}/".startswith(_OF_PROBES):
            yield Problem("api.base_path", f"{_shown(base)} is where probes are answered", "as /monitoring/tasks")


def _check_trace_url(url: object) -> Iterator[Problem]:
    """A template of links: what it leads to is for browsers, so the id may stand anywhere but in the host."""
    path, example = "api.trace_url", f"as https://traces.example.org/trace/{TRACE_ID}"
    if not isinstance(url, str) or "${" in url:
        return
    scheme, has_scheme, _ = url.partition("://")
    if not has_scheme or scheme.lower() not in ("http", "https"):
        yield Problem(path, f"{_shown(scheme)} is not http:// or https://", example)
    elif TRACE_ID not in url:
        yield Problem(path, f"has no {TRACE_ID}, in whose place the trace's id is put", example)
    elif not _LINK.fullmatch(url):
        yield Problem(path, "has characters that a URL has to escape (%20 for a space)", example)
    elif problem := _wrong_host(url):
        yield Problem(path, problem, example)


def _wrong_host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return NO_HOST
    if not has_host:
        return NO_HOST
    if "@" in parts.netloc:
        return "has a user or a password, which everybody would see"
    return f"has {TRACE_ID} in its host" if "{" in parts.netloc else None


def _check_source(path: str, source: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    name = source.get("name")
    if isinstance(name, str) and not NAME.fullmatch(name):
        rule = "letters, digits, '.', '_' and '-', at most 63, a letter or digit first"
        problems.append(Problem(f"{path}.name", f"{_shown(name)} cannot name a source", rule))
    prefix = source.get("key_prefix")
    if isinstance(prefix, str) and not _KEY_PREFIX.fullmatch(prefix):
        rule = "RQ takes letters, digits and _ . : { } -"
        problems.append(Problem(f"{path}.key_prefix", f"{_shown(prefix)} cannot be a prefix of RQ's keys", rule))
    for field in ("result_backend", "redis_url"):
        problems += _check_url(f"{path}.{field}", field, source.get(field))
    return problems + _check_broker(f"{path}.broker_url", source.get("broker_url"))


def _check_broker(path: str, urls: object) -> list[Problem]:
    """`url;url`: the next one is taken when one does not answer, as kombu does it."""
    if not isinstance(urls, str):
        return []
    return list(dict.fromkeys(problem for url in urls.split(";") for problem in _check_url(path, "broker_url", url)))


def _duplicates(sources: Iterable[Any]) -> list[Problem]:
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for index, source in enumerate(sources):
        name = source.get("name") if isinstance(source, Mapping) else None
        if not isinstance(name, str):
            continue
        if name in first:
            message = f"{_shown(name)} is already the name of sources[{first[name]}]"
            problems.append(Problem(f"sources[{index}].name", message, "each source needs a name of its own"))
        first.setdefault(name, index)
    return problems


def redis_url_problem(url: str) -> Problem | None:
    """What is wrong with the URL of Taskscope's own Redis, as it was read."""
    return next(iter(_check_url("redis.url", "url", url)), None)


def _check_url(path: str, field: str, url: object) -> list[Problem]:
    """Problems of a URL that is there as text; one in a file is looked at when it is read."""
    if not isinstance(url, str) or "${" in url:
        return []
    supported = _SCHEMES.get(field)
    if is_sentinel_url(url):
        return _check_sentinels(path, url)
    try:
        parts = urlsplit(url)
        port_is_wrong = parts.port == 0
    except ValueError:
        return [Problem(path, "is not a URL: its host or port cannot be read", "redis://host:6379/0")]
    if port_is_wrong:
        return [Problem(path, "has port 0", "redis://host:6379/0")]
    if supported is None:
        return [] if "://" in url else [Problem(path, "is not a URL", "redis://host:6379/1")]
    if "://" not in url:
        return [Problem(path, "is not a URL: it has no scheme", f"{supported[0]}://host:6379/0")]
    if parts.scheme not in supported:
        return [_wrong_scheme(path, parts.scheme, supported)]
    return _check_parts(path, parts)


def _check_sentinels(path: str, url: str) -> list[Problem]:
    try:
        parse_sentinel_url(url)
    except SentinelUrlError as error:
        return [Problem(path, str(error), error.hint)]
    return []


def _wrong_scheme(path: str, scheme: str, supported: tuple[str, ...]) -> Problem:
    meant = _OTHER_NAMES.get(scheme, closest(scheme, supported))
    hint = f"supported: {', '.join(supported)}"
    if meant in supported:
        hint = f"did you mean {meant}://? {hint}"
    return Problem(path, f"{_shown(scheme)} is not a supported scheme", hint)


def _check_parts(path: str, parts: SplitResult) -> list[Problem]:
    if parts.scheme == "unix":
        return [] if parts.path else [Problem(path, "has no path to the socket", "unix:///run/redis.sock?db=0")]
    if not parts.hostname:
        return [Problem(path, "has no host", f"{parts.scheme}://host:{5672 if parts.scheme.startswith('amqp') else 6379}/")]
    database = parts.path.strip("/")
    if parts.scheme in ("redis", "rediss") and database and not database.isdigit():
        return [Problem(path, "names a database that is not a number", f"{parts.scheme}://{parts.hostname}:6379/0")]
    return []

"""All configuration: one YAML file, `TASKSCOPE_*` variables, secrets from files or the environment.

The one place that reads the environment. `docs/configuration.md` says the same to users.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from taskscope_shared.settings_access import Access
from taskscope_shared.settings_access_problems import check_access
from taskscope_shared.settings_base import SecretFile, SecretUnavailableError, Strict, Url
from taskscope_shared.settings_base import resolve_secret as resolve_url
from taskscope_shared.settings_otel import Otel, read_otel
from taskscope_shared.settings_problems import Problem, SettingsError, check_raw, closest, dotted, explain, masked

__all__ = [
    "Access",
    "Api",
    "CelerySource",
    "DEFAULT_KINDS",
    "NO_BROKER",
    "Otel",
    "Problem",
    "Redaction",
    "Redis",
    "Retention",
    "RqSource",
    "SecretFile",
    "SecretUnavailableError",
    "Settings",
    "SettingsError",
    "SourceSettings",
    "Url",
    "config_path",
    "load",
    "masked",
    "otel",
    "parse_yaml",
    "resolve_url",
    "shown_url",
]


class CelerySource(Strict):
    """A Celery application, by its broker and (optional) result backend."""

    engine: Literal["celery"] = "celery"
    name: str
    broker_url: Url
    result_backend: Url | None = None
    enable_events: bool = True
    inspect_seconds: float = Field(default=5.0, ge=1, le=300)
    queue_seconds: float = Field(default=2.0, ge=0.5, le=300)
    queues: tuple[str, ...] = ()
    global_keyprefix: str = ""
    result_keyprefix: str = ""
    fanout_prefix: bool | str = True
    fanout_patterns: bool = True
    event_exchange: str = "celeryev"
    control_exchange: str = "celery"
    priority_steps: tuple[int, ...] = (0, 3, 6, 9)
    priority_separator: str = "\x06\x16"


class RqSource(Strict):
    """The RQ jobs of one Redis database and key prefix."""

    engine: Literal["rq"] = "rq"
    name: str
    redis_url: Url
    key_prefix: str = "rq"
    poll_seconds: float = Field(default=1.0, ge=0.2, le=60)
    reconcile_seconds: float = Field(default=30.0, ge=5, le=3600)
    tracking: bool = True


SourceSettings = Annotated[CelerySource | RqSource, Field(discriminator="engine")]

DEFAULT_KINDS: dict[str, tuple[str, ...]] = {
    "vod": ("*vod*", "*video*"),
    "transcription": ("*transcri*",),
    "cleanup": ("*cleanup*", "*purge*"),
}


class Retention(Strict):
    """Budgets of the installation; they are divided among its sources."""

    finished: int = Field(default=100_000, ge=100)
    failed: int = Field(default=20_000, ge=100)
    queued: int = Field(default=50_000, ge=100)
    seconds: float = Field(default=7 * 24 * 3600.0, ge=60)
    log_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    log_seconds: float = Field(default=300.0, ge=10)


class Redaction(Strict):
    """What is hidden before anything is stored, and how much is kept of a value."""

    keys: tuple[str, ...] = (
        "*password*",
        "*passwd*",
        "*passphrase*",
        "*pwd*",
        "*secret*",
        "*token*",
        "*api_key*",
        "*apikey*",
        "*authorization*",
        "*credential*",
        "*private_key*",
        "*cookie*",
        "*session*",
    )
    text_bytes: int = Field(default=1024, ge=64, le=65_536)
    traceback_bytes: int = Field(default=16_384, ge=256, le=262_144)


class Redis(Strict):
    """Taskscope's own Redis or Valkey."""

    url: Url = "redis://127.0.0.1:6379/0"
    prefix: str = "taskscope"


class Push(Strict):
    """How much WebSockets and streams may take of one api process. Rates are of one WebSocket."""

    connections: int = Field(default=5000, ge=1, le=100_000)
    connections_per_address: int = Field(default=500, ge=1, le=100_000)
    joins_per_second: float = Field(default=2.0, gt=0, le=1000)
    messages_per_second: float = Field(default=20.0, gt=0, le=10_000)
    windows: int = Field(default=500, ge=1, le=10_000)
    searches: int = Field(default=8, ge=1, le=100)


class Api(Strict):
    """Where the api listens, whom it believes, and what its WebSockets may take.

    `base_path` is what everything is served below, as `/monitoring/tasks`; empty for the root.
    `trusted_proxies` are addresses and networks whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, `allowed_origins`
    the sites beside its own whose pages may open its WebSocket and send what changes something, `advertise` is the URL at which
    its other replicas reach it, where that is not its own address. `trace_url` is where a trace is shown, with `{trace_id}`.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=5051, ge=0, le=65_535)
    base_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    push: Push = Push()
    advertise: str | None = None
    trace_url: str | None = None


class Settings(Strict):
    """Everything that can be configured."""

    sources: tuple[SourceSettings, ...] = ()
    kinds: dict[str, tuple[str, ...]] = DEFAULT_KINDS
    redis: Redis = Redis()
    retention: Retention = Retention()
    redaction: Redaction = Redaction()
    access: Access = Access()
    api: Api = Api()
    lease_seconds: float = Field(default=4.0, ge=1, le=60)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


# ------------------------------------------------------------------------------------------------------------- Secrets


def shown_url(url: Url) -> str:
    """The URL as it may be shown: without user and password, or the name of the file that holds it."""
    return masked(url) if isinstance(url, str) else f"{{file: {url.file}}}"


# ------------------------------------------------------------------------------------------------------------- Loading

PREFIX = "TASKSCOPE_"
_ENGINES: dict[str, type[BaseModel]] = {"celery": CelerySource, "rq": RqSource}
NO_BROKER = "redis://brokers-are-the-collectors.invalid/0"
_BROKERS = {"broker_url", "result_backend", "redis_url"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Said without the double underscore because everybody tries it first.
_ALIASES = {"TASKSCOPE_REDIS_URL": ("redis", "url")}
# A Service named `taskscope-...` makes Kubernetes set TASKSCOPE_..._PORT=tcp://... and the like in every pod.
_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$")


def config_path(environ: Mapping[str, str] | None = None) -> Path | None:
    """The file that `TASKSCOPE_CONFIG` names, if it does."""
    named = (os.environ if environ is None else environ).get("TASKSCOPE_CONFIG")
    return Path(named) if named else None


def load(
    path: Path | None,
    overrides: Mapping[str, object] = {},
    environ: Mapping[str, str] | None = None,
    *,
    with_brokers: bool = True,
    with_access: bool = True,
    with_telemetry: bool = False,
) -> Settings:
    """The settings: defaults, then the file (`path`, else TASKSCOPE_CONFIG), then `TASKSCOPE_*`, then `overrides`.

    What a list in `overrides` holds (sources) is added to the list that is there; all else replaces what is there. Without
    brokers, their addresses are neither read nor needed: each is `NO_BROKER`. Without access, that section is taken for empty.
    With telemetry, `OTEL_*` are looked at, too (`otel` gives what they say).
    Raises `SettingsError` with every problem there is, not only the first.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    data = _read_file(path or config_path(environ), problems)
    _apply_environment(data, environ, problems)
    _merge(data, overrides)
    if not with_brokers:
        _leave_out_brokers(data)
    if not with_access:
        data.pop("access", None)
    data = _interpolate(data, (), environ, problems)
    problems += [*check_raw(data), *check_access(data), *(read_otel(environ)[1] if with_telemetry else ())]
    settings = _validate(data, problems)
    if problems or settings is None:
        raise SettingsError(list(dict.fromkeys(problems)))
    return settings


def otel() -> Otel | None:
    """What OpenTelemetry's own variables ask for; None: nothing. Raises `SettingsError`."""
    wanted, problems = read_otel(os.environ)
    if problems:
        raise SettingsError(problems)
    if wanted is not None:
        # Its instrumentation of HTTP names metrics and attributes as the stable conventions do only where this says so.
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    return wanted


def _leave_out_brokers(data: dict[str, Any]) -> None:
    sources = data.get("sources")
    for source in sources if isinstance(sources, list | tuple) else ():
        if isinstance(source, dict):
            source.update(dict.fromkeys(source.keys() & _BROKERS, NO_BROKER))


def _validate(data: dict[str, Any], problems: list[Problem]) -> Settings | None:
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        known = {problem.path for problem in problems}
        found = (explain(each, Settings, _ENGINES) for each in error.errors(include_url=False, include_context=False))
        problems += (problem for problem in found if problem.path not in known)
    return None


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: the first would be dropped without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's signature
        """The mapping; raises `yaml.MarkedYAMLError` for a key given twice."""
        seen: set[object] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> object:
    """What the text says. Raises `yaml.YAMLError`, for a key given twice, too."""
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def _read_file(path: Path | None, problems: list[Problem]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(Problem(str(path), f"cannot be read: {error.strerror}", "--config FILE or TASKSCOPE_CONFIG names it"))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "is not UTF-8 text"))
    except yaml.YAMLError as error:
        problems.append(_yaml_problem(str(path), error))
    else:
        if data is None:
            return {}
        if isinstance(data, dict):
            return data
        problems.append(Problem(str(path), "should be a mapping", "begin with sources:"))
    return {}


def _yaml_problem(path: str, error: yaml.YAMLError) -> Problem:
    """Where the YAML breaks, without repeating the line: it may hold a password."""
    mark = getattr(error, "problem_mark", None)
    at = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
    return Problem(at, f"is not YAML: {getattr(error, 'problem', None) or 'it cannot be parsed'}")


def _apply_environment(data: dict[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> None:
    known = set(Settings.model_fields)
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == "TASKSCOPE_CONFIG":
            continue
        parts = _ALIASES.get(name) or tuple(name.removeprefix(PREFIX).lower().split("__"))
        if parts[0] in known:
            _put(data, parts, _parsed(environ[name]), name, problems)
        elif meant := _meant(name, parts, known):
            problems.append(Problem(name, "is not a setting", meant))


def _meant(name: str, parts: tuple[str, ...], known: set[str]) -> str | None:
    """What an unknown variable was probably meant to be; None: it is none of ours (Kubernetes sets some with our prefix)."""
    if len(parts) == 1 and _KUBERNETES.search(name):
        return None
    if len(parts) == 1 and (section := next((each for each in known if parts[0].startswith(f"{each}_")), None)):
        rest = parts[0].removeprefix(f"{section}_")
        return f"nested settings have two underscores: {PREFIX}{section.upper()}__{rest.upper()}"
    meant = closest(parts[0], known, cutoff=0.6 if len(parts) > 1 else 0.8)
    if meant:
        return f"did you mean {PREFIX}{'__'.join((meant, *parts[1:])).upper()}?"
    return f"known: {', '.join(sorted(PREFIX + each.upper() for each in known))}" if len(parts) > 1 else None


def _parsed(value: str) -> object:
    """A variable's value: lists and mappings are YAML (so JSON, too), true and false are bool; the model converts the rest."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.startswith(("[", "{")):
        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            return value
    return value


def _put(data: dict[str, Any], parts: tuple[str, ...], value: object, name: str, problems: list[Problem]) -> None:
    """Set `data[a][0][b]` for the parts (a, 0, b), making what is missing on the way."""
    here: Any = data
    for part, following in zip(parts, (*parts[1:], None), strict=True):
        fresh: Any = value if following is None else [] if following.isdigit() else {}
        if isinstance(here, list) and part.isdigit() and int(part) <= len(here):
            if int(part) == len(here):
                here.append(fresh)
            key: Any = int(part)
        elif isinstance(here, dict):
            key = part
        else:
            hint = "the places of a list are numbered 0, 1, 2 without holes" if part.isdigit() else None
            problems.append(Problem(name, f"cannot be set: there is no {part!r} in {dotted(parts[: parts.index(part)])}", hint))
            return
        if following is None or (isinstance(here, dict) and not isinstance(here.get(key), dict | list)):
            here[key] = fresh
        here = here[key]


def _merge(data: dict[str, Any], overrides: Mapping[str, object]) -> None:
    for key, value in overrides.items():
        if isinstance(value, Mapping) and isinstance(data.get(key), dict):
            _merge(data[key], value)
        elif isinstance(value, list | tuple) and isinstance(data.get(key), list):
            data[key] = [*data[key], *value]
        else:
            data[key] = dict(value) if isinstance(value, Mapping) else value


def _interpolate(value: Any, path: tuple[str | int, ...], environ: Mapping[str, str], problems: list[Problem]) -> Any:  # noqa: ANN401 - what YAML gives
    """`${VAR}` in every text; a variable that is not set is a problem of its path."""
    if isinstance(value, Mapping):
        return {key: _interpolate(each, (*path, key), environ, problems) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_interpolate(each, (*path, index), environ, problems) for index, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    missing = (name for name in _VARIABLE.findall(value) if name not in environ)
    hint = "set it, or use {file: PATH}"
    problems += (Problem(dotted(path), f"needs the variable {name}, which is not set", hint) for name in missing)
    return _VARIABLE.sub(lambda found: environ.get(found[1], found[0]), value)

"""All configuration: one YAML file, `TASKSCOPE_*` variables, secrets from files or the environment."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretFile(_Strict):
    """`{file: PATH}`: read anew at each connection, so that a rotated secret is taken and a missing one keeps one source down."""

    file: str


Url = str | SecretFile


class CelerySource(_Strict):
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


class RqSource(_Strict):
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


class Retention(_Strict):
    """Budgets of the installation; they are divided among its sources."""

    finished: int = Field(default=100_000, ge=100)
    failed: int = Field(default=20_000, ge=100)
    queued: int = Field(default=50_000, ge=100)
    seconds: float = Field(default=7 * 24 * 3600.0, ge=60)
    log_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    log_seconds: float = Field(default=300.0, ge=10)


class Redaction(_Strict):
    """What is hidden before anything is stored, and how much is kept of a value."""

    keys: tuple[str, ...] = (
        "*password*",
        "*passwd*",
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


class Redis(_Strict):
    """Taskscope's own Redis or Valkey."""

    url: Url = "redis://127.0.0.1:6379/0"
    prefix: str = "taskscope"


class Access(_Strict):
    """Who may see what. Only `none` exists so far."""

    mode: Literal["none"] | None = None


class Api(_Strict):
    """Where the api listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=5051, ge=0, le=65_535)


class Settings(_Strict):
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

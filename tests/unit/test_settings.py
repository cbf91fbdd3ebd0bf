"""What `settings.load` makes of a file, the environment and overrides, and how it says what is wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from taskscope_shared.settings import (
    NO_BROKER,
    CelerySource,
    RqSource,
    SecretFile,
    SecretUnavailableError,
    Settings,
    SettingsError,
    load,
    masked,
    resolve_url,
    shown_url,
)

TWO_SOURCES = """
sources:
  - {name: archivist, engine: celery, broker_url: "redis://broker:6379/0", result_backend: "redis://broker:6379/1"}
  - {name: media, engine: rq, redis_url: "redis://rq:6379/0"}
"""


def load_text(tmp_path: Path, text: str, environ: Mapping[str, str] = {}, overrides: Mapping[str, Any] = {}) -> Settings:
    file = tmp_path / "taskscope.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, overrides, environ)


def problems_of(tmp_path: Path, text: str, environ: Mapping[str, str] = {}) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load_text(tmp_path, text, environ)
    return {problem.path: str(problem) for problem in caught.value.problems}


def source(**fields: str) -> str:
    given = {"name": "a", "engine": "celery", "broker_url": "redis://h/0"} | fields
    return "sources:\n  - {" + ", ".join(f"{key}: {value!r}" for key, value in given.items()) + "}\n"


def test_without_a_file_everything_has_its_default() -> None:
    assert load(None, {}, {}) == Settings()


def test_a_file_gives_sources_of_both_engines(tmp_path: Path) -> None:
    celery, rq = load_text(tmp_path, TWO_SOURCES).sources
    assert isinstance(celery, CelerySource)
    assert isinstance(rq, RqSource)
    assert celery.result_backend == "redis://broker:6379/1"


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    assert load_text(tmp_path, "") == Settings()


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "named.yaml"
    file.write_text(TWO_SOURCES)
    assert len(load(None, {}, {"TASKSCOPE_CONFIG": str(file)}).sources) == 2


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TASKSCOPE_LOG_LEVEL", "debug", {"log_level": "debug"}),
        ("TASKSCOPE_LEASE_SECONDS", "2.5", {"lease_seconds": 2.5}),
        ("TASKSCOPE_API__PORT", "8080", {"api": {"port": 8080}}),
        ("TASKSCOPE_REDIS_URL", "redis://ours/3", {"redis": {"url": "redis://ours/3"}}),
        ("TASKSCOPE_REDIS__URL", "{file: /secrets/url}", {"redis": {"url": {"file": "/secrets/url"}}}),
        ("TASKSCOPE_ACCESS__MODE", "none", {"access": {"mode": "none"}}),
        ("TASKSCOPE_KINDS", '{"big": ["*big*"]}', {"kinds": {"big": ["*big*"]}}),
        ("TASKSCOPE_REDACTION__KEYS", "['*pin*']", {"redaction": {"keys": ["*pin*"]}}),
    ],
)
def test_a_variable_sets_a_setting(name: str, value: str, expected: dict[str, Any]) -> None:
    assert load(None, {}, {name: value}) == Settings.model_validate(expected)


def test_every_setting_has_a_variable() -> None:
    for section, field in Settings.model_fields.items():
        annotation = field.annotation
        nested = getattr(annotation, "model_fields", None)
        for key in nested or [None]:
            name = f"TASKSCOPE_{section}__{key}" if key else f"TASKSCOPE_{section}"
            with pytest.raises(SettingsError) as caught:
                load(None, {}, {name.upper(): "{wrong: [1]}"})
            where = section + (f".{key}" if key else "")
            assert any(problem.path.startswith(where) for problem in caught.value.problems)


def test_sources_can_be_given_by_variables_alone() -> None:
    environ = {
        "TASKSCOPE_SOURCES__0__NAME": "a",
        "TASKSCOPE_SOURCES__0__ENGINE": "celery",
        "TASKSCOPE_SOURCES__0__BROKER_URL": "amqp://h",
        "TASKSCOPE_SOURCES__0__FANOUT_PREFIX": "False",
        "TASKSCOPE_SOURCES__1": "{name: b, engine: rq, redis_url: redis://h}",
    }
    first, second = load(None, {}, environ).sources
    assert isinstance(first, CelerySource)
    assert first.fanout_prefix is False
    assert second.name == "b"


@pytest.mark.parametrize("text", ["", TWO_SOURCES])
def test_a_variable_that_skips_a_place_is_named(tmp_path: Path, text: str) -> None:
    found = problems_of(tmp_path, text, {"TASKSCOPE_SOURCES__3__NAME": "x"})
    assert "there is no '3' in sources (the places of a list are numbered" in found["TASKSCOPE_SOURCES__3__NAME"]


def test_a_variable_goes_before_the_file_and_an_override_before_the_variable(tmp_path: Path) -> None:
    text = "api: {host: from-file, port: 1}\nlog_level: error\n"
    environ = {"TASKSCOPE_API__PORT": "2", "TASKSCOPE_LOG_LEVEL": "debug"}
    settings = load_text(tmp_path, text, environ, {"log_level": "warning"})
    assert (settings.api.host, settings.api.port, settings.log_level) == ("from-file", 2, "warning")


def test_sources_of_the_command_line_are_added_to_those_of_the_file(tmp_path: Path) -> None:
    settings = load_text(tmp_path, TWO_SOURCES, {}, {"sources": [{"name": "c", "engine": "rq", "redis_url": "redis://h"}]})
    assert [source.name for source in settings.sources] == ["archivist", "media", "c"]


def test_variables_are_put_into_urls(tmp_path: Path) -> None:
    text = source(broker_url="redis://:${PASSWORD}@${HOST}/0")
    settings = load_text(tmp_path, text, {"PASSWORD": "p", "HOST": "h"})
    assert settings.sources[0] == CelerySource(name="a", broker_url="redis://:p@h/0")


def test_without_brokers_their_secrets_are_neither_needed_nor_held(tmp_path: Path) -> None:
    (tmp_path / "taskscope.yaml").write_text(source(broker_url="redis://:${PASSWORD}@${HOST}/0") + "log_level: error\n")
    settings = load(tmp_path / "taskscope.yaml", {}, {}, with_brokers=False)
    assert settings.sources == (CelerySource(name="a", broker_url=NO_BROKER),)
    assert settings.log_level == "error"
    with pytest.raises(SettingsError, match="PASSWORD"):
        load(tmp_path / "taskscope.yaml", {}, {})


def test_variables_that_kubernetes_sets_for_a_service_are_not_settings() -> None:
    environ = {
        "TASKSCOPE_PORT": "tcp://10.0.0.1:80",
        "TASKSCOPE_API_PORT": "tcp://10.0.0.1:5051",
        "TASKSCOPE_API_PORT_5051_TCP_ADDR": "10.0.0.1",
        "TASKSCOPE_API_SERVICE_HOST": "10.0.0.1",
        "TASKSCOPE_REDIS_SERVICE_PORT_TCP": "6379",
    }
    assert load(None, {}, environ) == Settings()


def test_all_problems_are_told_at_once_with_path_and_remedy(tmp_path: Path) -> None:
    text = """
sources:
  - {name: archive, engine: celery, broker_ur: "redis://h/0", inspect_seconds: 0}
  - {name: archive, engine: sellery}
  - {name: "a b", engine: rq, redis_url: "amqp://h/"}
  - {name: x, engine: celery, broker_url: {flie: /x}, result_backend: "${NOPE}"}
  - {name: y, broker_url: "pyamqp://h/"}
log_level: warn
retension: {}
api: {port: abc, hots: 1}
kinds: {vod: "*x*"}
"""
    found = problems_of(tmp_path, text, {"TASKSCOPE_API__POTR": "1", "TASKSCOPE_LOG_LEVLE": "debug"})
    assert found == {
        "TASKSCOPE_LOG_LEVLE": "TASKSCOPE_LOG_LEVLE: is not a setting (did you mean TASKSCOPE_LOG_LEVEL?)",
        "sources[0].broker_url": found["sources[0].broker_url"],
        "sources[0].broker_ur": "sources[0].broker_ur: is not a setting (did you mean broker_url?)",
        "sources[0].inspect_seconds": ("sources[0].inspect_seconds: should be greater than or equal to 1, and is 0"),
        "sources[1].name": (
            "sources[1].name: 'archive' is already the name of sources[0] (each source needs a name of its own)"
        ),
        "sources[1].engine": "sources[1].engine: 'sellery' is not an engine (did you mean celery?)",
        "sources[2].name": found["sources[2].name"],
        "sources[2].redis_url": (
            "sources[2].redis_url: 'amqp' is not a supported scheme "
            "(supported: redis, rediss, unix, redis+sentinel, rediss+sentinel)"
        ),
        "sources[3].broker_url": found["sources[3].broker_url"],
        "sources[3].result_backend": (
            "sources[3].result_backend: needs the variable NOPE, which is not set (set it, or use {file: PATH})"
        ),
        "sources[4].engine": "sources[4].engine: is missing (engine: celery, or engine: rq)",
        "sources[4].broker_url": found["sources[4].broker_url"],
        "log_level": "log_level: should be 'debug', 'info', 'warning' or 'error', and is 'warn'",
        "retension": "retension: is not a setting (did you mean retention?)",
        "api.port": found["api.port"],
        "api.hots": "api.hots: is not a setting (did you mean host?)",
        "api.potr": "api.potr: is not a setting (did you mean port?)",
        "kinds.vod": "kinds.vod: should be a list, and is '*x*' (write a list: [a, b])",
    }
    assert "is missing" in found["sources[0].broker_url"]
    assert "neither a URL nor {file: PATH}" in found["sources[3].broker_url"]
    assert "did you mean amqp://?" in found["sources[4].broker_url"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost", "no scheme"),
        ("localhost:6379", "no scheme"),
        ("redis://", "no host"),
        ("redis://h:port/0", "cannot be read"),
        ("redis://h/first", "not a number"),
        ("unix://", "no path"),
        ("sqs://h", "not a supported scheme"),
        ("redis+socket:///x", "did you mean unix://?"),
        ("redis://[::1/0", "cannot be read"),
        ("redis://h/0;localhost", "no scheme"),
        ("amqp://h//;sqs://h", "not a supported scheme"),
    ],
)
def test_a_url_that_cannot_work_is_a_problem(tmp_path: Path, url: str, said: str) -> None:
    assert said in problems_of(tmp_path, source(broker_url=url))["sources[0].broker_url"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://u:p@h:6380/2",
        "unix:///run/r.sock?db=1",
        "amqp://h//",
        "amqps://u:p@h/v",
        "redis://[::1]:1/0",
        "redis://h/0;rediss://u:p@i/0",
    ],
)
def test_a_broker_url_of_a_supported_scheme_is_taken(tmp_path: Path, url: str) -> None:
    assert load_text(tmp_path, source(broker_url=url)).sources[0] == CelerySource(name="a", broker_url=url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+sentinel://h:26379", "names no primary"),
        ("redis+sentinel://h:26379/", "names no primary"),
        ("redis+sentinel://h:26379/0", "names no primary"),
        ("redis+sentinel://h:26379/0?master_name=films", "names no primary"),
        ("redis+sentinel:///films", "has no host"),
        ("redis+sentinel://h:26379,/films", "has no host"),
        ("redis+sentinel://:26379/films", "without a host"),
        ("redis+sentinel://h:port/films", "with a port that is no number"),
        ("redis+sentinel://h:0/films", "has port 0"),
        ("redis+sentinel://h:99999/films", "has port 99999"),
        ("redis+sentinel://h/films/first", "database that is not a number"),
        ("redis+sentinel://:a/b@h/films", "written as %40"),
        ("redis+sentinel://h/films?sentinel_pass=x", "has a parameter that is none: sentinel_pass (known: sentinel_username"),
        ("sentinel://h/films", "did you mean redis+sentinel://?"),
        ("redis-sentinel://h/films", "did you mean redis+sentinel://?"),
        ("amqp://h", "supported: redis, rediss, unix, redis+sentinel, rediss+sentinel"),
    ],
)
def test_a_url_of_sentinels_that_cannot_work_is_a_problem(tmp_path: Path, url: str, said: str) -> None:
    assert said in problems_of(tmp_path, f"redis: {{url: '{url}'}}")["redis.url"]


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://h/films",
        "redis+sentinel://h:26379,i:26380,j/films/3",
        "rediss+sentinel://u:p%40@[::1]:26379,[fd00::2]/films?sentinel_password=q&ssl_ca_certs=/ca.crt",
    ],
)
def test_a_url_of_sentinels_is_taken_wherever_one_of_redis_is(tmp_path: Path, url: str) -> None:
    assert load_text(tmp_path, f"redis: {{url: '{url}'}}").redis.url == url
    text = source(broker_url=f"{url};redis://h/0", result_backend=url)
    assert load_text(tmp_path, text).sources[0] == CelerySource(name="a", broker_url=f"{url};redis://h/0", result_backend=url)
    assert load_text(tmp_path, f"sources: [{{name: a, engine: rq, redis_url: '{url}'}}]").sources


@pytest.mark.parametrize(
    ("prefix", "is_taken"), [("rq", True), ("{app}", True), ("team.a:rq", True), ("a b", False), ("", False)]
)
def test_a_key_prefix_is_what_rq_takes(tmp_path: Path, prefix: str, *, is_taken: bool) -> None:
    text = f"sources: [{{name: a, engine: rq, redis_url: 'redis://h', key_prefix: {prefix!r}}}]"
    if is_taken:
        assert load_text(tmp_path, text).sources[0] == RqSource(name="a", redis_url="redis://h", key_prefix=prefix)
    else:
        assert "prefix of RQ's keys" in problems_of(tmp_path, text)["sources[0].key_prefix"]


def test_a_result_backend_of_another_kind_is_no_problem(tmp_path: Path) -> None:
    assert load_text(tmp_path, source(result_backend="db+postgresql://h/d")).sources


@pytest.mark.parametrize(
    "text",
    [
        source(broker_url="redis://user:hunter2@h/first"),
        source(broker_url="kafka://user:hunter2@h"),
        source(broker_url="redis://user:hunter2@h:x/0"),
        source(engine="redis://user:hunter2@h"),
        source(name="redis://user:hunter2@h"),
        "log_level: redis://user:hunter2@h",
        "sources: redis://user:hunter2@h",
        "redis: redis://user:hunter2@h",
        "redis: {url: 'redis+sentinel://user:hunter2@h'}",
        "redis: {url: 'redis+sentinel://user:hunter2/@h/films'}",
        "redis: {url: 'redis+sentinel://h/films/x?sentinel_password=hunter2'}",
        "redis: {url: [redis://user:hunter2@h]}",
        "sources:\n  - {name: a, engine: rq, redis_url: 'redis://user:hunter2@h/0'\n",
    ],
)
def test_no_problem_repeats_a_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_text(tmp_path, text)
    assert "hunter2" not in str(caught.value)


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    (path, said), *_ = problems_of(tmp_path, "api:\n  port: [1\n").items()
    assert path.endswith("taskscope.yaml:3:1")
    assert "is not YAML" in said


def test_a_key_given_twice_is_a_problem(tmp_path: Path) -> None:
    (said, *_) = problems_of(tmp_path, "api: {port: 1}\napi: {port: 2}\n").values()
    assert "'api' is given twice" in said


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml", {}, {})


def test_a_missing_secret_file_is_no_problem_until_it_is_needed(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    (rq,) = load_text(tmp_path, f"sources: [{{name: a, engine: rq, redis_url: {{file: {secret}}}}}]").sources
    assert isinstance(rq, RqSource)
    with pytest.raises(SecretUnavailableError, match="No such file"):
        resolve_url(rq.redis_url)
    secret.write_text("")
    with pytest.raises(SecretUnavailableError, match="is empty"):
        resolve_url(rq.redis_url)
    secret.write_text("redis://:p@h/0\n")
    assert resolve_url(rq.redis_url) == "redis://:p@h/0"
    secret.write_text("redis://:rotated@h/0\n")
    assert resolve_url(rq.redis_url) == "redis://:rotated@h/0"


def test_a_shown_url_has_no_secret() -> None:
    assert masked("redis://user:p@ss@h:1/0?password=x&db=1") == "redis://***@h:1/0?password=***&db=1"
    assert masked("redis://h:1/0") == "redis://h:1/0"
    assert masked("redis://:a/b?c#d@h") == "redis://***@h"
    assert masked("redis://u:p@h/0;redis://u:q@i/0;redis://j") == "redis://***@h/0;redis://***@i/0;redis://j"
    sentinels = "redis+sentinel://u:p@h:1,i:2/films/0?sentinel_password=x&db=1"
    assert masked(sentinels) == "redis+sentinel://***@h:1,i:2/films/0?sentinel_password=***&db=1"
    assert shown_url(SecretFile(file="/secrets/url")) == "{file: /secrets/url}"


def names_of(settings: Any) -> Iterator[str]:
    """Every setting, with its sections before it."""
    for name, field in settings.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from (f"{name}.{key}" for key in names_of(field.annotation))
        else:
            yield name


def test_the_documentation_has_every_setting() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    for name in names_of(Settings):
        section = name.rpartition(".")[0]  # a small one may have one row for all of it
        assert f"| `{name}` |" in text or f"| `{section}` |" in text or name == "sources", name
    for model in (CelerySource, RqSource):
        for name in set(model.model_fields) - {"engine"}:
            assert f"| `{name}` |" in text, name

"""What the command line of `taskscope` means for the settings, and who may reach the page."""

import re
import socket
from pathlib import Path

import pytest
from taskscope.greeting import describe, greeting, has_own_redis
from taskscope.listening import ListenError, address_of, listen
from taskscope.options import EXAMPLES, UP_EXAMPLES, overrides, parse
from taskscope_api.exposure import exposure, is_loopback
from taskscope_shared.settings import CelerySource, Settings, SourceSettings, load
from taskscope_shared.settings_access import Tokens


def settings_of(*arguments: str) -> Settings:
    return load(None, overrides(parse(arguments)), {})


def sources_of(*arguments: str) -> list[SourceSettings]:
    return list(settings_of("up", *arguments).sources)


def test_a_redis_broker_is_taken_for_the_result_backend() -> None:
    assert sources_of("--celery", "redis://h/0") == [
        CelerySource(name="celery", broker_url="redis://h/0", result_backend="redis://h/0")
    ]


def test_the_first_of_several_brokers_is_taken_for_the_result_backend() -> None:
    assert sources_of("--celery", "redis://h/0;redis://i/0") == [
        CelerySource(name="celery", broker_url="redis://h/0;redis://i/0", result_backend="redis://h/0")
    ]


def test_an_amqp_broker_has_no_result_backend() -> None:
    assert sources_of("--celery", "amqp://h") == [CelerySource(name="celery", broker_url="amqp://h")]


def test_a_result_backend_belongs_to_the_celery_before_it() -> None:
    first, second, third = sources_of(
        "--celery", "amqp://a", "--result-backend", "redis://r/1", "--celery", "redis://b", "--rq", "redis://c"
    )
    assert first == CelerySource(name="celery", broker_url="amqp://a", result_backend="redis://r/1")
    assert second == CelerySource(name="celery-2", broker_url="redis://b", result_backend="redis://b")
    assert (third.name, third.engine) == ("rq", "rq")


@pytest.mark.parametrize(
    "arguments", [["--result-backend", "redis://h"], ["--rq", "redis://h", "--result-backend", "redis://h"]]
)
def test_a_result_backend_without_a_celery_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        sources_of(*arguments)
    assert ended.value.code == 2
    assert "has to follow it" in capsys.readouterr().err


def test_host_port_redis_and_access_are_settings() -> None:
    settings = settings_of("up", "--host", "0.0.0.0", "--port", "0", "--redis", "redis://ours", "--access", "none")
    assert (settings.api.host, settings.api.port, settings.redis.url, settings.access.mode) == (
        "0.0.0.0",
        0,
        "redis://ours",
        "none",
    )


def test_a_valkey_of_its_own_is_for_those_who_name_no_redis() -> None:
    assert has_own_redis(settings_of("up"))
    assert not has_own_redis(settings_of("up", "--redis", "redis://ours"))
    assert not has_own_redis(load(None, {}, {"TASKSCOPE_REDIS_URL": "redis://127.0.0.1:6379/0"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_no_word_about_access(host: str) -> None:
    assert is_loopback(host)
    assert exposure(settings_of("up", "--host", host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.2", "box.example.org", "localhost.example.org"])
def test_any_other_address_is_refused_until_access_is_said(host: str) -> None:
    assert "access.mode: none" in str(exposure(settings_of("up", "--host", host)))
    assert exposure(settings_of("up", "--host", host, "--access", "none")) is None


def test_a_port_in_use_is_said() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(ListenError, match="is in use"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0 cannot be listened on"):
        listen("192.0.2.1", 0)


def test_the_address_is_one_that_a_browser_takes() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listen("0.0.0.0", 0) as listener:
        assert address_of(listener) == f"http://{socket.gethostname()}:{listener.getsockname()[1]}"


def test_what_is_said_about_sources_has_no_password() -> None:
    settings = settings_of(
        "up", "--celery", "redis://:hunter2@h/0", "--rq", "redis://u:hunter2@h/0", "--redis", "redis://:hunter2@o"
    )
    said = greeting(settings, "http://127.0.0.1:1", has_page=True)
    assert "hunter2" not in said
    assert describe(settings.sources[0]) == "celery (Celery): redis://***@h/0, results there, too"
    assert "remembers  in redis://***@o" in said


def test_who_is_asked_for_tokens_is_said() -> None:
    settings = settings_of("up", "--access", "token", "--tokens", "t.yaml")
    assert (settings.access.mode, settings.access.tokens) == ("token", Tokens(file="t.yaml"))
    assert "asks       who one is: mode token, tokens of t.yaml" in greeting(settings, "http://127.0.0.1:1", has_page=True)
    assert "who one is" not in greeting(settings_of("up"), "http://127.0.0.1:1", has_page=True)


def test_that_browsers_sign_in_again_after_a_restart_is_said_where_no_key_is_set() -> None:
    arguments = overrides(parse(["up", "--access", "token", "--tokens", "t.yaml"]))
    keyless = greeting(load(None, arguments, {}), "http://127.0.0.1:1", has_page=True)
    assert "browsers sign in again after a restart, unless access.session.key is set" in keyless
    keyed = load(None, arguments, {"TASKSCOPE_ACCESS__SESSION__KEY": "k" * 32})
    assert "sign in again" not in greeting(keyed, "http://127.0.0.1:1", has_page=True)
    assert "sign in again" not in greeting(settings_of("up"), "http://127.0.0.1:1", has_page=True)


def documented_commands() -> list[str]:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    texts = [*readme.splitlines(), *UP_EXAMPLES.splitlines(), *EXAMPLES.splitlines()]
    commands = (
        re.split(r"\s{3,}|\s#", text.strip())[0] for text in texts if text.startswith(("    taskscope ", "  taskscope "))
    )
    return sorted(set(commands))


@pytest.mark.parametrize("command", documented_commands())
def test_every_command_that_is_shown_as_an_example_is_understood(command: str) -> None:
    said = parse(command.split()[1:])
    load(None, overrides(said), {})


def test_the_greeting_leads_to_what_is_served() -> None:
    settings = load(None, {"api": {"base_path": "/monitoring/tasks"}}, {})
    assert "Taskscope is at http://127.0.0.1:1/monitoring/tasks/#realtime" in greeting(
        settings, "http://127.0.0.1:1", has_page=True
    )

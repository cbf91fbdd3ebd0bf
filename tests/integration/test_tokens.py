"""Tokens from the command line to an api process: made, used, listed, revoked."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from support.commands import Up, environment, run
from support.servers import free_port
from support.waiting import eventually, wait_for
from taskscope_shared.clock import SystemClock
from taskscope_shared.token_uses import RedisTokenUses
from taskscope_shared.tokens import id_of, parse
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

CLOSED_SECONDS = 2.0
"""From the revocation of a token to the end of what it opened."""


def made(folder: Path, *arguments: str) -> str:
    """The token that `taskscope token create` prints."""
    done = run(folder, "token", "create", *arguments)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^ts_\S+$", done.stdout + done.stderr, re.MULTILINE)
    assert found, done.stdout
    return found[0]


# ---------------------------------------------------------------------------------------------------- the command line


def test_a_token_is_made_listed_and_revoked_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    first = made(tmp_path, "--name", "ci", "--role", "viewer", "--source", "a", "--expires", "90d", "--file", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("# the tokens of our installation\n" + file.read_text() + "# the next one is for the wall\n")
    second = made(tmp_path, "--name", "the wall", "--role", "operator", "--expires", "never", "--file", str(file))
    text = file.read_text()
    assert text.startswith("# the tokens of our installation\n- id: ")
    assert "# the next one is for the wall\n- id: " in text
    tokens = parse(text)
    assert [(token.id, token.name, token.role, token.sources) for token in tokens] == [
        (id_of(first), "ci", "viewer", ("a",)),
        (id_of(second), "the wall", "operator", None),
    ]
    assert tokens[0].expires_at == pytest.approx(time.time() + 90 * 86_400, abs=120)
    listed = run(tmp_path, "token", "list", "--file", str(file))
    assert re.findall(r"^(\w{12})  (ci|the wall)", listed.stdout, re.MULTILINE) == [
        (id_of(first), "ci"),
        (id_of(second), "the wall"),
    ]
    for secret in (first.split("_", 2)[2], second.split("_", 2)[2]):
        assert secret not in text + listed.stdout
    assert run(tmp_path, "token", "revoke", str(id_of(first)), "--file", str(file)).returncode == 0
    assert [token.name for token in parse(file.read_text())] == ["the wall"]
    assert "# the tokens of our installation" in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.yaml"]


def test_a_secret_holds_the_file_and_the_token_goes_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    made(tmp_path, "--name", "one", "--role", "viewer", "--file", str(file))
    arguments = ["--name", "two", "--role", "viewer", "--file", str(file), "--secret", "tokens", "--namespace", "monitoring"]
    done = run(tmp_path, "token", "create", *arguments)
    manifest = yaml.safe_load(done.stdout)
    assert (manifest["kind"], manifest["metadata"]) == ("Secret", {"name": "tokens", "namespace": "monitoring"})
    assert [token.name for token in parse(manifest["stringData"]["tokens.yaml"])] == ["one", "two"]
    assert manifest["stringData"]["tokens.yaml"] == file.read_text()
    assert "ts_" not in done.stdout
    assert "ts_" in done.stderr
    alone = run(tmp_path, "token", "create", "--name", "x", "--role", "admin", "--secret", "tokens")
    assert [token.name for token in parse(yaml.safe_load(alone.stdout)["stringData"]["tokens.yaml"])] == ["x"]


def test_two_at_once_both_stay(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taskscope", "token", "create", "--role", "viewer", "--file", str(tmp_path / "t.yaml")]
    several = [
        subprocess.Popen([*command, "--name", f"n{number}"], env=environment(tmp_path), stdout=subprocess.DEVNULL)
        for number in range(5)
    ]
    assert [each.wait(60) for each in several] == [0] * 5
    assert sorted(token.name for token in parse((tmp_path / "t.yaml").read_text())) == [f"n{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create", "--name", "x", "--role", "boss", "--file", "t"], "invalid choice"),
        (["create", "--name", "x", "--role", "viewer"], "Which file?"),
        (["create", "--name", " ", "--role", "viewer", "--file", "t"], "printable"),
        (["create", "--name", "x", "--role", "viewer", "--file", "t", "--expires", "soon"], "is no time"),
        (["create", "--name", "x", "--role", "viewer", "--file", "t", "--expires", "0d"], "is no time"),
        (["create", "--name", "x", "--role", "viewer", "--file", "t", "--source", "*"], "patterns are not taken"),
        (["create", "--name", "x", "--role", "viewer", "--file", "t", "--namespace", "n"], "belongs to --secret"),
        (["create", "--name", "x", "--role", "viewer", "--secret", "Not A Name"], "no name in Kubernetes"),
        (["create", "--name", "x", "--role", "viewer", "--file", "nowhere/t.yaml"], "cannot be opened"),
        (["create", "--name", "x", "--role", "viewer", "--file", "broken.yaml"], "nothing was changed"),
        (["revoke", "zzz", "--file", "t"], "12 hexadecimal digits"),
        (["revoke", "0123456789ab", "--file", "empty.yaml"], "has no token 0123456789ab"),
        (["list", "--file", "nowhere.yaml"], "is not there"),
        ([], "required: ACTION"),
    ],
)
def test_nonsense_is_refused_with_2_and_what_would_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    (tmp_path / "broken.yaml").write_text("- {id: nonsense}\n")
    (tmp_path / "empty.yaml").write_text("[]\n")
    monkeypatch.chdir(tmp_path)
    done = run(tmp_path, "token", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "broken.yaml").read_text() == "- {id: nonsense}\n"


def test_up_takes_tokens_and_says_when_it_has_none(tmp_path: Path) -> None:
    refused = run(tmp_path, "up", "--access", "token")
    assert refused.returncode == 2
    assert "access.tokens" in refused.stderr
    assert "--access token --tokens FILE (`taskscope token create" in refused.stderr
    file = tmp_path / "tokens.yaml"
    token = made(tmp_path, "--name", "me", "--role", "viewer", "--file", str(file))
    with Up(tmp_path, "--access", "token", "--tokens", str(file), "--host", "0.0.0.0") as up:
        url = re.sub(r"//[^:]+", "//127.0.0.1", up.url)
        assert httpx.get(f"{url}/api/sources").status_code == 401
        wait_for(lambda: httpx.get(f"{url}/api/sources", headers=_bearer(token)).status_code == 200, what="the token to count")
        assert up.stop() == 0, up.said
    assert "unless access.session.key is set" in up.said
    assert "no other replica" not in up.said


# --------------------------------------------------------------------------------------------------------- the process


class Api:
    """A `taskscope-api` in mode token."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.tokens = folder / "tokens.yaml"
        self.redis_url = redis_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = {
            "redis": {"url": redis_url},
            "api": {"port": self.port},
            "access": {"mode": "token", "tokens": {"file": str(self.tokens)}, "session": {"key": "k" * 40}},
        }
        (folder / "taskscope.yaml").write_text(json.dumps(config))
        self.log = folder / "log"
        command = [sys.executable, "-m", "taskscope_api", "--config", str(folder / "taskscope.yaml")]
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(command, stderr=stream, env={**os.environ})

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def audited(self) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [record for record in records if record["logger"] == "taskscope_api.audit"]


@pytest.fixture
def api(tmp_path: Path, valkey_url: str) -> Iterator[Api]:
    running = Api(tmp_path, valkey_url)
    try:
        wait_for(running.is_ready, seconds=60, what="the api to be ready")
        yield running
    finally:
        running.process.terminate()
        running.process.wait(15)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_counts_while_it_is_in_the_file_and_what_it_opened_ends_with_it(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.url) as client:
        assert (await client.get("/api/sources")).status_code == 401
        token = made(api.folder, "--name", "ci", "--role", "viewer", "--file", str(api.tokens))
        await eventually(lambda: _status(client, "/api/sources", _bearer(token), 200), what="the new token to count")
        signed = await client.post("/api/session", json={"token": token})
        assert signed.json()["name"] == "ci"
        assert (await client.get("/api/sources")).status_code == 200, "by the cookie"
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        ws = f"ws://127.0.0.1:{api.port}/api/ws"
        with pytest.raises(InvalidStatus) as refused:
            await connect(ws)
        assert refused.value.response.status_code == 401
        with pytest.raises(InvalidStatus) as foreign:
            await connect(ws, additional_headers={"Cookie": cookie}, origin="https://evil.example")  # type: ignore[arg-type]
        assert foreign.value.response.status_code == 403
        async with (
            connect(ws, additional_headers=_bearer(token)) as by_token,
            connect(ws, additional_headers={"Cookie": cookie}, origin=api.url) as by_cookie,  # type: ignore[arg-type]
        ):
            for each in (by_token, by_cookie):
                assert json.loads(await each.recv())["event"] == "connected"
            began = asyncio.get_running_loop().time()
            api.tokens.write_text("[]\n")
            for each in (by_token, by_cookie):
                await asyncio.wait_for(each.wait_closed(), 10)
                assert each.close_code == 4401
            assert asyncio.get_running_loop().time() - began <= CLOSED_SECONDS
        assert (await client.get("/api/sources", headers=_bearer(token))).status_code == 401
        assert (await client.get("/api/sources")).status_code == 401, "the cookie is worth nothing any more"
    kinds = {record["kind"] for record in api.audited()}
    assert kinds >= {"unauthenticated", "admitted", "signed-in", "foreign-origin", "unknown-token"}
    assert token.split("_", 2)[2] not in api.log.read_text()


async def test_redis_learns_when_a_token_was_used_last_and_the_list_shows_it(api: Api) -> None:
    token = made(api.folder, "--name", "ci", "--role", "viewer", "--file", str(api.tokens))
    made(api.folder, "--name", "unused", "--role", "viewer", "--file", str(api.tokens))
    uses = RedisTokenUses(lambda: api.redis_url)
    await uses.write({"gone": 1.0}, ["gone"])
    async with httpx.AsyncClient(base_url=api.url) as client:
        await eventually(lambda: _status(client, "/api/sources", _bearer(token), 200), what="the new token to count")

    async def used() -> list[str]:
        return list(await uses.read())

    async def is_written() -> bool:
        return await used() == [id_of(token)]

    await eventually(is_written, seconds=20, what="the use to be written, and the one of no token to be forgotten")
    assert (await uses.read())[str(id_of(token))] == pytest.approx(SystemClock().now(), abs=60)
    await uses.close()
    listed = await asyncio.to_thread(run, api.folder, "token", "list", "--config", str(api.folder / "taskscope.yaml"))
    rows = {line.split()[1]: line.split()[-1] for line in listed.stdout.splitlines()[1:]}
    assert rows["unused"] == "never"
    assert re.fullmatch(r"\d\d:\d\d", rows["ci"])


async def _status(client: httpx.AsyncClient, path: str, headers: dict[str, str], expected: int) -> bool:
    return (await client.get(path, headers=headers)).status_code == expected

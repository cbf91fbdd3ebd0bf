"""Mode `token`: what lets somebody in, what does not, and how the file of tokens is read."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.identity import NOW, Audited, Door
from support.waiting import eventually
from taskscope_api.access.last_uses import AGAIN_SECONDS, LastUses
from taskscope_api.access.token_file import GONE_SECONDS, TokenFile
from taskscope_api.errors import ApiError
from taskscope_api.principals import Role, admitted
from taskscope_shared.clock import ManualClock
from taskscope_shared.store import StoreError
from taskscope_shared.tokens import TokensError, dump, hash_of, id_of, new_token, parse


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.fixture
def audited() -> Iterator[Audited]:
    handler, logger = Audited(), logging.getLogger("taskscope_api.audit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


async def test_nobody_is_told_which_modes_are_on_and_nothing_else(door: Door) -> None:
    response = await door.ask("/api/tasks")
    body = await response.get_json(force=True)
    assert (response.status_code, body["modes"]) == (401, ["token"])
    assert "token" in body["detail"]
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="taskscope"'
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_token_lets_its_owner_in_with_its_role_and_sources(door: Door) -> None:
    response = await door.ask("/api/session", bearer=door.token("ci", "operator", ["b", "a"]))
    body = await response.get_json()
    assert {name: body[name] for name in ("authenticated", "name", "role", "sources", "modes")} == {
        "authenticated": True,
        "name": "ci",
        "role": "operator",
        "sources": ["a", "b"],
        "modes": ["token"],
    }
    assert (await door.ask("/api/sources", bearer=door.token())).status_code == 200


async def test_answers_differ_by_who_asks_for_caches_too(door: Door) -> None:
    response = await door.ask("/api/sources", bearer=door.token())
    assert {"Authorization", "Cookie", "Accept-Encoding"} <= {one.strip() for one in response.headers["Vary"].split(",")}
    assert response.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("path", ["/api/tasks", "/api/session", "/openapi.json", "/api/health", "/api/sources"])
async def test_a_wrong_token_is_refused_by_every_route_that_asks(door: Door, path: str) -> None:
    response = await door.ask(path, bearer="ts_0123456789ab_" + "x" * 43)
    assert response.status_code == 401
    assert "invalid_token" in response.headers["WWW-Authenticate"]
    assert (await response.get_json(force=True))["modes"] == ["token"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_ask_nobody_who_they_are(door: Door, path: str) -> None:
    assert (await door.ask(path)).status_code in (200, 503)
    assert (await door.ask(path, bearer="ts_wrong")).status_code in (200, 503)


@pytest.mark.parametrize(
    "wrong", ["ts_", "ts_x_y", "ts_0123456789ab_short", "something", "a.b.c", "", "ts_0123456789AB_" + "x" * 43]
)
async def test_what_is_no_token_is_refused(door: Door, wrong: str) -> None:
    door.token()
    assert (await door.kind(bearer=wrong))[0] == 401


async def test_the_secret_counts_not_the_id(door: Door) -> None:
    one, other = door.token("one"), door.token("other")
    mixed = f"ts_{id_of(one)}_{other.split('_', 2)[2]}"
    assert await door.kind(bearer=mixed) == (401, "unknown-token")


async def test_another_scheme_than_bearer_is_a_proxys_business(door: Door) -> None:
    assert await door.kind(Authorization="Basic YWRhOg==") == (401, "unauthenticated")


async def test_a_token_ends_when_it_expires(door: Door) -> None:
    token = door.token(seconds=60)
    assert (await door.kind(bearer=token))[0] == 200
    door.clock.advance(60)
    assert await door.kind(bearer=token) == (401, "expired-token")


async def test_a_revoked_token_ends_at_once_and_nobody_else_s_does(door: Door) -> None:
    gone, stays = door.token("gone"), door.token("stays")
    door.write([token for token in parse(door.file.read_text()) if token.name == "stays"])
    assert await door.kind(bearer=gone) == (401, "unknown-token")
    assert (await door.kind(bearer=stays))[0] == 200


async def test_rights_hold_while_the_file_says_the_same(door: Door) -> None:
    token = door.token(sources=["a"])
    asking = await door.identity.access.principal(
        {"headers": [(b"authorization", f"Bearer {token}".encode())], "method": "GET"}
    )
    holds = door.identity.access.holds
    assert holds(asking)
    (entry,) = parse(door.file.read_text())
    door.file.write_text(dump([entry]).replace("- a", "- b"))
    door.look()
    assert not holds(asking)
    door.write([entry])
    assert holds(asking)
    door.write([])
    assert not holds(asking)
    door.write([entry])
    door.clock.advance(1e6)
    assert not holds(asking)


# ------------------------------------------------------------------------------------------------------------- the file


async def test_a_file_that_is_broken_later_changes_nothing_and_says_so(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    token = door.token()
    door.file.write_text("- {id: not an id, secret: hunter2}\n")
    door.look()
    assert (await door.kind(bearer=token))[0] == 200
    health = await (await door.ask("/api/health", bearer=token)).get_json()
    assert health["identity"]["status"] == "degraded"
    assert "1 tokens read before are good still" in health["identity"]["detail"]
    assert "not a file of tokens" in caplog.text
    assert "hunter2" not in caplog.text
    door.revoke_all()
    assert await door.kind(bearer=token) == (401, "unknown-token")


async def test_a_file_that_was_taken_away_lets_nobody_in_after_a_while(door: Door) -> None:
    token = door.token()
    text = door.file.read_text()
    door.file.unlink()
    door.look()
    assert (await door.kind(bearer=token))[0] == 200, "an editor may put it away for a moment"
    door.clock.advance(GONE_SECONDS)
    door.look()
    assert (await door.kind(bearer=token))[0] == 401
    door.file.write_text(text)
    door.look()
    assert (await door.kind(bearer=token))[0] == 200


def test_a_file_that_is_not_there_at_the_start_lets_nobody_in_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = TokenFile(tmp_path / "nowhere.yaml", ManualClock())
    assert file.tokens == {}
    assert "is not there: nobody has a token" in caplog.text


def test_a_mounted_secret_is_taken_by_the_link_that_leads_to_it(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tokens.yaml").write_text(dump([new_token(version, "viewer", None, now=NOW, expires_at=None)[0]]))
    (tmp_path / "data").symlink_to(tmp_path / "one")
    file = TokenFile(tmp_path / "data" / "tokens.yaml", ManualClock())
    assert [token.name for token in file.tokens.values()] == ["one"]
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").replace(tmp_path / "data")
    file.look()
    assert [token.name for token in file.tokens.values()] == ["two"]


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("[]")
    file = TokenFile(tmp_path / "t.yaml", ManualClock())
    for _ in range(3):
        file.look()
    assert file.readings == 1


async def test_the_file_is_looked_at_while_the_api_serves(door: Door) -> None:
    token = door.token()
    async with door.app.test_app():
        door.file.write_text("[]\n# all gone\n")
        await eventually(lambda: not door.identity.token_file.tokens, seconds=5)
        assert (await door.kind(bearer=token))[0] == 401


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: b", "a list"),
        ("- 1", "[0] is not a mapping"),
        ("- {id: 0123456789ab}", "[0].hash is missing"),
        ("- {id: 0123456789ab, name: a, hash: 'sha256:00', role: boss, typo: 1}", ".role is not one of viewer"),
        ("- {id: 0123456789ab, name: a, hash: 'sha256:00', role: viewer}", ".hash is not sha256"),
        ("- {id: 123456789012, name: a, hash: x, role: viewer}", ".id is not text: put it in quotes"),
        ("- {id: 0123456789ab, name: a, hash: x, role: viewer, sources: []}", ".sources is not a list of names"),
        ("- {id: 0123456789ab, name: a, hash: x, role: viewer, sources: ['*']}", ".sources is not a list of names"),
        ("- {id: 0123456789ab, name: a, hash: x, role: viewer, expires_at: soon}", ".expires_at is not a time"),
        ("- {id: 0123456789ab, role: viewer, role: admin}", "not YAML in line 1"),
        ("- [", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("- {expires_at: 2026-13-41}", "not"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_all_at_once(text: str, says: str) -> None:
    with pytest.raises(TokensError) as caught:
        parse(text)
    assert says in str(caught.value)


def test_an_id_may_be_there_once() -> None:
    token, _ = new_token("a", "viewer", None, now=NOW, expires_at=None)
    with pytest.raises(TokensError, match="given twice"):
        parse(dump([token, token]))


@pytest.mark.parametrize("fields", [{"sources": ["b", "a"], "expires_at": NOW + 5}, {"sources": None, "expires_at": None}])
def test_a_file_holds_what_was_written(fields: dict[str, Any]) -> None:
    tokens = [new_token(f"näme: {n}", "viewer", now=NOW, **fields)[0] for n in range(20)]
    assert parse(dump(tokens)) == tokens


def test_a_secret_has_256_bits_and_is_nowhere_in_the_file() -> None:
    token, text = new_token("a", "viewer", None, now=NOW, expires_at=None)
    assert len(text.split("_", 2)[2]) == 43
    assert text.split("_", 2)[2] not in dump([token])
    assert hash_of(text) == token.hash
    assert id_of(text) == token.id


# ------------------------------------------------------------------------------------------- throttling and the audit log


async def test_guessing_is_slowed_down_and_whoever_is_right_is_not(tmp_path: Path) -> None:
    door = Door(tmp_path, throttle={"failures": 3, "seconds": 60})
    right = door.token()
    answers = [await door.ask(bearer="ts_0123456789ab_" + "x" * 43) for _ in range(4)]
    assert [each.status_code for each in answers] == [401, 401, 401, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
    assert (await door.kind(bearer=right))[0] == 200
    door.clock.advance(21)
    assert (await door.kind(bearer="ts_0123456789ab_" + "x" * 43))[0] == 401


async def test_one_address_that_guesses_does_not_slow_down_another(tmp_path: Path) -> None:
    door = Door(tmp_path, throttle={"failures": 1, "seconds": 60})
    wrong = [f"ts_00000000000{n}_" + "x" * 43 for n in range(3)]
    assert [await door.kind(bearer=each, peer="203.0.113.1") for each in wrong[:2]] == [
        (401, "unknown-token"),
        (429, "too-many-failures"),
    ]
    assert (await door.kind(bearer=wrong[2], peer="203.0.113.2"))[0] == 401


async def test_one_id_is_slowed_down_wherever_the_guesses_come_from(tmp_path: Path) -> None:
    door = Door(tmp_path, throttle={"failures": 2, "seconds": 60})
    wrong = f"ts_{id_of(door.token())}_" + "x" * 43
    assert [(await door.kind(bearer=wrong, peer=f"203.0.113.{n}"))[0] for n in range(3)] == [401, 401, 429]


async def test_asking_without_saying_who_one_is_is_no_guess(tmp_path: Path) -> None:
    door = Door(tmp_path, throttle={"failures": 1, "seconds": 60})
    assert [(await door.kind())[0] for _ in range(5)] == [401] * 5


async def test_the_table_of_failures_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscope_api.access.throttle.MAX_KEYS", 10)
    throttle = Door(tmp_path).identity.failures.throttle
    for number in range(50):
        throttle.failed(f"address {number}")
    assert (len(throttle._levels), throttle.forgotten) == (10, 40)


async def test_refusals_and_who_was_let_in_are_written_down_without_secrets(door: Door, audited: Audited) -> None:
    token = door.token("ci")
    wrong = f"ts_{id_of(token)}_" + "w" * 43
    await door.ask("/api/tasks?token=hunter2")
    await door.ask("/api/tasks", bearer=wrong)
    for _ in range(3):
        await door.ask("/api/tasks", bearer=token)
    assert audited.told("event", "kind", "mode", "principal", "client", "method", "path") == [
        ("refused", "unauthenticated", None, None, "203.0.113.9", "GET", "/api/tasks"),
        ("refused", "unknown-token", "token", None, "203.0.113.9", "GET", "/api/tasks"),
        ("admitted", "admitted", "token", "ci", "203.0.113.9", "GET", "/api/tasks"),
    ]
    assert audited.records[1].credential == f"token:{id_of(token)}"  # type: ignore[attr-defined]
    written = "".join(str(vars(record)) for record in audited.records)
    for secret in ("hunter2", "w" * 43, token.split("_", 2)[2]):
        assert secret not in written


async def test_too_little_right_is_refused_and_written_down(door: Door, audited: Audited) -> None:
    token = door.token("ci", "operator")

    def scope() -> dict[str, Any]:
        return {"headers": [(b"authorization", f"Bearer {token}".encode())], "method": "GET", "path": "/", "client": ("h", 1)}

    assert (await admitted(scope(), Role.OPERATOR, door.identity.access)).name == "ci"
    with pytest.raises(ApiError) as caught:
        await admitted(scope(), Role.ADMIN, door.identity.access)
    assert caught.value.problem.status == 403
    assert ("refused", "forbidden", "ci", "operator") in audited.told("event", "kind", "principal", "role")


async def test_a_flood_of_refusals_fills_no_disk_and_is_counted(door: Door, audited: Audited) -> None:
    for _ in range(200):
        await door.ask("/api/tasks")
    assert len(audited.records) == 60
    door.clock.advance(61)
    await door.ask("/api/tasks")
    assert [record.left_out for record in audited.records if hasattr(record, "left_out")] == [140]


class Memory:
    """Last uses, where Redis would keep them."""

    def __init__(self) -> None:
        self.written: list[dict[str, float]] = []
        self.fault: StoreError | None = None

    async def write(self, uses: Any, tokens: Any) -> None:
        if self.fault:
            raise self.fault
        assert set(uses) <= set(tokens)
        self.written.append(dict(uses))

    async def read(self) -> dict[str, float]:
        return {id_: at for uses in self.written for id_, at in uses.items()}

    async def close(self) -> None:
        self.fault = StoreError("closed")


async def test_last_uses_are_noted_once_a_minute_and_lost_with_redis_alone(door: Door) -> None:
    memory = Memory()
    uses = LastUses(memory, lambda: ["a", "b"], door.clock)
    for _ in range(3):
        uses.note("a")
        await uses.write()
    assert memory.written == [{"a": NOW}]
    door.clock.advance(AGAIN_SECONDS)
    memory.fault = StoreError("away")
    uses.note("a")
    uses.note("gone")
    await uses.write()
    memory.fault = None
    await uses.write()
    assert memory.written[1:] == [{"a": NOW + AGAIN_SECONDS}]

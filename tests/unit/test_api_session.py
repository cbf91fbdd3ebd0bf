"""Browsers sign in with a token and out again; what they get is worth what the token is worth, and only to our own pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from support.identity import KEY, NOW, ORIGIN, Door
from taskscope_api.access.sessions import HOST_NAME, PLAIN_NAME, SECURE_NAME, Sessions
from taskscope_api.addresses import Addresses
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import SettingsError

TLS = {"X_Forwarded_Proto": "https"}
BEHIND = {"api": {"trusted_proxies": ["10.0.0.0/8"]}}


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


async def test_a_browser_signs_in_and_is_known_by_its_cookie(door: Door) -> None:
    cookie = await door.sign_in(door.token("ada", "operator", ["a"]))
    assert (await door.kind("/api/sources", Cookie=cookie))[0] == 200
    body = await (await door.ask("/api/session", Cookie=cookie)).get_json()
    assert (body["name"], body["role"], body["sources"], body["authenticated"]) == ("ada", "operator", ["a"], True)
    assert body["expires_at"] == "2026-09-22T02:13:20.000Z"


async def test_the_cookie_holds_no_secret_and_no_page_can_read_it(door: Door) -> None:
    token = door.token()
    response = await door.ask("/api/session", "POST", json={"token": token})
    said = response.headers["Set-Cookie"]
    assert said.startswith(f"{PLAIN_NAME}=")
    assert [part.strip() for part in said.split(";")[1:]] == ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Lax"]
    secret = token.split("_", 2)[2]
    packed = said.partition("=")[2].partition(".")[0]
    assert secret not in said
    assert secret.encode() not in urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    assert secret not in await response.get_data(as_text=True)


async def test_over_tls_the_cookie_is_bound_to_this_very_host(tmp_path: Path) -> None:
    door = Door(tmp_path, **BEHIND)
    given: dict[str, Any] = {"peer": "10.1.1.1", "json": {"token": door.token()}, **TLS}
    said = (await door.ask("/api/session", "POST", **given)).headers["Set-Cookie"]
    assert said.startswith(f"{HOST_NAME}=")
    assert "Secure" in said.split("; ")
    assert "Domain" not in said
    cookie = said.partition(";")[0]
    assert (await door.kind(peer="10.1.1.1", Cookie=cookie, **TLS))[0] == 200
    plain = cookie.replace(HOST_NAME, PLAIN_NAME)
    assert (await door.kind(peer="10.1.1.1", Cookie=plain, **TLS))[0] == 401, "a neighbour could have set that one"


async def test_nobody_else_is_believed_that_there_is_tls(door: Door) -> None:
    response = await door.ask("/api/session", "POST", json={"token": door.token()}, **TLS)
    assert response.headers["Set-Cookie"].startswith(f"{PLAIN_NAME}=")


def test_below_a_path_the_cookie_is_for_that_path() -> None:
    sessions = Sessions([KEY], 60, ManualClock(NOW), Addresses())
    scope: dict[str, Any] = {"headers": [], "root_path": "/taskscope", "scheme": "https"}
    said = sessions.cookie(sessions.begin("token", "x", "ada"), scope)
    assert said.startswith(f"{SECURE_NAME}=")
    assert "Path=/taskscope" in said.split("; ")


async def test_signing_out_takes_the_cookie_away_whoever_asks(door: Door) -> None:
    cookie = await door.sign_in(door.token())
    response = await door.ask("/api/session", "DELETE", Cookie=cookie, Origin=ORIGIN)
    assert response.status_code == 200
    assert response.headers["Set-Cookie"].startswith(f"{PLAIN_NAME}=; Path=/; Max-Age=0;")
    assert (await response.get_json())["authenticated"] is False
    assert (await door.ask("/api/session", "DELETE")).status_code == 200


async def test_a_session_ends_with_its_token(door: Door) -> None:
    cookie = await door.sign_in(door.token())
    door.revoke_all()
    assert await door.kind(Cookie=cookie) == (401, "unauthenticated")
    body = await (await door.ask("/api/session", Cookie=cookie)).get_json()
    assert (body["authenticated"], body["modes"]) == (False, ["token"])


async def test_a_session_has_the_rights_that_the_token_has_now(door: Door) -> None:
    cookie = await door.sign_in(door.token(sources=["a"]))
    door.file.write_text(door.file.read_text().replace("- a", "- b").replace("viewer", "operator"))
    door.look()
    body = await (await door.ask("/api/session", Cookie=cookie)).get_json()
    assert (body["role"], body["sources"]) == ("operator", ["b"])


@pytest.mark.parametrize(("token_seconds", "ends_after"), [(1e9, 43_200), (600, 600)])
async def test_a_session_ends_after_its_time_or_with_the_token_that_expires(
    tmp_path: Path, token_seconds: float, ends_after: float
) -> None:
    door = Door(tmp_path)
    cookie = await door.sign_in(door.token(seconds=token_seconds))
    door.clock.advance(ends_after - 1)
    assert (await door.kind(Cookie=cookie))[0] == 200
    door.clock.advance(1)
    assert (await door.kind(Cookie=cookie))[0] == 401


async def test_rights_by_a_session_end_with_it_on_open_sockets_too(door: Door) -> None:
    cookie = await door.sign_in(door.token(seconds=1e9))
    scope = {"headers": [(b"cookie", cookie.encode())], "method": "GET", "path": "/"}
    asking = await door.identity.access.principal(scope)
    assert door.identity.access.holds(asking)
    door.clock.advance(43_200)
    assert not door.identity.access.holds(asking)


async def test_another_replica_with_the_same_key_takes_the_session_and_one_with_another_does_not(tmp_path: Path) -> None:
    door = Door(tmp_path)
    cookie = await door.sign_in(door.token())
    text = door.file.read_text()
    for key, status in ((KEY, 200), ("x" * 64, 401)):
        replica = Door(tmp_path, session={"key": key})
        replica.file.write_text(text)
        replica.look()
        assert (await replica.kind(Cookie=cookie))[0] == status


async def test_a_key_that_is_rotated_out_is_accepted_until_its_line_is_gone(tmp_path: Path) -> None:
    before = Door(tmp_path)
    cookie = await before.sign_in(before.token())
    text, keys = before.file.read_text(), tmp_path / "keys"
    for lines, status in ((f"{KEY}\n{'n' * 40}\n", 200), ("n" * 40, 401)):
        keys.write_text(lines)
        after = Door(tmp_path, session={"key": {"file": str(keys)}})
        after.file.write_text(text)
        after.look()
        assert (await after.kind(Cookie=cookie))[0] == status


@pytest.mark.parametrize("text", [None, "", "short"])
def test_a_key_that_cannot_be_read_or_is_short_is_said_at_the_start(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    with pytest.raises(SettingsError) as caught:
        Door(tmp_path, session={"key": {"file": str(tmp_path / "key")}})
    assert caught.value.problems[0].path == "access.session.key"
    assert "short" not in str(caught.value) or text != "short" or "shorter" in str(caught.value)


def test_without_a_key_it_is_said_that_sessions_end_with_the_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Door(tmp_path, session={})
    assert "access.session.key is not set" in caplog.text


def _tampered(cookie: str) -> list[str]:
    name, _, value = cookie.partition("=")
    payload, _, signature = value.rpartition(".")
    other = urlsafe_b64encode(b'["token","0123456789ab","root",[],0,9999999999]').rstrip(b"=").decode()
    return [
        f"{name}={other}.{signature}",
        f"{name}={payload}.{signature[:-4]}AAAA",
        f"{name}={payload}",
        f"{name}={payload}.",
        f"{name}=.{signature}",
        f"{name}=",
        f"{name}={'A' * 5000}.{signature}",
        f"{name}=%00%ff.{signature}",
        f"other={value}",
    ]


async def test_a_cookie_that_somebody_changed_is_none(door: Door) -> None:
    cookie = await door.sign_in(door.token())
    for wrong in _tampered(cookie):
        assert await door.kind(Cookie=wrong) == (401, "unauthenticated"), wrong


async def test_a_token_that_comes_beside_the_cookie_is_meant_even_a_wrong_one(door: Door) -> None:
    cookie = await door.sign_in(door.token())
    assert (await door.kind(Cookie=cookie, bearer="ts_0123456789ab_" + "x" * 43))[0] == 401
    assert (await door.kind(Cookie=cookie, bearer="junk"))[0] == 401
    assert (await door.kind(Cookie=cookie, Authorization="Basic YWRhOg=="))[0] == 200


# -------------------------------------------------------------------------------------------------- what signing in takes


async def test_a_wrong_token_signs_nobody_in(door: Door) -> None:
    response = await door.ask("/api/session", "POST", json={"token": "ts_0123456789ab_" + "x" * 43})
    assert (response.status_code, response.headers.get("Set-Cookie")) == (401, None)
    assert (await response.get_json(force=True))["modes"] == ["token"]


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b'{"token": "x"}', "text/plain", (415, "unsupported-media-type")),
        (b"token=x", "application/x-www-form-urlencoded", (415, "unsupported-media-type")),
        (b"{", "application/json", (400, "invalid-body")),
        (b"[]", "application/json", (400, "invalid-body")),
        (b"{}", "application/json", (400, "invalid-body")),
        (b'{"token": "x", "more": 1}', "application/json", (400, "invalid-body")),
        (b"\xff\xfe", "application/json", (400, "invalid-body")),
        (b'{"token": "\\ud800"}', "application/json", (400, "invalid-body")),
        (b'{"token": ""}', "application/json", (401, "unknown-token")),
    ],
)
async def test_signing_in_takes_json_alone(door: Door, data: bytes, content_type: str, expected: tuple[int, str]) -> None:
    assert await door.kind("/api/session", "POST", data=data, Content_Type=content_type) == expected


async def test_guesses_by_signing_in_are_slowed_down_too(tmp_path: Path) -> None:
    door = Door(tmp_path, throttle={"failures": 2, "seconds": 60})
    right = door.token()
    answers = [(await door.kind("/api/session", "POST", json={"token": "ts_guess"}))[0] for _ in range(3)]
    assert answers == [401, 401, 429]
    assert await door.sign_in(right)


async def test_where_there_are_no_tokens_nobody_signs_in_with_one(tmp_path: Path) -> None:
    door = Door(tmp_path, mode="none", tokens=None)
    assert await door.kind("/api/session", "POST", json={"token": "x"}) == (404, "no-tokens")
    body = await (await door.ask("/api/session")).get_json()
    assert (body["name"], body["role"], body["modes"]) == ("anonymous", "viewer", ["none"])


# -------------------------------------------------------------------------------------------------------- other sites


FOREIGN = {"Origin": "https://evil.example"}


@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Origin": "null"},
        {},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://127.0.0.1"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://[", "Sec_Fetch_Site": "none"},
    ],
)
async def test_no_other_page_signs_its_visitor_out(door: Door, headers: dict[str, str]) -> None:
    cookie = await door.sign_in(door.token())
    assert await door.kind("/api/session", "DELETE", Cookie=cookie, **headers) == (403, "foreign-origin")


@pytest.mark.parametrize("headers", [{"Origin": ORIGIN}, {"Sec_Fetch_Site": "same-origin"}, {"Origin": "HTTP://LOCALHOST"}])
async def test_our_own_page_does(door: Door, headers: dict[str, str]) -> None:
    cookie = await door.sign_in(door.token())
    assert (await door.kind("/api/session", "DELETE", Cookie=cookie, **headers))[0] == 200


async def test_no_other_page_signs_its_visitor_in_as_somebody_else(door: Door) -> None:
    given = {"json": {"token": door.token()}, **FOREIGN}
    assert await door.kind("/api/session", "POST", **given) == (403, "foreign-origin")


async def test_behind_a_trusted_proxy_the_page_has_the_name_that_the_proxy_is_asked_by(tmp_path: Path) -> None:
    door = Door(tmp_path, **BEHIND)
    cookie = await door.sign_in(door.token())
    asked = {"Cookie": cookie, "X_Forwarded_Host": "tasks.example", "Origin": "https://tasks.example"}
    assert (await door.kind("/api/session", "DELETE", "10.1.1.1", **asked))[0] == 200
    assert (await door.kind("/api/session", "DELETE", "203.0.113.9", **asked))[0] == 403, "it is no proxy of ours"


async def test_other_origins_may_be_allowed(tmp_path: Path) -> None:
    door = Door(tmp_path, api={"allowed_origins": ["https://wall.example"]})
    cookie = await door.sign_in(door.token())
    assert (await door.kind("/api/session", "DELETE", Cookie=cookie, Origin="https://wall.example"))[0] == 200
    assert (await door.kind("/api/session", "DELETE", Cookie=cookie, Origin="http://wall.example"))[0] == 403


async def test_no_other_page_opens_a_socket_with_its_visitors_cookie(door: Door) -> None:
    cookie = await door.sign_in(door.token())
    access = door.identity.access

    async def opened(**headers: str) -> Any:
        named = [(name.lower().encode(), value.encode()) for name, value in {"cookie": cookie, "host": "h", **headers}.items()]
        return await access.principal({"type": "websocket", "headers": named, "path": "/api/ws", "client": ("1.2.3.4", 1)})

    assert (await opened(origin="http://h")).name == "ci"
    for foreign in ({"origin": "http://evil"}, {}):
        with pytest.raises(Exception, match=r"may not open|needs an Origin"):
            await opened(**foreign)
    token = door.token("service").encode()
    scope = {"type": "websocket", "headers": [(b"authorization", b"Bearer " + token)], "path": "/", "client": ("1.2.3.4", 1)}
    assert (await access.principal(scope)).name == "service", "no browser sends a token by itself"

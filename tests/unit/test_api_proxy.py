"""Mode `proxy`: a trusted proxy's headers say who asks, and nobody else's; grants say what they may do."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.identity import Audited, Door
from taskscope_api.access.grants import Grants
from taskscope_api.access.refused import RefusedError
from taskscope_api.addresses import Addresses
from taskscope_api.principals import RANKS, Role
from taskscope_shared.settings_access import Access

PROXY = "10.1.1.1"
GRANTS = [
    {"group": "media", "role": "viewer", "sources": ["archivist"]},
    {"group": "media", "role": "viewer", "sources": ["vod"]},
    {"group": "ops", "role": "operator", "sources": ["vod"]},
    {"user": "root@example.org", "role": "admin"},
]


def door_of(folder: Path, **access: Any) -> Door:
    said: dict[str, Any] = {"mode": "proxy", "tokens": None, "proxy": {"addresses": ["10.0.0.0/8"]}, "grants": GRANTS}
    return Door(folder, **{**said, **access})


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return door_of(tmp_path)


@pytest.fixture
def audited() -> Iterator[Audited]:
    handler, logger = Audited(), logging.getLogger("taskscope_api.audit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


async def who(door: Door, peer: str = PROXY, **headers: str) -> Any:
    response = await door.ask("/api/session", peer=peer, **headers)
    return await response.get_json(force=True)


async def test_whom_the_proxy_names_has_what_their_groups_were_given(door: Door) -> None:
    named = {"X_Forwarded_User": "ada", "X_Forwarded_Groups": "staff, media", "X_Forwarded_Preferred_Username": "Ada L."}
    found = await who(door, **named)
    assert (found["name"], found["role"], found["sources"]) == ("Ada L.", "viewer", ["archivist", "vod"])
    assert found["modes"] == ["proxy"]


async def test_a_user_may_be_given_something_by_name(door: Door) -> None:
    found = await who(door, X_Forwarded_User="root@example.org")
    assert (found["role"], found["sources"]) == ("admin", None)


async def test_the_highest_role_does_not_reach_sources_of_lower_ones(door: Door) -> None:
    found = await who(door, X_Forwarded_User="ada", X_Forwarded_Groups="media,ops")
    assert (found["role"], found["sources"]) == ("operator", ["vod"])


async def test_whoever_was_given_nothing_is_known_and_sees_nothing(door: Door) -> None:
    assert await door.kind(peer=PROXY, X_Forwarded_User="eve") == (403, "no-grant")
    assert await door.kind("/api/session", peer=PROXY, X_Forwarded_User="eve") == (403, "no-grant")


async def test_there_may_be_a_default_for_them(tmp_path: Path) -> None:
    door = door_of(tmp_path, default={"role": "viewer", "sources": ["public"]})
    found = await who(door, X_Forwarded_User="eve")
    assert (found["role"], found["sources"]) == ("viewer", ["public"])


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "::1", ""])
async def test_headers_from_elsewhere_are_ignored_and_written_down(door: Door, audited: Audited, peer: str) -> None:
    assert await door.kind(peer=peer, X_Forwarded_User="root@example.org") == (401, "unauthenticated")
    assert ("refused", "untrusted-proxy", "proxy") in audited.told("event", "kind", "mode")


async def test_nobody_gets_nearer_by_naming_the_proxy(door: Door, audited: Audited) -> None:
    spoofed = {"X_Forwarded_User": "root@example.org", "X_Forwarded_For": PROXY, "Forwarded": f"for={PROXY}"}
    assert await door.kind(peer="203.0.113.9", **spoofed) == (401, "unauthenticated")
    assert {record.client for record in audited.records} == {"203.0.113.9"}  # type: ignore[attr-defined]


async def test_the_proxys_own_probes_are_nobody(door: Door) -> None:
    assert await door.kind(peer=PROXY) == (401, "unauthenticated")
    assert await door.kind(peer=PROXY, X_Forwarded_User="") == (401, "unauthenticated")


async def test_a_header_that_is_there_twice_is_refused(door: Door) -> None:
    scope: dict[str, Any] = {"headers": [(b"x-forwarded-user", b"ada"), (b"x-forwarded-user", b"root@example.org")]}
    with pytest.raises(Exception, match="has to be there once"):
        await door.identity.access.principal({**scope, "client": (PROXY, 1), "method": "GET"})


@pytest.mark.parametrize("user", ["a\x01b", "x" * 300])
async def test_a_name_that_would_break_a_log_is_refused(door: Door, user: str) -> None:
    scope: dict[str, Any] = {"headers": [(b"x-forwarded-user", user.encode())], "client": (PROXY, 1), "method": "GET"}
    with pytest.raises(Exception, match="printable"):
        await door.identity.access.principal(scope)


async def test_names_may_have_letters_of_any_language(door: Door) -> None:
    scope = {"headers": [(b"x-forwarded-user", "zoë".encode()), (b"x-forwarded-groups", b"media")]}
    assert (await door.identity.access.principal({**scope, "client": (PROXY, 1), "method": "GET"})).name == "zoë"


async def test_the_headers_names_may_be_others(tmp_path: Path) -> None:
    proxy = {"addresses": [PROXY], "user_header": "Remote-User", "groups_header": "Remote-Groups"}
    door = door_of(tmp_path, proxy=proxy)
    assert (await who(door, Remote_User="ada", Remote_Groups="ops"))["role"] == "operator"
    assert (await who(door, X_Forwarded_User="ada", X_Forwarded_Groups="ops"))["authenticated"] is False


async def test_what_the_proxy_said_holds_for_a_while_on_open_sockets(door: Door) -> None:
    scope = {"headers": [(b"x-forwarded-user", b"root@example.org")], "client": (PROXY, 1), "method": "GET"}
    asking = await door.identity.access.principal(scope)
    door.clock.advance(3599)
    assert door.identity.access.holds(asking)
    door.clock.advance(1)
    assert not door.identity.access.holds(asking)


async def test_a_proxy_lets_every_page_pass_so_that_ours_is_asked_for(door: Door) -> None:
    named = {"X_Forwarded_User": "root@example.org", "X_Forwarded_Host": "tasks.example"}
    scope = {"headers": [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in named.items()]}
    ours, foreign = [(b"origin", b"https://tasks.example")], [(b"origin", b"https://evil.example")]
    scope |= {"client": (PROXY, 1), "path": "/", "method": "POST"}  # type: ignore[dict-item]
    with pytest.raises(Exception, match="may not do this"):
        await door.identity.access.principal({**scope, "headers": scope["headers"] + foreign})
    assert (await door.identity.access.principal({**scope, "headers": scope["headers"] + ours})).role == "admin"


async def test_a_proxys_basic_authorization_says_nothing_and_tokens_are_taken_beside_it(tmp_path: Path) -> None:
    door = door_of(tmp_path, tokens={"file": str(tmp_path / "tokens.yaml")})
    named = {"peer": PROXY, "X_Forwarded_User": "root@example.org"}
    assert (await door.kind(**named, Authorization="Basic YWRhOg=="))[0] == 200
    assert (await door.kind(**named, Authorization="Bearer a.providers.token"))[0] == 200, "some proxies pass it on"
    assert (await door.kind(peer="203.0.113.9", bearer=door.token()))[0] == 200
    assert (await door.kind(**named, bearer="ts_0123456789ab_" + "x" * 43))[0] == 401
    body = await (await door.ask("/api/session")).get_json()
    assert body["modes"] == ["token", "proxy"]


# ------------------------------------------------------------------------------------------------------------ grants


ROLES = st.sampled_from(["viewer", "operator", "admin"])
SOURCES = st.none() | st.lists(st.sampled_from("abc"), min_size=1)
GIVEN = st.lists(st.fixed_dictionaries({"group": st.sampled_from("xyz"), "role": ROLES, "sources": SOURCES}))


@given(GIVEN, st.sets(st.sampled_from("xyz")))
def test_nobody_has_a_role_at_a_source_for_which_no_grant_gave_it(grants: list[dict[str, Any]], groups: set[str]) -> None:
    found = Grants(Access.model_validate({"grants": grants})).rights("ada", groups)
    fitting = [grant for grant in grants if grant["group"] in groups]
    assert (found is None) == (not fitting)
    if found is None:
        return
    assert RANKS[found.role] == max(RANKS[Role(grant["role"])] for grant in fitting)
    for source in "abcd":
        if found.sources is None or source in found.sources:
            assert any(g["role"] == found.role and (g["sources"] is None or source in g["sources"]) for g in fitting)


def test_a_session_remembers_those_groups_alone_that_a_grant_names() -> None:
    grants = Grants(Access.model_validate({"grants": GRANTS}))
    assert grants.relevant([f"group-{n}" for n in range(500)] + ["ops", "media"]) == ("media", "ops")


def test_who_has_no_right_is_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="eve is known, but was given no right"):
        Grants(Access()).principal("eve", [], credential="proxy:eve")


# --------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "1.1.1.1", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, garbage", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "1.1.1.1:443", "1.1.1.1"),
        ("::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("", "1.1.1.1", ""),
    ],
)
def test_the_clients_address_is_the_last_that_no_trusted_proxy_has(peer: str, forwarded: str, expected: str) -> None:
    scope = {"client": (peer, 1) if peer else None, "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert Addresses(["10.0.0.0/8", "fd00::/8"]).client(scope) == expected


def test_a_list_without_end_is_looked_at_from_its_end_alone() -> None:
    forwarded = ("1.1.1.1, " + "10.0.0.2, " * 10_000 + "10.0.0.3").encode()
    found = Addresses(["10.0.0.0/8"]).client({"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", forwarded)]})
    assert found == "10.0.0.2"

"""Tokens that nobody thought of: each is refused or says what it says, and none raises anything else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.jwts import KeySet, rsa_key, signed, unsigned
from taskscope_api.access.grants import Grants
from taskscope_api.access.jwks import Keys
from taskscope_api.access.jwt_verifier import InvalidTokenError, Verifier, is_jwt, issuer_of
from taskscope_api.access.oidc import Worth
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.remote import RemoteError
from taskscope_api.access.service_accounts import account_of
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings_access import Access, Oidc

ISSUER = "https://id.example.org"
KEY = rsa_key()
NOW = int(ManualClock().now())
GOOD = {"iss": ISSUER, "aud": "taskscope", "sub": "ada", "exp": NOW + 600}
TOKEN = signed(KEY, GOOD)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "azp", "groups", "email", "kubernetes.io", "events"])
headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "x5u", "cty", "zip"]), anything
)


def verifier() -> Verifier:
    clock = ManualClock()
    return Verifier(ISSUER, ["taskscope"], Keys(KeySet(KEY).fetch, clock), clock)


async def verdict(token: str) -> dict[str, Any] | None:
    try:
        return await verifier().verify(token)
    except InvalidTokenError:
        return None


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300) | st.lists(st.text(max_size=40), max_size=6).map(".".join))
async def test_no_text_is_a_token(text: str) -> None:
    assert await verdict(text) is None
    assert issuer_of(text) is None or isinstance(issuer_of(text), str)
    is_jwt(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
async def test_a_token_with_another_character_is_refused_or_the_same(place: int, character: str) -> None:
    found = await verdict(TOKEN[:place] + character + TOKEN[place + 1 :])
    assert found is None or found == GOOD  # bits that base64 does not use may differ at a part's end


@settings(max_examples=100, deadline=None)
@given(headers, st.dictionaries(names, anything))
async def test_an_unsigned_token_is_refused_whatever_it_says_of_itself(header: dict[str, Any], claims: dict[str, Any]) -> None:
    assert await verdict(unsigned({"alg": "RS256", "kid": "one", **header}, {**GOOD, **claims}, b"x" * 256)) is None


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(names, anything))
async def test_a_signed_token_with_any_claims_names_somebody_or_nobody(claims: dict[str, Any]) -> None:
    found = await verdict(signed(KEY, json.dumps({**GOOD, **claims}).encode()))
    if found is not None:
        assert found["iss"] == ISSUER
        assert found["exp"] >= NOW - 60
    whole = {**GOOD, **claims}
    account_of(whole)
    worth = Worth(Oidc(issuer=ISSUER, client_id="taskscope", public_url=ISSUER), Grants(Access()))
    with pytest.raises(RefusedError) as refusal:  # nobody was given anything
        worth.of_claims(whole)
    assert refusal.value.status in (401, 403)


@settings(max_examples=100, deadline=None)
@given(anything)
async def test_no_key_set_breaks_who_reads_it(document: Any) -> None:
    async def fetch() -> dict[str, Any]:
        if not isinstance(document, dict):
            raise RemoteError("no JSON object")
        return {"keys": [*document.values(), *([document] * 3), document.get("keys")], **document}

    keys = Keys(fetch, ManualClock())
    keys.begin()
    reading = keys._fetching
    assert reading is not None
    await reading
    assert keys.reason in ("no JSON object", "there is no key in its key set that can be used")


key_members = st.dictionaries(
    st.sampled_from(["kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y", "d", "k"]), anything
)


@settings(max_examples=100, deadline=None)
@given(key_members, st.sampled_from(["RSA", "EC", "OKP", "oct"]))
async def test_no_key_breaks_the_set_that_it_is_in(members: dict[str, Any], kind: str) -> None:
    whole = KEY.as_dict(private=False, kid="good")

    async def fetch() -> dict[str, Any]:
        return {"keys": [members, {**members, "kty": kind}, {**whole, **members}, whole]}

    keys = Keys(fetch, ManualClock())
    keys.begin()
    assert keys._fetching is not None
    await keys._fetching
    assert keys.reason is None
    assert any(key.id == "good" for key in keys._keys)

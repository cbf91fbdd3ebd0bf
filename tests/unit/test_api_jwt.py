"""JWTs: what is accepted, and everything that is refused, with keys that the test makes."""

import asyncio
import hmac
import json
from typing import Any

import pytest
from joserfc.util import urlsafe_b64encode
from support.jwts import KeySet, SigningKey, ec_key, okp_key, rsa_key, signed, unsigned
from taskscope_api.access.jwks import (
    ABSENT_SECONDS,
    AGAIN_SECONDS,
    FRESH_SECONDS,
    MAX_KEYS,
    OLD_SECONDS,
    Keys,
    KeysUnavailableError,
)
from taskscope_api.access.jwt_verifier import InvalidTokenError, Verifier, issuer_of
from taskscope_shared.clock import ManualClock

ISSUER = "https://id.example.org"
AUDIENCE = "taskscope"
KEY = rsa_key()
NOW = int(ManualClock().now())


class Checking:
    """A verifier with a clock and a key set of the test's own."""

    def __init__(self, *keys: SigningKey, **options: Any) -> None:
        self.clock = ManualClock()
        self.set = KeySet(*(keys or (KEY,)))
        self.keys = Keys(self.set.fetch, self.clock)
        self.verifier = Verifier(ISSUER, [AUDIENCE], self.keys, self.clock, **options)

    async def refuses(self, token: str) -> str:
        with pytest.raises(InvalidTokenError) as refusal:
            await self.verifier.verify(token)
        return str(refusal.value)


def claims(**others: Any) -> dict[str, Any]:
    known = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 600, "iat": NOW, **others}
    return {name: value for name, value in known.items() if value is not None}


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (KEY, "RS256"),
        (KEY, "PS256"),
        (ec_key(), "ES256"),
        (ec_key(curve="P-384"), "ES384"),
        (ec_key(curve="P-521"), "ES512"),
        (okp_key(), "EdDSA"),
        (okp_key(), "Ed25519"),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_a_token_of_the_provider_is_accepted_with_what_it_claims(key: SigningKey, algorithm: str) -> None:
    checking = Checking(key)
    assert await checking.verifier.verify(signed(key, claims(groups=["a"]), algorithm)) == claims(groups=["a"])
    assert await checking.verifier.verify(signed(key, claims(aud=["other", AUDIENCE]), algorithm, typ="at+jwt", x5t="abc"))
    assert checking.set.requests == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "https://id.example.org/"}, "another issuer"),
        ({"iss": None}, "does not say"),
        ({"iss": [ISSUER]}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"aud": ["other"]}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": None}, "does not say"),
        ({"aud": {"taskscope": True}}, "another audience"),
        ({"sub": None}, "does not say"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"exp": None}, "does not say"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": "tomorrow"}, "wrong"),
        ({"exp": True}, "wrong"),
        ({"exp": 10**400}, "times"),
        ({"exp": 10**13}, "times"),
        ({"exp": float("inf")}, "wrong"),
        ({"exp": float("nan")}, "wrong"),
        ({"exp": -(10**400)}, "expired"),
        ({"iat": 10**400}, "in the future"),
        ({"nbf": NOW + 61}, "not valid yet"),
        ({"nbf": "now"}, "wrong"),
        ({"iat": NOW + 61}, "in the future"),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "logout"),
    ],
)
async def test_wrong_claims_are_refused_and_cost_the_provider_no_request(change: dict[str, Any], reason: str) -> None:
    checking = Checking()
    assert reason in await checking.refuses(signed(KEY, claims(**change)))
    assert checking.set.requests == 0


async def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    checking = Checking()
    for near in ({"exp": NOW - 59}, {"nbf": NOW + 59}, {"iat": NOW + 59}):
        await checking.verifier.verify(signed(KEY, claims(**near)))
    token = signed(KEY, claims())
    checking.clock.advance(600 + 59)
    await checking.verifier.verify(token)
    checking.clock.advance(2)
    assert "expired" in await checking.refuses(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 7, "HS256", "HS512", "RSA-OAEP", "dir"])
async def test_no_algorithm_but_the_allowed_ones_is_looked_at(algorithm: Any) -> None:
    checking = Checking()
    for signature in (b"", b"x" * 32, b"x" * 256):
        assert "algorithm" in await checking.refuses(unsigned({"alg": algorithm, "kid": "one"}, claims(), signature))
    assert checking.set.requests == 0


async def test_the_public_key_is_no_secret_that_a_token_may_be_signed_with() -> None:
    text = unsigned({"alg": "HS256", "kid": "one"}, claims()).rpartition(".")[0]
    for secret in (KEY.as_pem(private=False), KEY.as_bytes(encoding="DER", private=False)):
        forged = f"{text}.{urlsafe_b64encode(hmac.digest(secret, text.encode(), 'sha256')).decode()}"
        assert "algorithm" in await Checking().refuses(forged)
        assert "algorithm" in await Checking(algorithms=["HS256", "none", "RS256"]).refuses(forged)


async def test_an_algorithm_that_is_not_among_the_configured_ones_is_refused() -> None:
    assert "algorithm" in await Checking(algorithms=["ES256"]).refuses(signed(KEY, claims()))


async def test_a_key_is_used_for_its_own_kind_of_signature_alone() -> None:
    checking = Checking(ec_key("one"))
    assert "cannot be found" in await checking.refuses(signed(KEY, claims()))
    only_pss = KeySet()
    only_pss.extra = [{**KEY.as_dict(private=False), "alg": "PS256"}]
    keys = Keys(only_pss.fetch, checking.clock)
    verifier = Verifier(ISSUER, [AUDIENCE], keys, checking.clock)
    await verifier.verify(signed(KEY, claims(), "PS256"))
    with pytest.raises(InvalidTokenError, match="cannot be found"):
        await verifier.verify(signed(KEY, claims()))


async def test_a_signature_of_somebody_else_or_of_another_text_is_refused() -> None:
    checking = Checking()
    assert "signature" in await checking.refuses(signed(rsa_key("one"), claims()))
    head, _, signature = signed(KEY, claims()).split(".")
    other = signed(KEY, claims(sub="root")).split(".")[1]
    assert "signature" in await checking.refuses(f"{head}.{other}.{signature}")
    assert "signature" in await checking.refuses(f"{head}.{other}.")
    assert "signature" in await checking.refuses(f"{head}.{other}.!!!!")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "eyJ.eyJ.x",
        "x" * 100_000,
        "a.b.c.d.e",
        "é.é.é",
        "bnVsbA.bnVsbA.bnVsbA",
        "W10.W10.W10",
    ],
)
async def test_what_is_no_jwt_is_refused(token: str) -> None:
    assert await Checking().refuses(token) in {"it is no JWT", "it is no signed JWT", "it has more than 16 KB"}
    assert issuer_of(token) is None


async def test_a_token_that_is_too_large_or_too_deep_is_refused_unread() -> None:
    checking = Checking()
    assert "16 KB" in await checking.refuses(signed(KEY, claims(padding="x" * 20_000)))
    deep = signed(KEY, b'{"a":' * 2000 + b"1" + b"}" * 2000)
    assert await checking.refuses(deep)
    assert await checking.refuses(unsigned({"alg": "RS256", "kid": "k" * 257}, claims())) == "its key id is none"
    assert await checking.refuses(unsigned({"alg": "RS256", "kid": 7}, claims())) == "its key id is none"


async def test_a_claim_or_a_header_that_is_given_twice_is_refused() -> None:
    text = json.dumps(claims())
    twice = signed(KEY, (text[:-1] + ', "sub": "root"}').encode())
    assert "no JWT" in await Checking().refuses(twice)
    nested = signed(KEY, (text[:-1] + ', "a": {"b": 1, "b": 2}}').encode())
    assert "no JWT" in await Checking().refuses(nested)


@pytest.mark.parametrize(
    "header", [{"typ": "logout+jwt"}, {"typ": 7}, {"typ": []}, {"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]}]
)
async def test_other_kinds_of_jwt_and_extensions_are_refused(header: dict[str, Any]) -> None:
    token = unsigned({"alg": "RS256", "kid": "one", **header}, claims(), b"x")
    assert await Checking().refuses(token) in {
        "it is another kind of JWT",
        "it asks for extensions of JWTs that are not known here",
    }


async def test_without_a_key_id_the_only_key_counts_and_among_several_none() -> None:
    assert await Checking().verifier.verify(signed(KEY, claims(), kid=None))
    assert "cannot be found" in await Checking(KEY, rsa_key("two")).refuses(signed(KEY, claims(), kid=None))


async def test_a_flood_of_key_ids_costs_the_provider_one_request_in_ten_seconds() -> None:
    checking = Checking()
    for number in range(200):
        assert "cannot be found" in await checking.refuses(signed(KEY, claims(), kid=f"random-{number}"))
    assert checking.set.requests == 1
    checking.clock.advance(AGAIN_SECONDS)
    await asyncio.gather(*(checking.refuses(signed(KEY, claims(), kid=f"again-{number}")) for number in range(200)))
    assert checking.set.requests == 2
    assert await checking.verifier.verify(signed(KEY, claims()))


async def test_all_who_wait_for_the_keys_wait_for_one_request() -> None:
    checking = Checking()
    checking.set.gate = asyncio.Event()
    waiting = [asyncio.create_task(checking.verifier.verify(signed(KEY, claims()))) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    checking.set.gate.set()
    await asyncio.gather(*waiting)
    assert checking.set.requests == 1


async def test_a_new_key_is_found_and_an_old_one_forgotten_when_the_provider_rotates() -> None:
    checking = Checking()
    old = signed(KEY, claims(exp=NOW + 10_000))
    await checking.verifier.verify(old)
    new_key = rsa_key("two")
    checking.set.keys = [new_key]
    checking.clock.advance(AGAIN_SECONDS)
    await checking.verifier.verify(signed(new_key, claims()))
    assert "cannot be found" in await checking.refuses(old)


async def test_keys_are_read_anew_behind_a_request_that_is_answered_with_the_old_ones() -> None:
    checking = Checking()
    token = signed(KEY, claims(exp=NOW + 10_000))
    await checking.verifier.verify(token)
    checking.set.keys = []
    checking.set.extra = [rsa_key("two").as_dict(private=False)]
    checking.clock.advance(FRESH_SECONDS + 1)
    await checking.verifier.verify(token)
    reading = checking.keys._fetching
    assert reading is not None
    await reading
    assert "cannot be found" in await checking.refuses(token)


async def test_known_keys_are_used_on_for_an_hour_while_the_provider_is_away() -> None:
    checking = Checking()
    token = signed(KEY, claims(exp=NOW + 10_000))
    await checking.verifier.verify(token)
    checking.set.away = "connection refused"
    checking.clock.advance(OLD_SECONDS - 1)
    await checking.verifier.verify(token)
    assert "cannot be found" in await checking.refuses(signed(rsa_key("two"), claims(exp=NOW + 10_000)))
    checking.clock.advance(AGAIN_SECONDS + 1)
    with pytest.raises(KeysUnavailableError, match="connection refused"):
        await checking.verifier.verify(token)
    checking.set.away = None
    checking.clock.advance(AGAIN_SECONDS)
    assert await checking.verifier.verify(token)


async def test_a_provider_that_was_never_there_is_said_and_asked_again_later() -> None:
    checking = Checking()
    checking.set.away = "connection refused"
    for _ in range(20):
        with pytest.raises(KeysUnavailableError, match="connection refused"):
            await checking.verifier.verify(signed(KEY, claims()))
    assert checking.set.requests == 1
    checking.set.away = None
    checking.clock.advance(ABSENT_SECONDS)
    assert await checking.verifier.verify(signed(KEY, claims()))


async def test_keys_that_are_no_good_are_as_if_they_were_not_there() -> None:
    checking = Checking()
    public = KEY.as_dict(private=False)
    checking.set.keys = []
    checking.set.extra = [
        "text",
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        rsa_key("one", 1024).as_dict(private=False),
        {**public, "use": "enc"},
        {**public, "key_ops": ["encrypt"]},
        {**public, "key_ops": 7},
        {**public, "alg": ["RS256"]},
        {**public, "alg": "HS256"},
        {**public, "kid": 7},
        {**public, "n": "!!"},
        {**public, "kty": "EC"},
    ]
    with pytest.raises(KeysUnavailableError, match="no key in its key set that can be used"):
        await checking.verifier.verify(signed(KEY, claims()))
    checking.set.extra.append(public)
    checking.clock.advance(AGAIN_SECONDS)
    assert await checking.verifier.verify(signed(KEY, claims()))


async def test_a_key_set_is_bounded() -> None:
    checking = Checking()
    public = KEY.as_dict(private=False)
    checking.set.keys = []
    checking.set.extra = [{**public, "kid": f"key-{number}"} for number in range(MAX_KEYS + 50)]
    await checking.verifier.verify(signed(KEY, claims(), kid=f"key-{MAX_KEYS - 1}"))
    assert "cannot be found" in await checking.refuses(signed(KEY, claims(), kid=f"key-{MAX_KEYS}"))

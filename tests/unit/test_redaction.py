"""Secrets do not get through, whatever the text looks like that they are in; and no text is kept beyond its cap."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskscope_collector.redaction import Redactor
from taskscope_shared.settings import Redaction

SECRET = "hunter2"


@pytest.fixture(scope="module", name="redactor")
def a_redactor() -> Redactor:
    return Redactor(Redaction())


@pytest.mark.parametrize(
    "text",
    [
        "{'password': 'hunter2', 'a': 1}",
        '{"api_key": "hunter2", "b": {"Authorization": "Bearer hunter2"}}',
        "{'x-api-key': b'hunter2'}",
        "{'privateKey': \"hunter2\"}",
        "password='hunter2', x=2",
        "password=hunter2&x=2",
        "https://x.example/?token=hunter2&a=b",
        "redis://user:hunter2@host:6379/0",
        "redis://:hunter2@host",
        "amqp://user:p@hunter2@host//",
        "Authorization: Bearer hunter2",
        "Cookie: a=1; b=hunter2",
        "[('Authorization', 'Bearer hunter2'), ('a', 'b')]",
        "'{\\'password\\': \\'hunter2\\'}'",
        '"{\\"password\\": \\"hunter2\\"}"',
        "User(name='x', password=SecretStr('hunter2'))",
        "{'session_ids': ['hunter2', {'x': ')hunter2'}]}",
        "{'password': 'it\\'s hunter2'}",
        "{'password': 'hunter2",
        "config['secret'] = 'hunter2'",
        "('x', {'DB_PASSWORD': 'hunter2'})",
        "{'db_pwd': 'hunter2', 'PassPhrase': 'hunter2'}",
    ],
)
def test_a_secret_s_value_is_hidden(redactor: Redactor, text: str) -> None:
    assert SECRET not in redactor.text(text)
    assert SECRET not in redactor.traceback(f"Traceback\n  {text}\nValueError: x")
    assert "***" in redactor.text(text)


@pytest.mark.parametrize(
    "text", ["('token', 3)", "{'a': 'session'}", "user@host.example", "(1, 'no colon')", "{'author': 'x'}"]
)
def test_what_only_looks_like_a_secret_is_left(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


def test_what_follows_a_secret_stays_readable(redactor: Redactor) -> None:
    assert redactor.text("{'password': 'x', 'a': [1, 2]}") == "{'password': '***', 'a': [1, 2]}"
    assert redactor.text("f(token=abc, size=3)") == "f(token=***, size=3)"


def test_a_text_is_capped_in_bytes_and_says_so(redactor: Redactor) -> None:
    for text in ("x" * 5000, "é" * 5000, "😀" * 900):
        kept = redactor.text(text)
        assert len(kept.encode()) <= 1024
        assert kept.endswith("…")
    assert redactor.text("x" * 1024) == "x" * 1024


def test_a_secret_that_the_cap_cuts_is_hidden_too() -> None:
    redactor = Redactor(Redaction(text_bytes=64))
    for padding in range(230, 262):
        assert "hunter" not in redactor.text("x" * padding + " redis://u:hunter2@h")
        assert "hunter" not in redactor.text("y" * (padding - 215) + " password='hunter2'")


def test_a_traceback_keeps_its_head_and_its_tail() -> None:
    redactor = Redactor(Redaction(traceback_bytes=1000))
    kept = redactor.traceback("Traceback (most recent call last):\n" + "  File 'x.py'\n" * 500 + "ValueError: the end\n")
    assert kept.startswith("Traceback (most recent")
    assert kept.endswith("ValueError: the end\n")
    assert len(kept.encode()) <= 1010


def test_a_value_is_shown_without_its_secrets_at_any_depth(redactor: Redactor) -> None:
    value: Any = {
        "a": [1, {"password": "x", "url": "redis://u:pw@h"}],
        "Authorization": ["x"],
        "t": [["token", "v"]],
        "n": None,
    }
    assert redactor.value(value) == (
        "{'a': [1, {'password': '***', 'url': 'redis://u:***@h'}], 'Authorization': '***', 't': [['token', '***']], 'n': None}"
    )


def test_a_huge_or_deep_value_costs_no_more_than_its_preview(redactor: Redactor) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert redactor.value(deep) == "[[[[[[[[…]]]]]]]]"
    assert len(redactor.value(list(range(10**6))).encode()) <= 1024
    assert redactor.value(10**5000) == "<int of 16610 bits>"


def test_keys_are_configured_by_globs() -> None:
    redactor = Redactor(Redaction(keys=("pin", "card_*")))
    assert redactor.text("{'pin': 1234, 'mapping': 2, 'card-number': '42', 'password': 'x'}") == (
        "{'pin': ***, 'mapping': 2, 'card-number': '***', 'password': 'x'}"
    )
    assert Redactor(Redaction(keys=())).text("{'password': 'x'}") == "{'password': 'x'}"


KEYS = st.sampled_from(["password", "api_key", "Authorization", "user_token", "X-Session-Id"])
QUIET = st.text(alphabet="abc 123.,:='\"{}[]()é\\\n", max_size=30)


@given(key=KEYS, before=QUIET, after=QUIET)
def test_a_dict_s_secret_is_hidden_among_any_other_items(key: str, before: str, after: str) -> None:
    redactor = Redactor(Redaction())
    value = {"a": before, key: "SECRETVALUE", "z": after}
    assert "SECRETVALUE" not in redactor.value(value)
    if not set(before) & set("'\"\\"):  # a text can be ambiguous; one whose quotes are balanced is not
        assert "SECRETVALUE" not in redactor.text(repr(value))


@given(text=st.text(max_size=2000))
def test_any_text_is_taken_and_capped(text: str) -> None:
    redactor = Redactor(Redaction(text_bytes=256, traceback_bytes=512))
    assert len(redactor.text(text).encode("utf-8", "replace")) <= 256
    assert len(redactor.traceback(text).encode("utf-8", "replace")) <= 524

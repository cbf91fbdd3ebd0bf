"""Every route says who may use it and what it takes and answers."""

from pathlib import Path

import pytest
from quart import Quart
from quart_schema.openapi import QUART_SCHEMA_HIDDEN_ATTRIBUTE
from quart_schema.validation import QUART_SCHEMA_QUERYSTRING_ATTRIBUTE, QUART_SCHEMA_RESPONSE_ATTRIBUTE
from taskscope_api.app import create_app
from taskscope_api.principals import ROLE_ATTRIBUTE, Role
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

FILES = {"/", "/assets/<path:name>", "/<name>", "/docs", "/docs/<name>"}
PUBLIC = {"/livez", "/readyz", *FILES}
"""Probes and the files of pages: no task is in them."""
WITHOUT_PARAMETERS = {"/livez", "/readyz", "/openapi.json"}


@pytest.fixture
def app(tmp_path: Path) -> Quart:
    return create_app(Settings(), MemoryStore(ManualClock()), ManualClock(), web_root=tmp_path)


def routes(app: Quart) -> list[tuple[str, object, bool]]:
    return [(rule.rule, app.view_functions[rule.endpoint], rule.websocket) for rule in app.url_map.iter_rules()]


def test_every_route_declares_its_role(app: Quart) -> None:
    roles = {rule: getattr(view, ROLE_ATTRIBUTE, None) for rule, view, _ in routes(app)}
    assert {rule for rule, role in roles.items() if not isinstance(role, Role)} == set()
    assert {rule for rule, role in roles.items() if role is Role.PUBLIC} == PUBLIC


def test_every_route_but_files_and_sockets_declares_what_it_answers(app: Quart) -> None:
    without = {
        rule for rule, view, socket in routes(app) if not socket and not getattr(view, QUART_SCHEMA_RESPONSE_ATTRIBUTE, None)
    }
    assert without == FILES
    assert {rule for rule, view, _ in routes(app) if getattr(view, QUART_SCHEMA_HIDDEN_ATTRIBUTE, False)} == FILES


def test_every_route_of_the_api_declares_its_parameters(app: Quart) -> None:
    without = {
        rule for rule, view, socket in routes(app) if not socket and not hasattr(view, QUART_SCHEMA_QUERYSTRING_ATTRIBUTE)
    }
    assert without == FILES | WITHOUT_PARAMETERS


def test_there_is_no_route_that_this_test_does_not_see(app: Quart) -> None:
    assert [rule for rule, _, socket in routes(app) if socket] == ["/api/ws"]
    assert all(rule.endpoint in app.view_functions for rule in app.url_map.iter_rules())

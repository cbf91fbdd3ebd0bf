"""Every route says who may use it and what it takes and answers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator
from quart import Quart
from quart_schema.openapi import QUART_SCHEMA_HIDDEN_ATTRIBUTE
from quart_schema.validation import QUART_SCHEMA_QUERYSTRING_ATTRIBUTE, QUART_SCHEMA_RESPONSE_ATTRIBUTE
from support.source_code import modules
from taskscope_api import openapi, problem_answers
from taskscope_api.app import create_app
from taskscope_api.errors import ApiError, Problem
from taskscope_api.principals import ROLE_ATTRIBUTE, Principal, Role
from taskscope_api.push_events import EVENTS, permit
from taskscope_api.schema_examples import resolved
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

SIGN_IN = {"/api/session/login", "/api/session/callback"}
"""Where browsers go, to be sent on: nobody calls them."""
FILES = {"/", "/assets/<path:name>", "/<name>", "/docs", "/docs/<name>"} | SIGN_IN
PUBLIC = {"/livez", "/readyz", "/api/session", *FILES}
"""Probes, signing in, and the files of pages: no task is in them."""
WITHOUT_PARAMETERS = {"/livez", "/readyz"}
"""A probe never fails for what its caller adds to the path."""
EVENT = re.compile(r"[a-z]+_task_(monitoring|updates)")
"""What a client says, wherever a transport looks for it."""


@pytest.fixture
def app(tmp_path: Path) -> Quart:
    return create_app(Settings(), MemoryStore(ManualClock()), ManualClock(), web_root=tmp_path)


def routes(app: Quart) -> list[tuple[str, object, bool]]:
    return [(rule.rule, app.view_functions[rule.endpoint], rule.websocket) for rule in app.url_map.iter_rules()]


def test_every_route_declares_its_role(app: Quart) -> None:
    roles = {rule: getattr(view, ROLE_ATTRIBUTE, None) for rule, view, _ in routes(app)}
    assert {rule for rule, role in roles.items() if not isinstance(role, Role)} == set()
    assert {rule for rule, role in roles.items() if role is Role.PUBLIC} == PUBLIC


def test_every_event_of_the_push_protocol_declares_its_role() -> None:
    """A subscription is what a join asks for."""
    said = {
        node.value
        for module in modules("taskscope_api")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and EVENT.fullmatch(node.value)
    }
    assert said == set(EVENTS)
    assert Role.PUBLIC not in EVENTS.values()
    matched = {
        case.pattern.value.value
        for module in modules("taskscope_api")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Match) and ast.unparse(node.subject).endswith(".event")
        for case in node.cases
        if isinstance(case.pattern, ast.MatchValue) and isinstance(case.pattern.value, ast.Constant)
    }
    assert matched == set(EVENTS), "what is obeyed is what was permitted"


async def test_an_event_that_declares_no_role_is_refused_and_so_is_too_little_right() -> None:
    viewer = Principal("ada", Role.VIEWER)
    for event in EVENTS:
        permit(event, viewer)
    for event, kind in (("drop_all_tasks", "unknown-event"), ("x" * 5000, "unknown-event")):
        with pytest.raises(ApiError) as caught:
            permit(event, viewer)
        assert caught.value.problem.type.endswith(kind)
    with pytest.raises(ApiError) as forbidden:
        permit("join_task_monitoring", Principal("nobody", Role.PUBLIC))
    assert forbidden.value.problem.status == 403


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


@pytest.fixture
def document(app: Quart) -> dict[str, Any]:
    return openapi.document(app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((path, operation) for path, methods in document["paths"].items() for operation in methods.values())


def test_the_document_is_openapi_and_has_every_route_but_files_and_sockets(app: Quart, document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1")
    wanted = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule) for rule, _, socket in routes(app) if not socket and rule not in FILES}
    assert set(document["paths"]) == wanted


def test_every_operation_says_what_it_is_and_what_may_go_wrong(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        assert operation["summary"], path
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}, path
        assert {"200", "500"} <= set(operation["responses"]), path
        assert path in PUBLIC or {"401", "403"} <= set(operation["responses"]), path
        assert "{" not in path or "404" in operation["responses"], path
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_operation_says_how_one_says_who_one_is_where_somebody_is_asked(tmp_path: Path, document: dict[str, Any]) -> None:
    said = {"access": {"mode": "token", "tokens": {"file": str(tmp_path / "tokens.yaml")}}}
    asking = create_app(Settings.model_validate(said), MemoryStore(ManualClock()), ManualClock())
    asked = openapi.document(asking)
    assert set(asked["components"]["securitySchemes"]) == {"bearer", "cookie"}
    for path, operation in operations(asked):
        assert operation["security"] == ([{}] if path in PUBLIC else [{"bearer": []}, {"cookie": []}]), path
    assert all(operation["security"] == [{}] for _, operation in operations(document)), "in the mode none nobody is asked"


def test_every_parameter_says_what_it_is_what_it_may_be_and_has_an_example(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        for parameter in operation["parameters"]:
            schema, where = parameter["schema"], f"{path}: {parameter['name']}"
            assert parameter["description"].endswith("."), where
            conforms(schema["examples"][0], schema, document, where)
            if schema.get("type") == "integer":
                assert {"minimum", "maximum"} <= set(schema), where
            if schema.get("type") == "array":
                assert "maxItems" in schema or "enum" in resolved(schema["items"], document["components"]["schemas"]), where


def test_every_answer_has_a_sentence_and_an_example_that_is_one(document: dict[str, Any]) -> None:
    responses = [(path, operation["responses"]) for path, operation in operations(document)]
    responses.append(("components", document["components"]["responses"]))
    for path, each in responses:
        for status, response in each.items():
            assert "$ref" in response or response["description"].endswith("."), f"{path}: {status}"
            for content in response.get("content", {}).values():
                conforms(content["example"], content["schema"], document, f"{path}: {status}")


def test_every_field_of_an_answer_says_what_it_is(document: dict[str, Any]) -> None:
    without = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]
    assert without == []


def test_every_error_that_a_route_declares_is_described(app: Quart) -> None:
    declared = {
        status
        for _, view, _ in routes(app)
        for status, (model, _) in getattr(view, QUART_SCHEMA_RESPONSE_ATTRIBUTE, {}).items()
        if model is Problem
    }
    assert declared - set(problem_answers.ERRORS) == set()


def conforms(value: Any, schema: dict[str, Any], document: dict[str, Any], where: str) -> None:
    errors = Draft202012Validator({**schema, "components": document["components"]}).iter_errors(value)
    assert [f"{where}: {error.json_path}: {error.message}" for error in errors] == []

"""The description of what is pushed: it is AsyncAPI, it is whole, and each example is one."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from support.servers import unavailable
from support.source_code import ROOT, modules
from taskscope_api import asyncapi
from taskscope_api.filters import Filter
from taskscope_api.queries import FilterQuery

SPECIFICATION = ROOT / "services/web/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"


@pytest.fixture
def document() -> dict[str, Any]:
    return asyncapi.document()


def messages(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    return (
        (channel, name, message)
        for channel, described in document["channels"].items()
        for name, message in described["messages"].items()
    )


def test_the_document_is_asyncapi_3(document: dict[str, Any]) -> None:
    if not SPECIFICATION.exists():
        unavailable("there is no specification to hold it against: npm ci in services/web brings it")
    errors = Draft7Validator(json.loads(SPECIFICATION.read_text("utf-8"))).iter_errors(document)
    assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > 20
    for reference in found:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_message_has_a_sentence_and_examples_that_are_ones(document: dict[str, Any]) -> None:
    for channel, name, message in messages(document):
        where = f"{channel}: {name}"
        assert (message["name"], message["summary"].endswith(".")) == (name, True), where
        assert message["examples"], where
        schema = {**message["payload"], "components": document["components"]}
        for example in message["examples"]:
            errors = Draft202012Validator(schema).iter_errors(example["payload"])
            assert [f"{where}: {error.json_path}: {error.message}" for error in errors] == []


def test_every_message_has_an_operation(document: dict[str, Any]) -> None:
    wanted = {f"#/channels/{channel}/messages/{name}" for channel, name, _ in messages(document)}
    described = document["operations"].values()
    assert {one["$ref"] for operation in described for one in operation["messages"]} == wanted
    assert all(operation["summary"].endswith(".") for operation in described)


def test_every_field_says_what_it_is(document: dict[str, Any]) -> None:
    without = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description") and not (field == "kind" and "enum" in described)
    ]
    assert without == []


def test_a_filter_has_the_members_of_the_query_string(document: dict[str, Any]) -> None:
    assert set(Filter.__struct_fields__) == set(FilterQuery.__struct_fields__)
    assert tuple(document["components"]["schemas"]["Filter"]["properties"]) == Filter.__struct_fields__


def sent(tree: ast.AST) -> Iterator[str]:
    """Names of events that `frame("name", ...)` or Socket.IO's `packet_of("name", ...)` makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"frame", "packet_of"}:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def taken(path: Path) -> set[str]:
    """Names of events that a module's `match message.event` knows."""
    return {
        str(node.value.value)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant)
    }


def test_every_event_that_the_api_sends_or_takes_is_described(document: dict[str, Any]) -> None:
    everything = {name for module in modules("taskscope_api") for name in sent(module.tree)}
    assert everything == set(asyncapi.SERVER_EVENTS)
    push = ROOT / "services/api/src/taskscope_api/blueprints/push.py"
    assert taken(push) == set(asyncapi.CLIENT_EVENTS)
    assert set(document["channels"]["websocket"]["messages"]) == {*asyncapi.SERVER_EVENTS, *asyncapi.CLIENT_EVENTS}

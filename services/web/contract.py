"""Writes the page's types, `src/contract/`, from what the api says of itself: `/openapi.json` and `/asyncapi.json`.

`make contract` writes them; a test says when they are out of date, and the page's build when the page does not fit them.
openapi-typescript makes the types. It reads OpenAPI alone: the schemas of what is pushed are JSON Schema, as OpenAPI 3.1's are,
and go to it in such a document.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from taskscope_api import asyncapi, openapi
from taskscope_api.app import create_app
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

HERE = Path(__file__).parent
FOLDER = HERE / "src/contract"
GENERATOR = HERE / "node_modules/openapi-typescript/bin/cli.js"
OPTIONS = ("--default-non-nullable=false", "--empty-objects-unknown")
EXAMPLES = ("example", "examples")
SECONDS = 60
SOCKET = {"ServerMessage": "send", "ClientMessage": "receive"}
"""Type of all messages of the WebSocket -> the operations, as the api does them, that they belong to."""

Json = dict[str, Any]


def documents() -> dict[str, Json]:
    """File in FOLDER -> the OpenAPI document that it is made of. Nothing is served, and no store is asked."""
    clock = ManualClock()
    return {
        "rest.ts": openapi.document(create_app(Settings(), MemoryStore(clock), clock)),
        "push.ts": _wrapped(asyncapi.document()),
    }


def _wrapped(push: Json) -> Json:
    messages = {name: {"oneOf": _payloads(push, action)} for name, action in SOCKET.items()}
    return {
        "openapi": "3.1.0",
        "info": push["info"],
        "paths": {},
        "components": {"schemas": push["components"]["schemas"] | messages},
    }


def _payloads(push: Json, action: str) -> list[Json]:
    channel = {"$ref": "#/channels/websocket"}
    names = [
        message["$ref"].rpartition("/")[2]
        for operation in push["operations"].values()
        if operation["channel"] == channel and operation["action"] == action
        for message in operation["messages"]
    ]
    return [push["channels"]["websocket"]["messages"][name]["payload"] for name in names]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Without examples, which change and are no types. A member may be called `example`."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: each for name, each in value.items() if name not in EXAMPLES}
    return {
        name: {member: _plain(schema) for member, schema in each.items()} if name == "properties" else _plain(each)
        for name, each in kept.items()
    }


def typescript(document: Json) -> str:
    """The document's types. Raises `CalledProcessError` and `FileNotFoundError` where the generator fails or is not there."""
    if not GENERATOR.exists():
        raise FileNotFoundError(f"there is no {GENERATOR.relative_to(HERE)}: npm ci brings it")
    command = ["node", str(GENERATOR), *OPTIONS]
    made = subprocess.run(
        command, input=json.dumps(_plain(document)), cwd=HERE, check=True, capture_output=True, text=True, timeout=SECONDS
    )
    return made.stdout


def generated() -> dict[str, str]:
    """File in FOLDER -> its whole text."""
    return {name: typescript(document) for name, document in documents().items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in generated().items():
        (FOLDER / name).write_text(text, encoding="utf-8")

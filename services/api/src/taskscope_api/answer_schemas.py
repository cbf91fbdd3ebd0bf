"""Schemas of what the api says itself. Whoever reads an answer may count on each of its members."""

from collections.abc import Iterable
from typing import Any

import msgspec

from taskscope_api.schema_examples import REFERENCE


def answer_schemas(models: Iterable[type[msgspec.Struct]]) -> dict[str, Any]:
    """Name -> schema of the structs and of all that they refer to, as they are written.

    A default is Python's own affair: the member is written all the same, so it is required here, unless its struct leaves
    defaults out.
    """
    found: dict[str, Any] = {}
    for model in models:
        schemas = msgspec.json.schema_components([model], ref_template=REFERENCE)[1]
        if not model.__struct_config__.omit_defaults:
            for schema in schemas.values():
                _require_all(schema)
        found |= schemas
    return found


def _require_all(schema: dict[str, Any]) -> None:
    properties = schema.get("properties")
    if properties:
        schema["required"] = list(properties)
        for described in properties.values():
            described.pop("default", None)

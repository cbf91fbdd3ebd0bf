"""Examples of whole answers, put together from those of their fields: a field says its own, and nothing is said twice."""

from collections.abc import Mapping
from typing import Any

REFERENCE = "#/components/schemas/{name}"

Schema = Mapping[str, Any]


class NoExampleError(LookupError):
    """A field neither has an example nor consists of fields that have one. The message is the path to it."""


def resolved(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """The component that a reference names; what is no reference is itself."""
    reference: str | None = schema.get("$ref")
    return schema if reference is None else components[reference.rpartition("/")[2]]


def example_of(schema: Schema, components: Mapping[str, Schema], path: str = "") -> Any:  # noqa: ANN401 - any JSON
    """A value that the schema allows. Raises `NoExampleError`."""
    if "examples" in schema:
        return schema["examples"][0]
    target = resolved(schema, components)
    if "enum" in target:
        return target["enum"][0]
    if "anyOf" in target:
        return example_of(_meant(target["anyOf"]), components, path)
    if "properties" in target:
        return {name: example_of(field, components, f"{path}.{name}") for name, field in target["properties"].items()}
    if "prefixItems" in target:
        return [example_of(item, components, path) for item in target["prefixItems"]]
    if isinstance(target.get("items"), Mapping):
        return [example_of(target["items"], components, f"{path}[]")]
    if target is not schema and "examples" in target:
        return target["examples"][0]
    raise NoExampleError(path)


def _meant(alternatives: list[Schema]) -> Schema:
    """The first alternative that is not null."""
    return next(one for one in alternatives if one.get("type") != "null")

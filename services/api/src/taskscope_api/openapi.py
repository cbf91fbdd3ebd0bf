"""The OpenAPI document, with every struct that an answer holds as a component."""

from http import HTTPStatus
from typing import Any

import msgspec
from quart import Quart
from quart_schema import Info, OpenAPIProvider, QuartSchema

from taskscope_api.errors import Problem

REFERENCE = "#/components/schemas/{name}"


class Provider(OpenAPIProvider):
    """quart-schema's own takes the first component of a msgspec struct and drops those that it refers to."""

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401, ARG002
        """The answer's schema, and its components."""
        (schema,), components = msgspec.json.schema_components([model], ref_template=REFERENCE)
        media = "application/problem+json" if model is Problem else "application/json"
        return {"content": {media: {"schema": schema}}, "description": _first_line(model)}, components

    def build_querystring_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # noqa: ANN401
        """A parameter for each field of the query's struct."""
        _, components = msgspec.json.schema_components([model], ref_template=REFERENCE)
        properties = components[model.__name__].get("properties", {})
        return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()], {}


def _first_line(model: type) -> str:
    return (model.__doc__ or HTTPStatus.OK.phrase).strip().splitlines()[0]


def install(app: Quart) -> None:
    """Describe the app's routes; the pages that quart-schema would serve need the internet."""
    QuartSchema(
        app,
        openapi_path=None,
        info=Info(title="Taskscope", version="1"),
        conversion_preference="msgspec",
        openapi_provider_class=Provider,
    )


def document(app: Quart) -> dict[str, Any]:
    """The document of the app's routes."""
    found: dict[str, Any] = app.extensions["QUART_SCHEMA"].openapi_provider.schema()
    return found

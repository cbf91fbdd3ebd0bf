"""`/openapi.json`."""

from typing import Any

import msgspec
from quart import Blueprint, Response, current_app
from quart_schema import document_response

from taskscope_api import openapi
from taskscope_api.answers import answer
from taskscope_api.principals import Role, requires
from taskscope_api.services import Services


class OpenApi(msgspec.Struct):
    """An OpenAPI 3.1 document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]


def documentation_blueprint(services: Services) -> Blueprint:
    """The description of all routes."""
    blueprint = Blueprint("documentation", __name__)

    @blueprint.get("/openapi.json")
    @requires(Role.VIEWER, services.access)
    @document_response(OpenApi)
    async def describe() -> Response:
        """This document."""
        document = openapi.document(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - what the proxy stands for
        return answer(msgspec.convert(document, OpenApi))

    return blueprint

"""`/openapi.json` and `/asyncapi.json`, and `/docs`: a viewer of the first, all of whose files are here."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from quart import Blueprint, Response, current_app, request
from quart_schema import document_querystring, document_response, hide

from taskscope_api import asyncapi, openapi
from taskscope_api.answers import answer
from taskscope_api.described import says
from taskscope_api.principals import Role, requires
from taskscope_api.queries import NoQuery, parameters
from taskscope_api.services import Services
from taskscope_api.static_files import StaticFiles

VIEWER = Path(__file__).parent.parent / "viewer"
"""Ours: the page, and how the viewer starts."""
BUNDLED = VIEWER / "bundled"
"""The viewer itself, which `make viewer` puts there from npm, and the wheel carries."""
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)
"""Of `/docs` alone: the viewer sets styles of elements and draws its icons from data: URLs. It runs no text as a program."""


class OpenApi(msgspec.Struct):
    """An OpenAPI 3.1 document."""

    openapi: Annotated[str, says("The version of OpenAPI", "3.1.0")]
    info: Annotated[dict[str, Any], says("What this is", {"title": "Taskscope", "version": "0.1.0"})]
    servers: Annotated[list[dict[str, str]], says("Where the paths begin", [{"url": "/"}])]
    tags: Annotated[list[dict[str, str]], says("What operations are about", [{"name": "tasks"}])]
    paths: Annotated[dict[str, Any], says("The operations", {"/livez": {}})]
    components: Annotated[dict[str, Any], says("What operations refer to", {"schemas": {}})]


class AsyncApi(msgspec.Struct):
    """An AsyncAPI 3 document."""

    asyncapi: Annotated[str, says("The version of AsyncAPI", "3.0.0")]
    info: Annotated[dict[str, Any], says("What this is", {"title": "Taskscope", "version": "0.1.0"})]
    defaultContentType: Annotated[str, says("How messages are written", "application/json")]  # noqa: N815 - AsyncAPI's name
    servers: Annotated[dict[str, Any], says("Where the channels are", {"api": {"host": "127.0.0.1:5051", "protocol": "ws"}})]
    channels: Annotated[dict[str, Any], says("Ways to be told", {"websocket": {"address": "/api/ws"}})]
    operations: Annotated[dict[str, Any], says("What is said", {"websocket_connected": {"action": "send"}})]
    components: Annotated[dict[str, Any], says("What messages refer to", {"schemas": {}})]


def documentation_blueprint(services: Services) -> Blueprint:
    """The description of all routes, and its viewer."""
    blueprint = Blueprint("documentation", __name__)
    files = StaticFiles()
    described, described_push = _once(_of_routes), _once(asyncapi.document)

    @blueprint.get("/openapi.json")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(OpenApi)
    async def describe() -> Response:
        """This document."""
        parameters(NoQuery)
        document = described()
        return answer(msgspec.convert({**document, "servers": [{"url": request.root_path or "/"}]}, OpenApi))

    @blueprint.get("/asyncapi.json")
    @requires(Role.VIEWER, services.access)
    @document_querystring(NoQuery)
    @document_response(AsyncApi)
    async def describe_push() -> Response:
        """What is pushed over WebSocket, server-sent events and Socket.IO, as AsyncAPI 3."""
        parameters(NoQuery)
        found = asyncapi.servers(request.host, request.root_path)
        return answer(msgspec.convert({**described_push(), "servers": found}, AsyncApi))

    @blueprint.get("/docs")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def viewer() -> Response:
        return await _file(files, VIEWER, "index.html")

    @blueprint.get("/docs/<name>")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def part(name: str) -> Response:
        return await _file(files, VIEWER if (VIEWER / name).is_file() else BUNDLED, name)

    return blueprint


def _once(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """A document that is made when it is first asked for: the routes are all there then, and do not change."""
    made: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        if not made:
            made.append(make())
        return made[0]

    return document


def _of_routes() -> dict[str, Any]:
    return openapi.document(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - what the proxy stands for


async def _file(files: StaticFiles, folder: Path, name: str) -> Response:
    response = await files.send(folder, name, "no-cache")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response

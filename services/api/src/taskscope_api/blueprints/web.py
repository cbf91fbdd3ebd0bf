"""The built dashboard, where there is one: `index.html` at `/`, its assets for ever cacheable since their names hold a hash."""

from pathlib import Path

from quart import Blueprint, Response, send_from_directory
from quart_schema import hide

from taskscope_api.principals import Role, requires
from taskscope_api.services import Services

IMMUTABLE = "public, max-age=31536000, immutable"


def web_blueprint(services: Services, root: Path) -> Blueprint:
    """`/`, `/assets/...` and the few other files beside `index.html`."""
    blueprint = Blueprint("web", __name__)

    @blueprint.get("/")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def index() -> Response:
        return await _file(root, "index.html", "no-cache")

    @blueprint.get("/assets/<path:name>")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def asset(name: str) -> Response:
        return await _file(root / "assets", name, IMMUTABLE)

    @blueprint.get("/<name>")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def beside(name: str) -> Response:
        return await _file(root, name, "no-cache")

    return blueprint


async def _file(folder: Path, name: str, cache: str) -> Response:
    response = await send_from_directory(folder, name)
    response.headers["Cache-Control"] = cache
    return response

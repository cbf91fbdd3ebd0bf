"""The built dashboard, where there is one: `index.html` at `/`, its assets for ever cacheable since their names hold a hash."""

from pathlib import Path

from quart import Blueprint, Response
from quart_schema import hide

from taskscope_api.principals import Role, requires
from taskscope_api.services import Services
from taskscope_api.static_files import StaticFiles

IMMUTABLE = "public, max-age=31536000, immutable"
ASKED_ANEW = "no-cache"
A_DAY = "public, max-age=86400"
IMAGES = (".svg", ".png", ".ico")
"""Icons: an older one for a day after an upgrade does no harm."""


def web_blueprint(services: Services, root: Path) -> Blueprint:
    """`/`, `/assets/...` and the few other files beside `index.html`."""
    blueprint = Blueprint("web", __name__)
    files = StaticFiles()

    @blueprint.get("/")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def index() -> Response:
        return await files.send(root, "index.html", ASKED_ANEW)

    @blueprint.get("/assets/<path:name>")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def asset(name: str) -> Response:
        return await files.send(root / "assets", name, IMMUTABLE)

    @blueprint.get("/<name>")
    @requires(Role.PUBLIC, services.access)
    @hide
    async def beside(name: str) -> Response:
        return await files.send(root, name, A_DAY if name.endswith(IMAGES) else ASKED_ANEW)

    return blueprint

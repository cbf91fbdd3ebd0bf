"""Files that come with Taskscope: the dashboard's and those of `/docs`, as small as gzip makes them, with types of our own.

What the machine takes a suffix for is not asked: a slim container has no list of types, and browsers run no script of
another.
"""

import asyncio
from http import HTTPStatus
from pathlib import Path

import msgspec
from quart import Response, send_from_directory
from quart.wrappers.response import FileBody

from taskscope_api import compression, conditional

MEDIA = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
MOST_BYTES = 4 * 1024 * 1024
"""Larger files are sent as they are."""
HELD_BYTES = 16 * 1024 * 1024
"""Of all files that are held; then holding begins anew."""


class Held(msgspec.Struct):
    """A file as it was at `stamp`: when it was changed, and its size."""

    stamp: tuple[int, int]
    body: compression.KeptBody
    tag: str


class StaticFiles:
    """Sends files. Texts are held in memory, each compressed once; their tags are made of what they hold."""

    def __init__(self) -> None:
        self._held: dict[Path, Held] = {}

    async def send(self, folder: Path, name: str, cache_control: str) -> Response:
        """The file of that name below `folder`. Raises `NotFound`."""
        media = MEDIA.get(Path(name).suffix)
        if media in compression.TYPES:
            response = await send_from_directory(folder, name, mimetype=media, conditional=False, add_etags=False)
            await self._hold(response)
        else:
            response = await send_from_directory(folder, name, mimetype=media)
        if response.status_code in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            response.headers["Cache-Control"] = cache_control
            response.headers.pop("Expires", None)
        return response

    async def _hold(self, response: Response) -> None:
        file = response.response
        if not isinstance(file, FileBody) or file.size > MOST_BYTES:
            return
        path = file.file_path
        stat = path.stat()
        held = self._held.get(path)
        if held is None or held.stamp != (stat.st_mtime_ns, stat.st_size):
            held = await self._read(path, (stat.st_mtime_ns, stat.st_size))
        response.response = held.body
        response.content_length = len(held.body.data)
        response.headers["ETag"] = held.tag
        del response.headers["Last-Modified"]  # two builds may share it

    async def _read(self, path: Path, stamp: tuple[int, int]) -> Held:
        data = await asyncio.to_thread(path.read_bytes)
        held = Held(stamp, compression.KeptBody(data, smallest=True), conditional.tag(data))
        if sum(each.body.size for each in self._held.values()) + len(data) > HELD_BYTES:
            self._held.clear()
        self._held[path] = held
        return held

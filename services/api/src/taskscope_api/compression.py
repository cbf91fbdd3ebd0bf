"""Compression of what is large enough: gzip by ISA-L, ten times as fast as zlib (docs/decisions/0008)."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterable, AsyncIterator
from http import HTTPStatus
from typing import Any

from isal import isal_zlib
from quart import Response
from quart.wrappers.response import DataBody, FileBody, IOBody, ResponseBody

CODING = "gzip"
LEVEL = 1
GZIP_BITS = 31
MIN_BYTES = 1024
"""Smaller bodies go into one or two packets as they are."""
INLINE_BYTES = 1024 * 1024
"""Larger ones are compressed in a thread, so that nobody waits: this many take some 0.6 ms."""
TYPES = frozenset(
    {
        "application/json",
        "application/problem+json",
        "application/x-ndjson",
        "text/csv",
        "text/html",
        "text/javascript",
        "text/css",
        "image/svg+xml",
        "application/manifest+json",
    }
)
_Q = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


def wanted(accept_encoding: str | None) -> bool:
    """Whether the client takes gzip, and does not prefer what is not compressed (RFC 9110, 12.5.3)."""
    if not accept_encoding:
        return False
    weights = dict(map(_weighted, accept_encoding[:1024].split(",")))
    weight = weights.get(CODING, weights.get("x-gzip", weights.get("*", 0.0)))
    return weight > 0 and weight >= weights.get("identity", 0.0)


def _weighted(item: str) -> tuple[str, float]:
    name, _, parameter = item.partition(";")
    if not parameter:
        return name.strip().lower(), 1.0
    q = _Q.fullmatch(parameter)
    return name.strip().lower(), float(q[1]) if q else 0.0


def applies(response: Response) -> bool:
    """Whether answers like this one may be compressed."""
    return (
        response.mimetype in TYPES
        and "Content-Encoding" not in response.headers
        and response.status_code < HTTPStatus.BAD_REQUEST
    )


async def compress(response: Response) -> None:
    """Compress the body: at once, or as it is streamed. Files keep their length, which ranges refer to."""
    body = response.response
    if isinstance(body, DataBody):
        if len(body.data) < MIN_BYTES:
            return
        response.set_data(await (body.packed() if isinstance(body, KeptBody) else _compressed(body.data)))
    elif isinstance(body, FileBody | IOBody):
        return
    else:
        response.response = CompressedBody(body)
        response.headers.pop("Content-Length", None)
    response.headers["Content-Encoding"] = CODING


class KeptBody(DataBody):
    """A body that several answers have: compressed once, when somebody wants it so for the first time; `smallest`: as small
    as gzip can, which takes ten times as long and saves a fifth.
    """

    def __init__(self, data: bytes, *, smallest: bool = False) -> None:
        super().__init__(data)
        self._smallest = smallest
        self._packed: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.data) + len(self._packed or b"")

    async def packed(self) -> bytes:
        """The body compressed."""
        if self._packed is None:
            smallest = self._smallest
            self._packed = await (asyncio.to_thread(gzip.compress, self.data, mtime=0) if smallest else _compressed(self.data))
        return self._packed


async def _compressed(data: bytes) -> bytes:
    if len(data) <= INLINE_BYTES:
        return isal_zlib.compress(data, LEVEL, GZIP_BITS)
    return await asyncio.to_thread(isal_zlib.compress, data, LEVEL, GZIP_BITS)


class CompressedBody(ResponseBody):
    """A streamed body, compressed as it comes; it holds some 200 KB beside the chunk."""

    def __init__(self, body: ResponseBody) -> None:
        self._body = body

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return _stream(await self._body.__aenter__())

    async def __aexit__(self, *error: Any) -> None:  # noqa: ANN401, PYI036 - handed on
        await self._body.__aexit__(*error)


async def _stream(chunks: AsyncIterable[bytes | str]) -> AsyncIterator[bytes]:
    stream = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP_BITS)
    async for chunk in chunks:
        if packed := stream.compress(chunk.encode() if isinstance(chunk, str) else chunk):
            yield packed
    yield stream.flush()

"""`/livez` and `/readyz` on a small port: whether the process lives, and whether it does its work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

REQUEST_SECONDS = 5.0
REQUEST_BYTES = 8192


@asynccontextmanager
async def serving(host: str, port: int, health: Callable[[], dict[str, Any]]) -> AsyncIterator[int]:
    """Answer until the context ends; yields the port. `/readyz` is 503 while `health()["ready"]` is false.

    Raises OSError when the port cannot be had.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readline()
                writer.write(_answer(line, health))
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # the asker went away, or asked for nothing; it asks again
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port, limit=REQUEST_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _answer(line: bytes, health: Callable[[], dict[str, Any]]) -> bytes:
    path = (line.split() or [b""])[1:2]
    if path == [b"/livez"]:
        return _response("200 OK", {"alive": True})
    if path == [b"/readyz"]:
        found = health()
        return _response("200 OK" if found["ready"] else "503 Service Unavailable", found)
    return _response("404 Not Found", {"paths": ["/livez", "/readyz"]})


def _response(status: str, body: dict[str, Any]) -> bytes:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    return head.encode() + data

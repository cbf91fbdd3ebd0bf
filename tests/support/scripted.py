"""A server that answers what a test says, in order, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class Scripted:
    """Its port, and the heads of the requests that came."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.port = 0
        self.heads: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [head.split(" ", 2)[1] for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request: what is answered last is answered to all that follow."""
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        writer.write(answer.encode())
        await writer.drain()
        writer.close()


def answer(status: str, body: str, *headers: str, media: str = "application/json") -> str:
    """An answer as it goes over the wire."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {media}", f"Content-Length: {len(body.encode())}", "Connection: close"]
    return "\r\n".join([*head, *headers, "", body])


@asynccontextmanager
async def scripted(*answers: str) -> AsyncIterator[Scripted]:
    made = Scripted(answers)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made

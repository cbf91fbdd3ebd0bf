"""Server-sent events as `curl -N` reads them: a real process whose output is taken apart as the standard says."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from support.servers import unavailable
from support.window import Window


class Event(NamedTuple):
    """One event: its name, its data decoded, and its id."""

    name: str
    data: Any
    id: str | None


class Curl:
    """A running `curl -N`, and the window that its events make."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.window = Window()
        self.last_id: str | None = None
        self.comments: list[str] = []
        self.retry: int | None = None
        self.headers: dict[str, str] = {}
        self.status = 0

    async def head(self) -> None:
        """Read the status and the headers (`curl -i`)."""
        self.status = int((await self._line()).split()[1])
        while line := await self._line():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    async def body(self) -> Any:
        """All the rest as JSON: of an answer that is no stream."""
        assert self.process.stdout is not None
        return json.loads(await self.process.stdout.read())

    async def event(self, seconds: float = 10.0) -> Event:
        """The next event; `task_updates` is applied to the window. Raises `EOFError` when the stream ended."""
        async with asyncio.timeout(seconds):
            lines = list[str]()
            while True:
                line = await self._line()
                if line.startswith(":"):
                    self.comments.append(line)
                elif line.startswith("retry: "):
                    self.retry = int(line.removeprefix("retry: "))
                elif line:
                    lines.append(line)
                elif lines:
                    return self._told(dict(one.split(": ", 1) for one in lines))

    def _told(self, fields: dict[str, str]) -> Event:
        told = Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
        if told.name == "task_updates":
            self.window.apply(told.data)
            self.last_id = told.id
        return told

    async def until(self, condition: Any, seconds: float = 10.0) -> Event:
        """Events until one for which `condition(event)` is true."""
        async with asyncio.timeout(seconds):
            while not condition(told := await self.event(seconds)):
                pass
            return told

    async def _line(self) -> str:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise EOFError
        return line.decode().rstrip("\r\n")


@asynccontextmanager
async def curl(url: str, *options: str) -> AsyncIterator[Curl]:
    """`curl -N url`, its head read."""
    if shutil.which("curl") is None:
        unavailable("there is no curl")
    process = await asyncio.create_subprocess_exec(
        "curl", "-sSiN", *options, url, stdout=asyncio.subprocess.PIPE, limit=64 * 1024 * 1024
    )
    try:
        reading = Curl(process)
        await reading.head()
        yield reading
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

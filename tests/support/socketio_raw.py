"""Engine.IO's long-polling by hand, for what the stock client would never send."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

PATH = "/socket.io/"
QUERY = {"EIO": "4", "transport": "polling"}


class Event(NamedTuple):
    name: str
    data: Any


class Raw:
    """One session."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.sid = ""

    async def ask(self, method: str = "GET", *, content: str | bytes | None = None, **query: str) -> httpx.Response:
        return await self.http.request(method, PATH, params={**QUERY, **query}, content=content)

    async def open(self) -> dict[str, Any]:
        """Begin a session: what the server says of it."""
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        assert answer.text.startswith("0")
        opened: dict[str, Any] = json.loads(answer.text[1:])
        self.sid = opened["sid"]
        return opened

    async def send(self, *packets: str) -> httpx.Response:
        return await self.ask("POST", sid=self.sid, content="\x1e".join(packets))

    async def poll(self) -> list[str]:
        answer = await self.ask(sid=self.sid)
        assert answer.status_code == 200, answer.text
        return answer.text.split("\x1e")

    async def connect(self, auth: Any = None) -> list[str]:
        """Let the client be connected; what it was told first."""
        await self.open()
        await self.send("40" if auth is None else f"40{json.dumps(auth)}")
        return await self.poll()

    async def emit(self, event: str, *data: Any) -> httpx.Response:
        return await self.send(f"42{json.dumps([event, *data])}")

    async def events(self) -> list[Event]:
        """Of one poll."""
        return [Event(*json.loads(packet[2:])) for packet in await self.poll() if packet.startswith("42")]

    async def until(self, name: str) -> Event:
        """Poll until an event of that name came."""
        while True:
            for event in await self.events():
                if event.name == name:
                    return event


@asynccontextmanager
async def raw(port: int, **headers: str) -> AsyncIterator[Raw]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=15) as http:
        yield Raw(http)

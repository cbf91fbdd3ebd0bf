"""What a real api says on its sockets is what `/asyncapi.json` says, and nothing besides."""

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from support.api import Writing, served, task
from support.curl import curl
from support.waiting import eventually
from taskscope_api import asyncapi
from taskscope_api.app import create_app
from taskscope_api.clients import MAX_FRAMES, Client
from taskscope_shared.clock import SystemClock
from taskscope_shared.model import Engine, Progress, Queue, State, Worker, WorkerState
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore
from websockets.asyncio.client import ClientConnection, connect

CLOCK = SystemClock()


class Api:
    def __init__(self, port: int, writing: Writing) -> None:
        self.port, self.writing = port, writing
        self.count = 0

    async def change(self) -> None:
        """Everything changes: tasks of every state, workers, queues and sources."""
        self.count += 1
        states, now = list(State), CLOCK.now()
        progress = Progress(1, 4, 25.0, "one", now)
        await self.writing.write(
            *(task(str(n), state=state, progress=progress, updated_at=now) for n, state in enumerate(states)),
            removed=[str(100 + self.count)],
            workers=[Worker("w", "s", Engine.CELERY, WorkerState.ONLINE, processed=self.count, heartbeat_at=now)],
            queues=[Queue("q", "s", Engine.CELERY, depth=self.count, at=now)],
        )


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    store = MemoryStore(CLOCK)
    writing = await Writing(store, CLOCK).begin()
    await writing.write(*(task(str(100 + number)) for number in range(50)))
    app = create_app(Settings(), store, CLOCK)
    async with served(app) as port:
        await eventually(lambda: "s" in app.extensions["taskscope"].live.replicas)
        made = Api(port, writing)
        await made.change()
        await eventually(lambda: app.extensions["taskscope"].live.replicas["s"].tasks.keys() >= {"1", "100"})
        yield made


@pytest.fixture
def document() -> dict[str, Any]:
    """The document, its objects closed: what is not described must not be there."""
    found = deepcopy(asyncapi.document())
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return found


def check(payload: Any, channel: str, name: str, document: dict[str, Any]) -> None:
    message = document["channels"][channel]["messages"][name]
    schema = {**message["payload"], "components": document["components"]}
    errors = Draft202012Validator(schema).iter_errors(payload)
    assert [f"{name}: {error.json_path}: {error.message[:300]}" for error in errors] == []


class Checked:
    """A WebSocket whose messages are held against the document, in both directions."""

    def __init__(self, connection: ClientConnection, document: dict[str, Any]) -> None:
        self._connection, self._document = connection, document
        self.seen = set[str]()
        self.position = ""

    async def say(self, event: str, **data: Any) -> None:
        message = {"event": event, "data": data or None}
        check(message, "websocket", event, self._document)
        await self._connection.send(json.dumps(message))

    async def until(self, name: str) -> dict[str, Any]:
        """Messages until one of this name (`kind` of an update); its data."""
        while True:
            message = json.loads(await self._connection.recv())
            check(message, "websocket", message["event"], self._document)
            data = message["data"]
            self.seen.add(data.get("kind") or message["event"])
            self.position = data.get("position", self.position)
            if name in (message["event"], data.get("kind")):
                found: dict[str, Any] = data
                return found


async def test_what_goes_over_a_websocket_is_described(api: Api, document: dict[str, Any]) -> None:
    async with connect(f"ws://127.0.0.1:{api.port}/api/ws", compression=None, max_size=None) as connection:
        checked = Checked(connection, document)
        await checked.until("connected")
        await checked.say("join_task_monitoring")
        await checked.until("snapshot")
        await api.change()
        await checked.until("delta")
        await checked.say("join_task_monitoring", filter={"state": ["failed"]}, sort="live", limit=5, fields=["id"])
        await checked.until("snapshot")
        await checked.say("join_task_monitoring", since=checked.position)
        await checked.until("task_updates")
        await checked.say("request_task_updates")
        await checked.until("snapshot")
        await checked.say("join_task_monitoring", since=checked.position)
        await api.change()
        await checked.until("delta")
        await checked.say("join_task_monitoring", sort="nothing")
        await checked.until("error")
        await checked.say("join_task_monitoring", since="garbage")
        await checked.until("error")
        await checked.say("leave_task_monitoring")
    assert checked.seen == {"connected", "joined_room", "snapshot", "delta", "error"}


async def test_what_a_client_that_is_too_slow_is_told_is_described(document: dict[str, Any]) -> None:
    client = Client()
    assert [client.offer("x") for _ in range(MAX_FRAMES + 1)][-1] is False
    message = json.loads(await anext(client.frames()))
    check(message, "websocket", "resync", document)
    check(message["data"], "stream", "resync", document)


async def test_what_a_stream_says_is_described(api: Api, document: dict[str, Any]) -> None:
    seen = set[str]()
    async with curl(f"http://127.0.0.1:{api.port}/api/stream?since=garbage") as reading:
        while seen != {"connected", "error", "snapshot", "delta"}:
            told = await reading.event()
            check(told.data, "stream", told.name, document)
            seen.add(told.data.get("kind") or told.name)
            await api.change()


async def test_the_document_is_served_and_docs_lead_to_it(api: Api) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as client:
        answer = await client.get("/asyncapi.json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        served_document = answer.json()
        assert served_document["servers"]["api"]["host"] == f"127.0.0.1:{api.port}"
        assert served_document["channels"] == asyncapi.document()["channels"]
        assert 'href="./asyncapi.json"' in (await client.get("/docs")).text

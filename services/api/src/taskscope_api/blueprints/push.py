"""`WS /api/ws`: docs/architecture.md, "Push protocol"."""

import asyncio
from functools import partial
from typing import Annotated

import msgspec
from quart import Blueprint, websocket

from taskscope_api.asked import Scope
from taskscope_api.clients import Client
from taskscope_api.described import Time, says
from taskscope_api.errors import ApiError
from taskscope_api.frames import error_frame, frame
from taskscope_api.message_spans import said
from taskscope_api.principals import Principal, Role, principal, requires
from taskscope_api.push_events import permit
from taskscope_api.services import Services
from taskscope_api.sockets import SEND_SECONDS
from taskscope_api.subscriptions import ClientMessage, read_join, read_message, subscription
from taskscope_api.wire import time_text
from taskscope_api.ws_protocol import OUTLET, Outlet

PROTOCOL = 1


class Greeting(msgspec.Struct):
    """The first message to a client of Socket.IO."""

    status: Annotated[str, says("That it is", "connected")]
    timestamp: Annotated[Time | None, says("The api's clock")]


class Connected(Greeting):
    """The first message."""

    protocol: Annotated[int, says("The protocol's version", PROTOCOL)]


def push_blueprint(services: Services) -> Blueprint:
    """The WebSocket."""
    blueprint = Blueprint("push", __name__)

    @blueprint.websocket("/api/ws")
    @requires(Role.VIEWER, services.access)
    async def push() -> None:
        """Windows over tasks, pushed as they change."""
        await _Connection(services, principal(), websocket.scope).serve()

    return blueprint


class _Connection:
    """One open socket: what it asks for, and, on a server without an outlet, a task that sends to it."""

    def __init__(self, services: Services, asking: Principal, scope: Scope) -> None:
        self._services = services
        self._asking = asking
        self._outlet: Outlet | None = scope.get("extensions", {}).get(OUTLET)
        self._tally = services.tallies.websocket
        self._client = Client(self._outlet, self._tally)
        self._ending: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        ways = self._end, partial(services.hub.cut, self._client)
        self._watched = services.sockets.enter(self._client, asking, services.identity.addresses.client(scope), ways)

    async def serve(self) -> None:
        """Until it is closed."""
        self._tally.clients += 1
        try:
            await websocket.accept()
            said = Connected("connected", time_text(self._services.clock.now()), PROTOCOL)
            self._client.offer(frame("connected", said))
            if self._outlet is None:
                await self._serve_by_tasks()
            else:
                await self._receive()
        finally:
            self._tally.clients -= 1
            self._services.hub.leave(self._client)
            self._services.sockets.leave(self._watched)
            if self._outlet is not None:
                self._outlet.when_free(None)
                if self._outlet.fault is not None:
                    self._services.sockets.refused[self._outlet.fault] += 1

    def _end(self, code: int, reason: str) -> None:
        self._services.hub.leave(self._client)
        if self._outlet is not None:
            self._outlet.end(code, reason)
        elif not self._ending.done():
            self._ending.set_result((code, reason))

    async def _serve_by_tasks(self) -> None:
        sending = asyncio.create_task(self._send(), name="push")
        receiving = asyncio.create_task(self._receive(), name="push-receive")
        try:
            await asyncio.wait((sending, receiving, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if self._ending.done():
                await websocket.close(*self._ending.result())
            for task in (sending, receiving):
                if task.done():
                    task.result()
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send(self) -> None:
        async for text in self._client.frames():
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await websocket.send(text)
            except OSError:  # TimeoutError is one, and so is what servers raise when the client is gone
                return

    async def _receive(self) -> None:
        while True:
            text = await websocket.receive()
            try:
                self._watched.hear(self._services.clock.monotonic())
                await self._obey(text)
            except ApiError as error:
                self._services.sockets.refuse(error)
                self._services.hub.tell(self._client, error_frame(error.problem))

    async def _obey(self, text: str | bytes) -> None:
        message = read_message(text)
        permit(message.event, self._asking)
        with said(message):
            await self._do(message)

    async def _do(self, message: ClientMessage) -> None:
        hub = self._services.hub
        match message.event:
            case "join_task_monitoring":
                self._watched.join(self._services.clock.monotonic())
                join = read_join(message.data)
                await hub.join(self._client, subscription(join, self._asking.sources), join.since)
            case "request_task_updates":
                hub.snapshot(self._client)
            case "leave_task_monitoring":
                hub.leave(self._client)

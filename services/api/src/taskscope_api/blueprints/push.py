"""`WS /api/ws`: docs/architecture.md, "Push protocol"."""

import asyncio

import msgspec
from quart import Blueprint, websocket

from taskscope_api.errors import ApiError
from taskscope_api.frames import error_frame, frame
from taskscope_api.hub import Client, Hub
from taskscope_api.principals import Access, Principal, Role, principal, requires
from taskscope_api.push_events import permit
from taskscope_api.services import Services
from taskscope_api.subscriptions import read_join, read_message, subscription
from taskscope_api.wire import time_text

PROTOCOL = 1
SEND_SECONDS = 30.0
"""A client that takes nothing for so long is disconnected."""
RIGHTS_SECONDS = 1.0
"""Between two looks whether the rights hold by which a socket was opened."""
RIGHTS_ENDED = 4401
"""The code that a socket is closed with when they do not."""


class Connected(msgspec.Struct):
    """The first message."""

    status: str
    timestamp: str | None
    protocol: int


def push_blueprint(services: Services) -> Blueprint:
    """The WebSocket."""
    blueprint = Blueprint("push", __name__)

    @blueprint.websocket("/api/ws")
    @requires(Role.VIEWER, services.access)
    async def push() -> None:
        """Windows over tasks, pushed as they change."""
        client = Client()
        client.offer(frame("connected", Connected("connected", time_text(services.clock.now()), PROTOCOL)))
        sending = asyncio.create_task(_send(client), name="push")
        receiving = asyncio.create_task(_receive(client, services.hub, principal()), name="push-receive")
        watching = asyncio.create_task(_while_it_holds(services.access, principal()), name="push-rights")
        running = {sending, receiving, watching}
        try:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if watching in done:
                await websocket.close(RIGHTS_ENDED, "the rights by which this was opened have ended")
        finally:
            services.hub.leave(client)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    return blueprint


async def _while_it_holds(access: Access, asking: Principal) -> None:
    """Until the rights end by which a socket was opened."""
    while access.holds(asking):  # noqa: ASYNC110 - nobody tells when rights end: an expiry comes by itself
        await asyncio.sleep(RIGHTS_SECONDS)


async def _send(client: Client) -> None:
    async for text in client.frames():
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await websocket.send(text)
        except OSError:  # TimeoutError is one, and so is what servers raise when the client is gone
            return


async def _receive(client: Client, hub: Hub, asking: Principal) -> None:
    while True:
        text = await websocket.receive()
        try:
            await _obey(text, client, hub, asking)
        except ApiError as error:
            hub.tell(client, error_frame(error.problem))


async def _obey(text: str | bytes, client: Client, hub: Hub, asking: Principal) -> None:
    message = read_message(text)
    permit(message.event, asking)
    match message.event:
        case "join_task_monitoring":
            join = read_join(message.data)
            await hub.join(client, subscription(join, asking.sources), join.since)
        case "request_task_updates":
            hub.snapshot(client)
        case "leave_task_monitoring":
            hub.leave(client)

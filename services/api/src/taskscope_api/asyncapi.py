"""The AsyncAPI document: what is pushed, and what clients say. Types and fields say what they are; here it is put together."""

from collections.abc import Mapping
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import msgspec

from taskscope_api.answer_schemas import answer_schemas
from taskscope_api.blueprints.push import Connected, Greeting
from taskscope_api.filters import MANY, Filter
from taskscope_api.frames import DeltaData, Joined, ProblemData, Resync, SnapshotData
from taskscope_api.queries import FilterQuery
from taskscope_api.realtime import Realtime
from taskscope_api.schema_examples import REFERENCE, example_of
from taskscope_api.subscriptions import ALWAYS, MAX_LIMIT, Join
from taskscope_api.wire import TaskRow

Json = dict[str, Any]

DESCRIPTION = """\
Push is a window, not a firehose: a subscription is a filter, an order and a limit, as a table shows it. First comes a snapshot
of the window, then deltas: what entered, changed and left it. Each has a `position`, with which whoever was cut off goes on at
any replica. The same events go over WebSocket, server-sent events and Socket.IO. Requests of HTTP are in `/openapi.json`.
"""


class Event(msgspec.Struct, frozen=True):
    """One message: what it is about, and what its data are (None: it has none)."""

    says: str
    data: tuple[type[msgspec.Struct], ...] = ()


SERVER_EVENTS = {
    "connected": Event("The first message: the connection stands.", (Connected,)),
    "joined_room": Event("A join was taken; a `task_updates` follows.", (Joined,)),
    "task_updates": Event("A window whole, or what changed in it.", (SnapshotData, DeltaData)),
    "resync": Event("The client read too slowly, and was cut: it has to join again, with its position.", (Resync,)),
    "error": Event("What was wrong with a message. The connection goes on.", (ProblemData,)),
}
CLIENT_EVENTS = {
    "join_task_monitoring": Event("Show a window, instead of any before.", (Join,)),
    "request_task_updates": Event("Send the window whole once more."),
    "leave_task_monitoring": Event("Show nothing any more."),
}
ANSWERS = {
    "join_task_monitoring": ("joined_room", "task_updates", "error"),
    "request_task_updates": ("task_updates", "error"),
    "leave_task_monitoring": (),
}
"""What follows what a client says."""


class Channel(msgspec.Struct, frozen=True):
    """A way to be told: `enveloped` messages are `{"event": NAME, "data": ...}`; others are data, with a name beside them."""

    address: str
    title: str
    says: str
    server: tuple[str, ...]
    client: tuple[str, ...]
    enveloped: bool = False
    bindings: Json = {}


CHANNELS = {
    "websocket": Channel(
        "/api/ws",
        "WebSocket",
        'Text messages `{"event": NAME, "data": ...}` in both directions.',
        tuple(SERVER_EVENTS),
        tuple(CLIENT_EVENTS),
        enveloped=True,
        bindings={"ws": {"method": "GET"}},
    ),
    "stream": Channel(
        "/api/stream",
        "Server-sent events",
        "The subscription is in the query (`/openapi.json`). `event:` is the message's name, `data:` its payload, and `id:` "
        "the position, which comes back as `Last-Event-ID`. After `resync` the stream ends.",
        ("connected", "task_updates", "resync", "error"),
        (),
    ),
    "socketio": Channel(
        "/socket.io/",
        "Socket.IO",
        "For the stock client, version 4. An event has the message's name and its payload as only argument. A join without an "
        "argument is answered with whole snapshots, the body of `/api/tasks/realtime`, at most one a second.",
        tuple(SERVER_EVENTS),
        tuple(CLIENT_EVENTS),
    ),
}
TRACE = {
    name: {"anyOf": [{"type": "string"}, {"type": "null"}], "description": f"W3C Trace Context, as the header `{name}`."}
    for name in ("traceparent", "tracestate")
}
"""Which trace a client's message is part of."""
OF_SOCKET_IO = {"connected": (Greeting,), "task_updates": (Realtime, SnapshotData, DeltaData)}
"""What data are there, where they differ."""


def servers(host: str, root_path: str) -> Json:
    """Where the api is reached."""
    reached = {"host": host, "pathname": root_path or "/"}
    return {
        "api": {**reached, "protocol": "ws", "description": "This api."},
        "http": {**reached, "protocol": "http", "description": "This api, for what is no WebSocket."},
    }


def document() -> Json:
    """The document. Raises `NoExampleError` for a field without an example."""
    schemas = _schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Taskscope",
            "version": version("taskscope-api"),
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": servers("127.0.0.1:5051", ""),
        "channels": {name: _channel(name, channel, schemas) for name, channel in CHANNELS.items()},
        "operations": {
            operation: described for name, channel in CHANNELS.items() for operation, described in _operations(name, channel)
        },
        "components": {"schemas": schemas},
    }


# ------------------------------------------------------------------------------------------------------------- Schemas


def _schemas() -> Json:
    """Name -> schema of everything that messages refer to."""
    said = [kind for event in SERVER_EVENTS.values() for kind in event.data]
    taken = [kind for event in CLIENT_EVENTS.values() for kind in event.data]
    schemas = answer_schemas([*said, Greeting, Realtime, TaskRow])
    schemas |= msgspec.json.schema_components([*taken, FilterQuery], ref_template=REFERENCE)[1]
    for schema in schemas.values():
        if "enum" in schema:
            schema["type"] = "string"  # msgspec leaves it out
        schema.pop("discriminator", None)
    schemas["Filter"] = _filter(schemas.pop(FilterQuery.__name__))
    schemas["TaskRowPart"] = {
        **schemas[TaskRow.__name__],
        "title": "TaskRowPart",
        "description": "The members that `fields` names.",
        "required": list(ALWAYS),
    }
    rows = {"anyOf": [{"$ref": REFERENCE.format(name=name)} for name in (TaskRow.__name__, "TaskRowPart")]}
    for data, field in ((SnapshotData, "tasks"), (DeltaData, "upsert")):
        schemas[data.__name__]["properties"][field]["items"] = rows
    limit = schemas[Join.__name__]["properties"]["limit"]
    limit["anyOf"] = [
        {**one, "minimum": 1, "maximum": MAX_LIMIT} if one["type"] == "integer" else one for one in limit["anyOf"]
    ]
    return schemas


def _filter(query: Json) -> Json:
    """Of the query string's struct, as the same members are in JSON: lists are lists, and never null."""
    properties = query["properties"]
    for name in MANY:
        described = properties[name]
        described.update(next(one for one in described.pop("anyOf") if one["type"] == "array"))
        described["default"] = []
    return {
        "title": "Filter",
        "description": (Filter.__doc__ or "").strip().splitlines()[0],
        "type": "object",
        "properties": {name: properties[name] for name in Filter.__struct_fields__},
        "additionalProperties": False,
    }


# ------------------------------------------------------------------------------------------------------------ Messages


def _channel(name: str, channel: Channel, schemas: Mapping[str, Json]) -> Json:
    events = {event: SERVER_EVENTS[event] for event in channel.server} | {
        event: CLIENT_EVENTS[event] for event in channel.client
    }
    server = "api" if channel.enveloped else "http"
    return {
        "address": channel.address,
        "title": channel.title,
        "description": channel.says,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "messages": {event: _message(name, event, described, schemas) for event, described in events.items()},
        "bindings": deepcopy(channel.bindings),
    }


def _message(channel: str, name: str, event: Event, schemas: Mapping[str, Json]) -> Json:
    kinds = OF_SOCKET_IO.get(name, event.data) if channel == "socketio" else event.data
    data = _data(kinds)
    examples = [example_of({"$ref": REFERENCE.format(name=kind.__name__)}, schemas, kind.__name__) for kind in kinds] or [None]
    enveloped = CHANNELS[channel].enveloped
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "summary": event.says,
        "payload": _envelope(name, data, optional=name in CLIENT_EVENTS) if enveloped else data,
        "examples": [
            {"name": f"{name}{number or ''}", "payload": {"event": name, "data": one} if enveloped else one}
            for number, one in enumerate(examples)
        ],
    }


def _data(kinds: tuple[type[msgspec.Struct], ...]) -> Json:
    references = [{"$ref": REFERENCE.format(name=kind.__name__)} for kind in kinds]
    if not references:
        return {"type": "null"}
    return references[0] if len(references) == 1 else {"oneOf": references}


def _envelope(name: str, data: Json, *, optional: bool) -> Json:
    """A message of the WebSocket. What a client says may come without data, or with null."""
    if optional and "$ref" in data:
        data = {"anyOf": [data, {"type": "null"}]}
    return {
        "type": "object",
        "properties": {"event": {"const": name, "description": "What is said."}, "data": data, **(TRACE if optional else {})},
        "required": ["event"] if optional else ["event", "data"],
    }


# ---------------------------------------------------------------------------------------------------------- Operations


def _operations(name: str, channel: Channel) -> list[tuple[str, Json]]:
    """What the api sends of itself and receives there: `send` and `receive` are said from its side."""
    sends = [(f"{name}_{event}", _operation(name, "send", event, SERVER_EVENTS[event])) for event in channel.server]
    receives = [(f"{name}_{event}", _receiving(name, event)) for event in channel.client]
    return sends + receives


def _operation(channel: str, action: str, event: str, described: Event) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": event.replace("_", " ").capitalize(),
        "summary": described.says,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{event}"}],
    }


def _receiving(channel: str, event: str) -> Json:
    described = _operation(channel, "receive", event, CLIENT_EVENTS[event])
    if answers := ANSWERS[event]:
        described["reply"] = {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{answer}"} for answer in answers],
        }
    return described

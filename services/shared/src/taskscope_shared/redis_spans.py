"""Spans of what is asked of a Redis, by the conventions for databases: which command, never what is in it."""

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, Tracer

from taskscope_shared.tracing import Attributes, going_on


def asking(tracer: Tracer, command: str, count: int, host: str | None, port: int | None) -> AbstractContextManager[Span]:
    """A span around `count` commands that are sent as one, the first of which is `command`."""
    name = command if count == 1 or command == "MULTI" else "PIPELINE"
    told: dict[str, str | int | float | bool] = {"db.system.name": "redis", "db.operation.name": name}
    if count > 1:
        told["db.operation.batch.size"] = count
    return going_on(tracer, name, SpanKind.CLIENT, {**told, **_server(host, port)})


def _server(host: str | None, port: int | None) -> Attributes:
    if host is None:
        return {}
    return {"server.address": host} if port is None else {"server.address": host, "server.port": port}


def first_command(packed: bytes) -> str:
    """The name of the first of some packed commands (`*2\\r\\n$3\\r\\nGET\\r\\n..`)."""
    return packed.split(b"\r\n", 3)[2].decode("ascii", "replace").upper()

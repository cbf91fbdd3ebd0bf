"""A message of a WebSocket's client as a span: part of the trace that the client says, else of the socket's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind
from taskscope_shared.tracing import carried, going_on, read

from taskscope_api.subscriptions import ClientMessage


@contextmanager
def said(message: ClientMessage) -> Iterator[None]:
    """Around what a message makes us do. Its event is one of ours: whatever else a client says was refused before."""
    tracer = carried()
    if tracer is None:
        yield
        return
    parent = read(message.traceparent, message.tracestate)
    links = [] if parent is None else [Link(trace.get_current_span().get_span_context())]
    with going_on(tracer, message.event, SpanKind.SERVER, {"taskscope.event": message.event}, parent=parent, links=links):
        yield

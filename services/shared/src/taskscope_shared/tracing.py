"""Spans: made by OpenTelemetry's api alone, so that nothing of its SDK is loaded where telemetry is off.

The tracer travels with the span that it made (in OpenTelemetry's context). Whoever talks to Redis or a broker asks for
`ongoing()`: where nothing is traced that is one look into a context variable, and no span is made.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int | float | bool]
MAX_LINKS = 128
"""Of one span: the SDK drops what is more."""
_TRACER = context.create_key("taskscope-tracer")
_W3C = TraceContextTextMapPropagator()


def ongoing() -> Tracer | None:
    """The tracer of the span that is going on and recorded. None: whatever is done now is not traced."""
    tracer = carried()
    return tracer if tracer is not None and trace.get_current_span().is_recording() else None


def carried() -> Tracer | None:
    """The tracer of the span that is going on, be it recorded or not: for what may be part of another trace."""
    tracer = context.get_value(_TRACER)
    return tracer if isinstance(tracer, Tracer) else None


@contextmanager
def carrying(tracer: Tracer) -> Iterator[None]:
    """Let `ongoing` find `tracer` while the context lasts."""
    token = context.attach(context.set_value(_TRACER, tracer))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def going_on(
    tracer: Tracer,
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    *,
    parent: Context | None = None,
    links: Sequence[Link] = (),
    start: float | None = None,
) -> Iterator[Span]:
    """A span for what is done in the context; `ongoing` finds it. An exception that leaves is its error.

    `parent` is another process's (None: the span that is going on here); `start`, in epoch seconds, when it began (None: now).
    """
    span = tracer.start_span(name, parent, kind, attributes, links, None if start is None else nanoseconds(start))
    with carrying(tracer), trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except Exception as error:
            failed(span, error)
            raise


@contextmanager
def step(name: str, kind: SpanKind, attributes: Attributes | None = None) -> Iterator[None]:
    """`going_on` within a span that is recorded; nothing where there is none."""
    tracer = ongoing()
    if tracer is None:
        yield
    else:
        with going_on(tracer, name, kind, attributes):
            yield


def failed(span: Span, error: BaseException) -> None:
    """Mark the span: its kind of error, and what it says."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, str(error)[:200]))


def nanoseconds(seconds: float) -> int:
    """As OpenTelemetry counts time."""
    return int(seconds * 1e9)


# --------------------------------------------------------------------------------------------------- between processes


def written() -> dict[str, str]:
    """`traceparent`, and `tracestate` if there is one, of the span that is going on; empty without one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def read(traceparent: str | None, tracestate: str | None = None) -> Context | None:
    """What `written` said elsewhere; None for nothing, and for what is no `traceparent`."""
    if traceparent is None:
        return None
    carrier = {"traceparent": traceparent} | ({} if tracestate is None else {"tracestate": tracestate})
    found = _W3C.extract(carrier, Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


def span_context(found: Context) -> SpanContext:
    """The ids in it."""
    return trace.get_current_span(found).get_span_context()


def continuing(span: SpanContext) -> Context:
    """The context for a child of another process's span."""
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def link(traceparent: str) -> Link | None:
    """A link to the span of a `traceparent`; None for what is none, or was not sampled: nobody could follow it."""
    found = read(traceparent)
    if found is None or not span_context(found).trace_flags.sampled:
        return None
    return Link(span_context(found))

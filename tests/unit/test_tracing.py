"""Spans within a process: what is traced, what is not, what goes to the next one."""

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from support.spans import Spans
from taskscope_shared import tracing
from taskscope_shared.otel_sampling import sampler_of
from taskscope_shared.redis_link import pack
from taskscope_shared.redis_spans import first_command
from taskscope_shared.requests import PLACE, PlaceOf, ask_of, decode_ask, encode
from taskscope_shared.tracing import carried, going_on, ongoing, read, span_context, step, written

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PAGE = "taskscope=page"


@pytest.fixture
def spans() -> Spans:
    return Spans()


def test_nothing_goes_on_where_nothing_is_traced() -> None:
    assert ongoing() is None
    assert written() == {}
    with step("x", SpanKind.CLIENT):
        assert ongoing() is None
    asked = decode_ask(encode(ask_of("s", PLACE, PlaceOf("t", "q"), 1.0, "a")))
    assert (asked.traceparent, asked.tracestate) == (None, None)


def test_a_step_is_a_child_of_what_goes_on(spans: Spans) -> None:
    with going_on(spans.tracer, "outer"), step("inner", SpanKind.CLIENT, {"a": 1}):
        assert ongoing() is spans.tracer
    inner, outer = spans.ended
    assert inner.parent is not None
    assert (inner.parent.span_id, inner.kind, inner.attributes) == (outer.context.span_id, SpanKind.CLIENT, {"a": 1})
    assert ongoing() is None


def test_a_span_that_is_not_sampled_makes_nothing_but_says_so_further_on() -> None:
    spans = Spans(ALWAYS_OFF)
    with going_on(spans.tracer, "outer"):
        assert ongoing() is None
        assert carried() is spans.tracer
        assert written()["traceparent"].endswith(("-00", "-02"))
    assert spans.ended == []


def test_an_error_that_leaves_is_the_spans(spans: Spans) -> None:
    with pytest.raises(ValueError, match="no"), going_on(spans.tracer, "x"):
        raise ValueError("no")
    assert spans.ended[0].status.status_code is StatusCode.ERROR
    assert (spans.ended[0].attributes or {})["error.type"] == "ValueError"


def test_a_question_carries_the_askers_span(spans: Spans) -> None:
    with going_on(spans.tracer, "x", parent=read(PARENT, "vendor=1")):
        asked = decode_ask(encode(ask_of("s", PLACE, PlaceOf("t", "q"), 1.0, "a")))
    found = read(asked.traceparent, asked.tracestate)
    assert found is not None
    assert span_context(found).span_id == spans.ended[0].context.span_id
    assert span_context(found).trace_state == {"vendor": "1"}


@pytest.mark.parametrize("text", [None, "", "00-0-0-01", PARENT.replace("4bf9", "wxyz"), "x" * 10_000])
def test_what_is_no_traceparent_is_passed_over(text: str | None) -> None:
    assert read(text) is None
    if text is not None:
        assert tracing.link(text) is None


def test_only_a_sampled_span_is_linked_to() -> None:
    assert tracing.link(PARENT) is not None
    assert tracing.link(PARENT[:-1] + "0") is None


def test_the_first_of_packed_commands_is_known() -> None:
    assert first_command(pack([("UNWATCH",), ("GET", "k")])[0]) == "UNWATCH"
    assert first_command(pack([("blpop", "k", 2)])[0]) == "BLPOP"
    assert first_command(pack([("SET", "k", b"x" * 100_000)])[0]) == "SET"


# --------------------------------------------------------------------------------------------------------------- sampling


def sampled(sampler: str, ratio: float, traceparent: str, tracestate: str | None) -> tuple[bool, str | None]:
    """Whether a server's span is recorded, and the page's mark in what it passes on."""
    spans = Spans(sampler_of(sampler, ratio))
    with going_on(spans.tracer, "GET", SpanKind.SERVER, parent=read(traceparent, tracestate)):
        state = written().get("tracestate")
    return bool(spans.ended), state


LOW, HIGH = f"00-{1:032x}-{7:016x}-01", f"00-{'f' * 32}-{7:016x}-01"
"""By its id, the one is within every ratio above none, the other within none below all."""


def test_a_page_cannot_have_everything_sampled() -> None:
    assert sampled("parentbased_traceidratio", 0.1, HIGH, PAGE) == (False, None)
    assert sampled("parentbased_traceidratio", 0.1, LOW, PAGE) == (True, None)
    assert sampled("parentbased_always_off", 1.0, LOW, PAGE) == (False, None)


def test_what_a_page_began_is_sampled_by_default() -> None:
    assert sampled("parentbased_always_on", 1.0, HIGH, PAGE) == (True, None)


def test_other_vendors_members_go_on() -> None:
    assert sampled("parentbased_always_on", 1.0, HIGH, f"{PAGE},other=1") == (True, "other=1")


def test_another_services_word_is_taken() -> None:
    assert sampled("parentbased_traceidratio", 0.1, HIGH, None) == (True, None)
    assert sampled("parentbased_always_on", 1.0, HIGH[:-1] + "0", None) == (False, None)
    assert sampled("parentbased_traceidratio", 0.1, HIGH, "taskscope=other") == (True, "taskscope=other")


def test_a_sampler_that_asks_no_parent_decides_by_the_id() -> None:
    assert sampled("traceidratio", 0.1, HIGH, None)[0] is False
    assert sampled("always_on", 1.0, HIGH[:-1] + "0", None)[0] is True
    assert sampled("always_off", 1.0, HIGH, None)[0] is False

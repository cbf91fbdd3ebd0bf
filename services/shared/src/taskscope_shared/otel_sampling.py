"""Which traces are recorded: as `OTEL_TRACES_SAMPLER` says, but that a page in a browser decides nothing.

A page marks its requests as to be recorded (or a parent-based sampler would record none of them), and cannot know the ratio
that is configured. So it says in `tracestate` that it is a page, and the sampler decides as for a trace that begins here.
"""

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

PAGE = ("taskscope", "page")
"""The member of `tracestate` by which a page says what it is (services/web/src/lib/trace.ts)."""


def sampler_of(sampler: str, ratio: float) -> Sampler:
    """The sampler of that name; `ratio` is for those that have one."""
    root: Sampler = ALWAYS_OFF if sampler.endswith("always_off") else ALWAYS_ON
    if sampler.endswith("traceidratio"):
        root = TraceIdRatioBased(ratio)
    return PageSampler(root, ParentBased(root)) if sampler.startswith("parentbased_") else root


class PageSampler(Sampler):
    """`root` decides on what a page began, `others` on everything else."""

    def __init__(self, root: Sampler, others: Sampler) -> None:
        self._root = root
        self._others = others

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See `Sampler`. The mark ends here: who is asked further trusts this process's word."""
        parent = trace.get_current_span(parent_context).get_span_context()
        key, value = PAGE
        if not (parent.is_remote and parent.trace_state.get(key) == value):
            return self._others.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        decided = self._root.should_sample(None, trace_id, name, kind, attributes, links)
        return SamplingResult(decided.decision, decided.attributes, parent.trace_state.delete(key))

    def get_description(self) -> str:
        """See `Sampler`."""
        return self._others.get_description()

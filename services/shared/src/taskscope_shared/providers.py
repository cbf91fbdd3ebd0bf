"""Where a process gets its tracer and meter from: OpenTelemetry's SDK where `OTEL_*` switch it on, nowhere else.

Nothing here loads the SDK; `begin` does, when it is wanted.
"""

import logging
from collections.abc import Callable, Sequence

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
from opentelemetry.trace import Tracer, TracerProvider

from taskscope_shared.settings_otel import Otel

UP = "taskscope.redis.up"
"""The one metric that both services have."""


class Providers:
    """Of one process. None: that signal is exported nowhere, and nobody makes any of it."""

    def __init__(
        self,
        tracers: TracerProvider | None = None,
        meters: MeterProvider | None = None,
        end: Callable[[], None] = lambda: None,
        handlers: Sequence[logging.Handler] = (),
    ) -> None:
        self.tracers = tracers
        self.meters = meters
        self.end = end
        """Send what is left, in bounded time."""
        self.handlers = handlers
        """What takes log records, beside standard error."""

    @property
    def off(self) -> bool:
        """Whether nothing is exported."""
        return self.tracers is None and self.meters is None

    def tracer(self, name: str) -> Tracer | None:
        """What makes spans, in the name of a module or service."""
        return None if self.tracers is None else self.tracers.get_tracer(name)

    def meter(self, name: str) -> Meter | None:
        """What makes instruments."""
        return None if self.meters is None else self.meters.get_meter(name)

    def observe_redis(self, is_up: Callable[[], bool]) -> None:
        """Let `taskscope.redis.up` tell whether our own Redis answers; once in a process."""
        meter = self.meter("taskscope_shared")
        if meter is not None:

            def look(_: CallbackOptions) -> list[Observation]:
                return [Observation(int(is_up()))]

            meter.create_observable_gauge(UP, [look], "1", "Whether Taskscope's own Redis answers")


def begin(wanted: Otel | None, service: str) -> Providers:
    """What `wanted` asks for, in the name of the distribution `service`.

    Raises `SettingsError` when the port for Prometheus cannot be had.
    """
    if wanted is None:
        return Providers()
    from taskscope_shared import otel  # the SDK: 0.2 s and some MB, for those alone who use it

    return otel.begin(wanted, service)

"""What an api measures of itself. All of it is read when it is collected, by another thread."""

from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from taskscope_shared.providers import Providers

from taskscope_api.clients import Tally
from taskscope_api.fleet import Fleet
from taskscope_api.live_view import LiveView
from taskscope_api.services import Services

Look = Callable[[], Iterable[Observation]]


def observe(providers: Providers, services: Services) -> None:
    """Make all instruments, if they are read. docs/telemetry.md has their names; labels are bounded by the sources."""
    meter = providers.meter("taskscope_api")
    if meter is None:
        return
    _observe_clients(meter, services)
    _observe_view(meter, services.live, services.fleet)


def _observe_clients(meter: Meter, services: Services) -> None:
    tallies = services.tallies

    def of_each(value: Callable[[Tally], int]) -> Look:
        return lambda: [Observation(value(tally), {"transport": name}) for name, tally in tallies.by_transport()]

    _gauge(meter, "taskscope.clients", "{client}", of_each(lambda tally: tally.clients), "Clients that are connected")
    _counter(meter, "taskscope.frames", "{frame}", of_each(lambda tally: tally.frames), "Frames sent to clients")
    _counter(meter, "taskscope.frames.bytes", "By", of_each(lambda tally: tally.bytes), "Their bytes")
    cut = lambda: [Observation(services.hub.cuts)]  # noqa: E731 - one of a dozen
    _counter(meter, "taskscope.clients.cut", "{client}", cut, "Clients that were too slow, and had to join again")


def _observe_view(meter: Meter, live: LiveView, fleet: Fleet) -> None:
    def tasks() -> list[Observation]:
        return [Observation(len(replica.tasks), {"source": name}) for name, replica in list(live.replicas.items())]

    def stale() -> list[Observation]:
        return [Observation(int(live.is_behind(name)), {"source": name}) for name in list(fleet.followers)]

    def gaps() -> list[Observation]:
        return [Observation(follower.gaps, {"source": name}) for name, follower in list(fleet.followers.items())]

    _gauge(meter, "taskscope.live_view.tasks", "{task}", tasks, "Tasks that are held in memory")
    _gauge(meter, "taskscope.live_view.stale", "1", stale, "Whether what is shown of a source may be behind")
    _counter(meter, "taskscope.live_view.gaps", "{gap}", gaps, "Gaps in what was followed, each closed from the log")


def _gauge(meter: Meter, name: str, unit: str, look: Look, said: str) -> None:
    meter.create_observable_gauge(name, [_asked(look)], unit, said)


def _counter(meter: Meter, name: str, unit: str, look: Look, said: str) -> None:
    meter.create_observable_counter(name, [_asked(look)], unit, said)


def _asked(look: Look) -> Callable[[CallbackOptions], Any]:
    return lambda _: look()

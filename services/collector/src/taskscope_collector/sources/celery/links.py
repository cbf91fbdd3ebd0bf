"""Which transport watches which broker."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from taskscope_shared.settings import resolve_url

from taskscope_collector.observations import Sink, View
from taskscope_collector.sources.celery.amqp import AMQP_SCHEMES
from taskscope_collector.sources.celery.amqp_link import AmqpLink
from taskscope_collector.sources.celery.mailbox import Mailbox
from taskscope_collector.sources.celery.parts import Parts
from taskscope_collector.sources.celery.redis_link import RedisLink
from taskscope_collector.sources.resp_url import SCHEMES


class Link(Protocol):
    """A broker's transport. `listen` and `ask` go on until their connection ends, and raise what ended it."""

    transport: str

    async def listen(self, sink: Sink) -> None:
        """The event stream."""
        ...

    async def ask(self, sink: Sink, view: View) -> None:
        """Workers and queues."""
        ...

    def mailbox(self) -> AbstractAsyncContextManager[Mailbox]:
        """Remote control alone."""
        ...

    async def try_events(self) -> None:
        """Subscribe to the event stream once. Raises what prevents it."""
        ...


def link_of(parts: Parts) -> Link:
    """The transport that the broker's address names. Raises SecretUnavailableError, or ValueError for one that is not known."""
    scheme = resolve_url(parts.settings.broker_url).partition(":")[0]
    if scheme in SCHEMES:
        return RedisLink(parts)
    if scheme in AMQP_SCHEMES:
        return AmqpLink(parts)
    raise ValueError(f"a broker with {scheme or 'no scheme'} cannot be watched; redis and amqp ones can")

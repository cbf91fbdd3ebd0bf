"""Small things that every part that speaks AMQP needs."""

import asyncio
import logging
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection

AMQP_SCHEMES = frozenset({"amqp", "amqps", "pyamqp", "librabbitmq"})
HEARTBEAT_SECONDS = 10
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Exchange:
    """An exchange as Celery declares it."""

    name: str
    type: str
    durable: bool


def amqp_url(url: str) -> str:
    """The address as aiormq reads it, from one as kombu does: its schemes, and a heartbeat so that a dead peer is noticed."""
    parts = urlsplit(url)
    scheme = "amqps" if parts.scheme == "amqps" else "amqp"
    query = "&".join(filter(None, [parts.query, f"heartbeat={HEARTBEAT_SECONDS}", "name=taskscope"]))
    return urlunsplit((scheme, parts.netloc, parts.path, query, ""))


async def connect(url: str) -> AbstractConnection:
    """A connection. Raises AMQPError, OSError."""
    # It logs an error at each try; the source says why it is down, once.
    logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)
    async with asyncio.timeout(CONNECT_SECONDS):
        return await aiormq.connect(amqp_url(url))


async def close(connection: AbstractConnection) -> None:
    """End a connection, whatever state it is in."""
    try:
        async with asyncio.timeout(1.0):
            await connection.close()
    except (OSError, aiormq.AMQPError):
        return


async def open_channel(connection: AbstractConnection) -> AbstractChannel:
    """A channel without publisher confirms: what we publish is worthless a second later."""
    return await connection.channel(publisher_confirms=False)


async def exchange_exists(connection: AbstractConnection, name: str) -> bool:
    """Whether there is such an exchange. Asked on a channel of its own, since a no closes it."""
    channel = await open_channel(connection)
    try:
        await channel.exchange_declare(name, passive=True)
    except aiormq.ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


async def ensure_exchange(connection: AbstractConnection, exchange: Exchange) -> None:
    """Declare `exchange` as the workers would, unless it is there already."""
    if await exchange_exists(connection, exchange.name):
        return
    channel = await open_channel(connection)
    await channel.exchange_declare(exchange.name, exchange_type=exchange.type, durable=exchange.durable)
    await channel.close()


async def ended(connection: AbstractConnection, channel: AbstractChannel) -> None:
    """Wait until the connection or the channel ends; raises ConnectionError with the reason."""
    await asyncio.wait((connection.closing, channel.closing), return_when=asyncio.FIRST_COMPLETED)
    for closing in (channel.closing, connection.closing):
        if closing.done() and not closing.cancelled() and closing.exception() is not None:
            error = closing.exception()
            raise ConnectionError(str(error) or type(error).__name__)
    raise ConnectionError("the broker closed the connection")

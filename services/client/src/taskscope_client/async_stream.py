"""Live windows for asyncio."""

import asyncio
import contextlib
import logging
from typing import Self

from websockets.asyncio.client import ClientConnection, connect

from taskscope_client.access import Access, Options
from taskscope_client.backoff import Backoff
from taskscope_client.errors import TaskscopeError
from taskscope_client.refusals import PASSING, asked_to_wait, socket_url
from taskscope_client.replica import Replica
from taskscope_client.rows import Queue, Source, Summary, Task, Worker
from taskscope_client.session import MAX_MESSAGE, SILENCE_SECONDS, Session, Told
from taskscope_client.updates import Update

logger = logging.getLogger(__name__)


class AsyncStream:
    """A live window. Iterate over it: each update has been applied to `tasks`, `workers` and so on when it is given.

    It goes on until it is closed: what is cut off comes back, at another base URL if there is one, and gets what it missed.
    What another try would not cure raises `TaskscopeError`: a wrong filter, or rights that ended.
    """

    def __init__(self, access: Access, options: Options, session: Session) -> None:
        self._access = access
        self._options = options
        self._session = session
        self._backoff = Backoff(options.most_wait_seconds)
        self._connection: ClientConnection | None = None
        self._closing = asyncio.Event()
        self.reconnects = 0

    @property
    def replica(self) -> Replica:
        """Everything that the window holds."""
        return self._session.replica

    @property
    def tasks(self) -> dict[str, Task]:
        """Key -> task, of the window, in no order."""
        return self.replica.tasks

    @property
    def workers(self) -> dict[str, Worker]:
        """Key -> worker."""
        return self.replica.workers

    @property
    def queues(self) -> dict[str, Queue]:
        """Key -> queue."""
        return self.replica.queues

    @property
    def sources(self) -> dict[str, Source]:
        """Key -> source."""
        return self.replica.sources

    @property
    def summary(self) -> Summary:
        """Counts over all tasks of the filter's kind and source."""
        return self.replica.summary

    @property
    def total(self) -> int:
        """Tasks that match the filter, in the window or not."""
        return self.replica.total

    @property
    def position(self) -> str | None:
        """Where it stands: another stream with the same `fields` may begin there (`since`)."""
        return self.replica.position

    @property
    def resyncs(self) -> int:
        """How often it was too slow, and was cut by the api."""
        return self._session.resyncs

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End it. Another task that waits for an update is done then."""
        self._closing.set()
        await self._drop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        while not self._closing.is_set():
            try:
                told = await self._told()
            except PASSING as error:
                await self._lost(error)
            except TaskscopeError:
                await self._drop()
                raise
            else:
                if told.update is not None:
                    self._backoff.reset()
                    return told.update
        raise StopAsyncIteration

    async def _told(self) -> Told:
        connection = self._connection or await self._connected()
        told = self._session.take(await asyncio.wait_for(connection.recv(), SILENCE_SECONDS))
        if told.reply is not None:
            await connection.send(told.reply)
        return told

    async def _connected(self) -> ClientConnection:
        url = self._access.url
        self._connection = await connect(
            socket_url(url),
            additional_headers=self._access.headers(),
            ssl=self._options.ssl_context if url.startswith("https") else None,
            open_timeout=self._options.timeout_seconds,
            max_size=MAX_MESSAGE,
            compression=None,
            proxy=None,
        )
        await self._connection.send(self._session.join())
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _lost(self, error: Exception) -> None:
        """Wait for the time after which to try again. Raises `TaskscopeError` when that is of no use."""
        await self._drop()
        if self._closing.is_set():
            return
        self._access.turn_from(self._access.url)
        pause = self._backoff.pause(asked_to_wait(error, self._session))
        self.reconnects += 1
        logger.info("a stream was cut off (%s), and comes back in %.1f s", str(error) or type(error).__name__, pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), pause)

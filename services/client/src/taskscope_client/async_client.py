"""The client for asyncio."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar, Unpack, cast

import httpx

from taskscope_client import calls
from taskscope_client.access import DEFAULT_URL, Access, Options
from taskscope_client.analytics import Analytics, Failures
from taskscope_client.answers import Facets, Health, Page, Realtime
from taskscope_client.async_stream import AsyncStream
from taskscope_client.attempts import Attempts
from taskscope_client.calls import Answer, Call
from taskscope_client.filters import (
    AnalyticsOptions,
    FailureOptions,
    KindFilters,
    Many,
    QueueFilters,
    SourceFilters,
    TaskFilters,
    Value,
    WorkerFilters,
)
from taskscope_client.rows import Kind, Queue, Source, Task, TaskDetail, Worker, WorkerDetail
from taskscope_client.session import Session

Item = TypeVar("Item")


class AsyncClient:
    """Asks the api within asyncio.

    `base_url` may have a sub-path, and there may be several: where one does not answer the next is used. `token` says who
    asks, or `token_file` holds it and is read anew each time. An answer may take `timeout_seconds`; what is refused for now
    (429, 502, 503) or not answered is asked again, `retries` times, after what `Retry-After` says but at most
    `most_wait_seconds`. What fails in the end raises `TaskscopeError`. Proxies of the environment are not used.
    """

    def __init__(
        self,
        base_url: str | Sequence[str] = DEFAULT_URL,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        timeout_seconds: float = 15.0,
        retries: int = 3,
        most_wait_seconds: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._access = Access(base_url, token, token_file)
        self._options = Options(timeout_seconds, retries, most_wait_seconds, ssl_context)
        self._http = httpx.AsyncClient(
            timeout=timeout_seconds, trust_env=False, verify=True if ssl_context is None else ssl_context
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    # ----------------------------------------------------------------------------------------------------------- tasks

    def tasks(
        self,
        *,
        sort: str | None = None,
        fields: Many | None = None,
        page_size: int = 200,
        **filters: Unpack[TaskFilters],
    ) -> AsyncIterator[Task]:
        """All tasks that match, page by page. With `fields`, what was not chosen is empty in them."""
        return self._all(calls.tasks(_values(filters), sort, page_size, None, fields))

    async def tasks_page(
        self,
        *,
        sort: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        offset: int | None = None,
        fields: Many | None = None,
        **filters: Unpack[TaskFilters],
    ) -> Page[Task]:
        """One page of them, with how many match in `total`. `next_cursor` is the `cursor` of the page behind.

        `offset` leaves out so many at the beginning; not together with `cursor`.
        """
        return await self._get(calls.tasks(_values(filters), sort, limit, cursor, fields, offset))

    async def task(self, id: str, source: str | None = None) -> TaskDetail:  # noqa: A002 - what the api calls it
        """One task with all that is kept of it. Raises `TaskscopeError`: 404, or 409 when several sources have that id."""
        return await self._get(calls.task(id, source))

    async def facets(self, *, limit: int = 50, **filters: Unpack[TaskFilters]) -> Facets:
        """How the tasks that match are spread over states, kinds, names, queues, workers and sources."""
        return await self._get(calls.facets(_values(filters), limit))

    async def realtime(self, *, kind: Many | None = None, source: Many | None = None) -> Realtime:
        """What goes on now: summary, unfinished tasks, the newest finished ones, workers, queues and sources."""
        return await self._get(calls.realtime(kind, source))

    def stream(
        self,
        *,
        sort: str | None = None,
        limit: int = 100,
        fields: Many | None = None,
        since: str | None = None,
        **filters: Unpack[TaskFilters],
    ) -> AsyncStream:
        """A window over the first `limit` (at most 500) tasks that match, live. `since` is the `position` of another stream."""
        session = Session(_values(filters), sort, limit, fields)
        session.replica.position = since
        return AsyncStream(self._access, self._options, session)

    # ------------------------------------------------------------------------------------------------------- analytics

    async def analytics(self, window: str = "24h", **options: Unpack[AnalyticsOptions]) -> Analytics:
        """What ended in a window (`24h`, `7d`), summed up and by groups."""
        return await self._get(calls.analytics(window, _values(options)))

    async def failures(self, window: str = "24h", **options: Unpack[FailureOptions]) -> Failures:
        """Why retained tasks failed, by type of exception and shape of message."""
        return await self._get(calls.failures(window, _values(options)))

    # --------------------------------------------------------------------------------------------------------- cluster

    def workers(self, **filters: Unpack[WorkerFilters]) -> AsyncIterator[Worker]:
        """All workers that match."""
        return self._all(calls.workers(_values(filters)))

    async def worker(self, source: str, name: str) -> WorkerDetail:
        """One worker, with what it says itself when it is asked now."""
        return await self._get(calls.worker(source, name))

    def queues(self, **filters: Unpack[QueueFilters]) -> AsyncIterator[Queue]:
        """All queues that match."""
        return self._all(calls.queues(_values(filters)))

    def sources(self, **filters: Unpack[SourceFilters]) -> AsyncIterator[Source]:
        """All sources that match, with their health."""
        return self._all(calls.sources(_values(filters)))

    def kinds(self, **filters: Unpack[KindFilters]) -> AsyncIterator[Kind]:
        """All kinds, with the counts of their tasks."""
        return self._all(calls.kinds(_values(filters)))

    async def health(self) -> Health:
        """How the api and what it depends on are."""
        return await self._get(calls.health())

    # -------------------------------------------------------------------------------------------------------- requests

    async def _all(self, call: Call[Page[Item]]) -> AsyncIterator[Item]:
        while True:
            page = await self._get(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.behind(page.next_cursor)

    async def _get(self, call: Call[Answer]) -> Answer:
        attempts = Attempts(self._access, self._options)
        while True:
            url = self._access.url
            try:
                response = await self._http.get(url + call.path, params=call.query, headers=self._access.headers())
            except httpx.TransportError as error:
                pause = attempts.failed(url, error)
            else:
                wanted = attempts.answered(response)
                if wanted is None:
                    return call.decode(response.content)
                pause = wanted
            await asyncio.sleep(pause)


def _values(filters: Mapping[str, object]) -> Mapping[str, Value]:
    return cast("Mapping[str, Value]", filters)

"""Progress and results as a Redis result backend publishes them; polled where that is too much or not allowed.

The backend publishes each state of a task whole, on a channel named like its key. Channels know no database numbers, so an id
that nobody else told of is looked up in the backend's own database before it is believed.
"""

import asyncio
from typing import Any

from taskscope_shared.clock import Clock

from taskscope_collector.observations import Counts, Observation, Sink, View
from taskscope_collector.sources.celery.board import RESULTS, Board
from taskscope_collector.sources.celery.names import glob_escaped, result_prefix
from taskscope_collector.sources.celery.result_store import BITE, ResultStore
from taskscope_collector.sources.celery.roster import KnownIds
from taskscope_collector.sources.resp import RespConnection, RespError

OVERRUN_BYTES = 32 * 1024 * 1024
"""Bytes a second of publications above which results are polled instead: servers cut a subscriber that is 32 MB behind."""
OVERRUN_SECONDS = 2
POLLING_SECONDS = 60.0
"""How long results are polled before publications are tried again."""
DROPPED_AFTER_BYTES = 8 * 1024 * 1024
STRANGERS = 2_000
"""Results of ids nobody knows that wait for the look into the database."""
POLL_SECONDS = 2.0
POLLED_A_ROUND = 1_000


class ResultWatch:
    """Feeds the sink with results. `store` is made to work as long as there is a connection."""

    def __init__(self, store: ResultStore, known: KnownIds, board: Board, clock: Clock, counts: Counts) -> None:
        self._store = store
        self._known = known
        self._board = board
        self._clock = clock
        self._counts = counts
        self._prefix = b""
        self._batch: list[Observation] = []
        self._strangers: dict[str, Observation] = {}
        self._sink: Sink | None = None
        self._handing = False
        self._poll_until: float | None = None

    async def run(self, url: str, keyprefix: str, sink: Sink, view: View) -> None:
        """Watch until a connection ends; raises what ended it."""
        self._sink = sink
        prefix = result_prefix(keyprefix)
        self._prefix = prefix.encode()
        reading = await RespConnection.open(url)
        try:
            self._store.use(reading, prefix)
            self._board.result_backend = True
            await self._watch(url, prefix, view)
        finally:
            self._store.use(None)
            await reading.close()

    async def _watch(self, url: str, prefix: str, view: View) -> None:
        while True:
            now = self._clock.monotonic()
            if self._poll_until is not None and now < self._poll_until:
                self._board.up(RESULTS)
                await self._poll(view, self._poll_until - now)
                continue
            self._poll_until = None
            reason = await self._subscribed(url, prefix)
            self._poll_until = self._clock.monotonic() + POLLING_SECONDS
            self._board.degrade("results", f"{reason}: results are polled, so progress is coarser")

    async def _subscribed(self, url: str, prefix: str) -> str:
        """Take publications until they overrun or are refused; says why. Raises OSError when the connection ended otherwise."""
        connection = await RespConnection.open(url, on_push=self._take)
        try:
            await connection.execute("PSUBSCRIBE", f"{glob_escaped(prefix)}*")
            self._board.degrade("results", None)
            self._board.up(RESULTS)
            return await self._measure(connection)
        except RespError as error:
            return f"the result backend does not let us subscribe ({error.code})"
        finally:
            await connection.close()

    async def _measure(self, connection: RespConnection) -> str:
        ended = asyncio.ensure_future(connection.closed())
        over = 0
        quiet = 0
        try:
            while True:
                before = connection.bytes_received
                done, _ = await asyncio.wait((ended,), timeout=1.0)
                received = connection.bytes_received - before
                if done:
                    if received > DROPPED_AFTER_BYTES:
                        return "the server cut our subscription to results"
                    ended.result()
                over = over + 1 if received > OVERRUN_BYTES else 0
                if over >= OVERRUN_SECONDS:
                    return f"results are published at {received // 1_000_000} MB/s"
                quiet = 0 if received else quiet + 1
                if quiet and quiet % 5 == 0:
                    await connection.execute("PING")
                await self._look_up_strangers()
                self._tell_opaque()
        finally:
            ended.cancel()

    def _take(self, message: list[Any]) -> None:
        channel: bytes = message[2]
        self._counts.received += 1
        task_id = channel[len(self._prefix) :].decode("utf-8", "replace")
        result = self._store.decoded(task_id, message[3])
        if result is None:
            return
        if task_id in self._known:
            self._batch.append(result)
        elif len(self._strangers) < STRANGERS:
            self._strangers[task_id] = result
        else:
            self._counts.dropped += 1
        if not self._handing:
            self._handing = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._handing = False
        if self._batch and self._sink is not None:
            batch, self._batch = self._batch, []
            self._sink.put(batch)

    async def _look_up_strangers(self) -> None:
        # An event of the task may have come meanwhile: a publication can precede it.
        while self._strangers and self._sink is not None:
            bite = [self._strangers.popitem() for _ in range(min(BITE, len(self._strangers)))]
            unknown = [task_id for task_id, _ in bite if task_id not in self._known]
            ours = set(await self._store.stored(unknown))
            self._known.current.update(ours)
            self._sink.put([result for task_id, result in bite if task_id in self._known])

    async def _poll(self, view: View, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        offset = 0
        while self._clock.monotonic() < until:
            open_tasks = view.open_tasks()
            offset = 0 if offset >= len(open_tasks) else offset
            asked = open_tasks[offset : offset + POLLED_A_ROUND]
            offset += POLLED_A_ROUND
            found = await self._store.fetch(asked)
            if found and self._sink is not None:
                self._sink.put(list(found.values()))
            self._tell_opaque()
            await asyncio.sleep(min(POLL_SECONDS, max(0.0, until - self._clock.monotonic())))

    def _tell_opaque(self) -> None:
        if self._store.opaque:
            self._board.note(
                "opaque", "some results are not JSON (pickles are never read): their outcome comes from events alone"
            )

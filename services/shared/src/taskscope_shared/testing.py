"""The store's in-memory twin, for tests: the same answers and errors as `redis_store.RedisStore`, within one event loop."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from taskscope_shared import codec, requests
from taskscope_shared.clock import Clock
from taskscope_shared.codec import Head, Message
from taskscope_shared.model import Position, Queue, Source, Task, Worker
from taskscope_shared.redis_log import LogTail
from taskscope_shared.redis_reader import check_continues
from taskscope_shared.replicas import ANNOUNCED_SECONDS, SECRET_BYTES
from taskscope_shared.requests import ASKED_AT_MOST, OUTSTANDING, Answer, Ask, NoAnswerError, Taken
from taskscope_shared.store import Flush, GapError, Lease, LeaseLostError, Snapshot, StoreChangedError, StoreError

FOLLOW_MESSAGES = 10_000
"""Published messages that may wait for one follower."""

Cells = dict[tuple[int, int], dict[str, bytes]]


class _State(msgspec.Struct):
    """All of one source."""

    lease: str | None = None
    lease_until: float = 0.0
    meta: dict[str, str] = {}
    tasks: dict[str, bytes] = {}
    workers: dict[str, Worker] = {}
    queues: dict[str, Queue] = {}
    health: Source | None = None
    cells: Cells = {}
    log: list[tuple[Position, bytes]] = []
    tail: LogTail | None = None


class MemoryStore:
    """`store.Store` in this process. `fault` makes every call raise it, as a server that is away would."""

    def __init__(self, clock: Clock, *, log_bytes: int = 64 * 1024 * 1024, log_seconds: float = 300.0) -> None:
        self._clock = clock
        self._log_bytes = log_bytes
        self._log_seconds = log_seconds
        self._states: dict[str, _State] = {}
        self._announced: dict[str, float] = {}
        self._followers: list[tuple[frozenset[str], asyncio.Queue[bytes]]] = []
        self.fault: StoreError | None = None
        self.forbidden: set[str] = set()
        self.undecodable = 0

    # --------------------------------------------------------------------------------------------------------- write

    async def acquire(self, source: str, holder: str, ttl_seconds: float) -> Lease | None:
        """See `Writer.acquire`."""
        state = self._state(source)
        if self._held(state) is not None:
            return None
        lease = Lease(
            source=source,
            holder=holder,
            epoch=self._next_epoch(state),
            incarnation=state.meta.get("incarnation") or secrets.token_hex(8),
            head=_head(state),
            complete=state.meta.get("complete") == "1",
        )
        self._take(state, lease, ttl_seconds)
        return lease

    async def lease_left(self, source: str) -> float:
        """See `Writer.lease_left`."""
        state = self._state(source)
        return 0.0 if self._held(state) is None else state.lease_until - self._clock.monotonic()

    async def restart(self, lease: Lease) -> Lease:
        """See `Writer.restart`."""
        state = self._state(lease.source)
        value = self._held(state)
        if value not in (None, lease.value):
            raise LeaseLostError(f"{lease.source}: the lease is held by {value}")
        epoch = max(self._next_epoch(state), lease.epoch + 1)
        begun = Lease(lease.source, lease.holder, epoch, secrets.token_hex(8), Position(), complete=False)
        self._take(state, begun, max(state.lease_until - self._clock.monotonic(), 1.0))
        for dropped in (state.log, state.workers, state.queues):
            dropped.clear()
        return begun

    async def release(self, lease: Lease) -> None:
        """See `Writer.release`."""
        state = self._state(lease.source)
        if self._held(state) == lease.value:
            state.lease = None
            state.meta["released"] = str(lease.epoch)

    async def flush(self, lease: Lease, batch: Flush, ttl_seconds: float) -> None:
        """See `Writer.flush`."""
        state = self._state(lease.source)
        entry = codec.encode(batch.entry(lease))
        self._compare(state, lease, lease.before(batch.seq))
        state.lease_until = self._clock.monotonic() + ttl_seconds
        _write(state, batch)
        self._append(state, Position(lease.epoch, batch.seq), batch, entry)
        self._publish(lease.source, entry)

    async def announce(self, lease: Lease, position: Position, at: float, ttl_seconds: float | None = None) -> None:
        """See `Writer.announce`."""
        state = self._state(lease.source)
        self._compare(state, lease, position)
        if ttl_seconds is not None:
            state.lease_until = self._clock.monotonic() + ttl_seconds
        self._announced[lease.source] = at
        self._publish(lease.source, codec.encode(Head(codec.CODEC, lease.source, lease.incarnation, position, at)))

    def holder_of(self, source: str) -> str | None:
        """The value of the source's lease, if anybody holds it."""
        return self._held(self._state(source))

    def _held(self, state: _State) -> str | None:
        return state.lease if state.lease_until > self._clock.monotonic() else None

    def _next_epoch(self, state: _State) -> int:
        seen = max(int(state.meta.get("epoch", 0)), _head(state).epoch)
        return max(int(self._clock.now() * 1000), seen + 1)

    def _take(self, state: _State, lease: Lease, ttl_seconds: float) -> None:
        state.lease = lease.value
        state.lease_until = self._clock.monotonic() + ttl_seconds
        fields = {"incarnation": lease.incarnation, "head": str(lease.head), "epoch": str(lease.epoch)}
        state.meta.update(fields, complete="1" if lease.complete else "0")
        state.tail = None

    def _compare(self, state: _State, lease: Lease, expected: Position) -> None:
        value, source = self._held(state), lease.source
        if value not in (None, lease.value):
            raise LeaseLostError(f"{source}: the lease is held by {value}")
        if state.meta.get("incarnation") != lease.incarnation or _head(state) < expected:
            raise StoreChangedError(f"{source}: the store is not as it was left at {expected}")
        if value is None:
            raise LeaseLostError(f"{source}: the lease expired")
        if _head(state) != expected:
            raise StoreChangedError(f"{source}: the store is ahead, at {_head(state)} instead of {expected}")

    def _append(self, state: _State, position: Position, batch: Flush, entry: bytes) -> None:
        if state.tail is None:
            found = int(state.meta.get("log_bytes", 0))
            state.tail = LogTail(position.epoch, found, self._clock.now(), self._log_bytes, self._log_seconds)
        oldest = state.tail.add(position.seq, batch.at, len(entry))
        state.log.append((position, entry))
        if oldest is not None:
            state.log = [kept for kept in state.log if kept[0] >= oldest]
        complete = "1" if batch.complete else "0"
        state.meta.update({"head": str(position), "complete": complete, "log_bytes": str(state.tail.bytes), **batch.meta})

    def _publish(self, source: str, payload: bytes) -> None:
        for sources, queue in self._followers:
            if source in sources and not queue.full():
                queue.put_nowait(payload)

    # ---------------------------------------------------------------------------------------------------------- read

    async def head(self, source: str) -> tuple[str, Position] | None:
        """See `Writer.head`."""
        state = self._state(source)
        return (state.meta["incarnation"], _head(state)) if "incarnation" in state.meta else None

    async def meta(self, source: str) -> dict[str, str]:
        """See `Writer.meta`."""
        return dict(self._state(source).meta)

    async def events_forbidden(self, source: str) -> bool:
        """See `Writer.events_forbidden`; tests set it in `forbidden`."""
        self._answer()
        return source in self.forbidden

    async def load_tasks(self, source: str, ids: Sequence[str]) -> dict[str, Task]:
        """See `Writer.load_tasks`."""
        tasks = self._state(source).tasks
        return {id_: codec.decode_task(tasks[id_]) for id_ in ids if id_ in tasks}

    async def load_workers(self, source: str) -> list[Worker]:
        """See `Writer.load_workers`."""
        return list(self._state(source).workers.values())

    async def load_queues(self, source: str) -> list[Queue]:
        """See `Writer.load_queues`."""
        return list(self._state(source).queues.values())

    async def task_ids(self, source: str) -> list[str]:
        """See `Writer.task_ids`."""
        return list(self._state(source).tasks)

    async def load_cells(
        self, source: str, wanted: Mapping[tuple[int, int], Sequence[str]]
    ) -> dict[tuple[int, int, str], bytes]:
        """See `Writer.load_cells`."""
        state = self._state(source)
        found: dict[tuple[int, int, str], bytes] = {}
        for bucket, fields in wanted.items():
            cells = state.cells.get(bucket, {})
            found.update(((*bucket, field), cells[field]) for field in fields or cells if field in cells)
        return found

    async def sources(self) -> list[str]:
        """See `Reader.sources`."""
        self._answer()
        return sorted(self._announced)

    async def snapshot(self, source: str) -> Snapshot | None:
        """See `Reader.snapshot`."""
        state = self._state(source)
        if "incarnation" not in state.meta:
            return None
        return Snapshot(
            source=source,
            incarnation=state.meta["incarnation"],
            position=_head(state),
            complete=state.meta["complete"] == "1",
            packed=list(state.tasks.values()),
            workers=list(state.workers.values()),
            queues=list(state.queues.values()),
            health=state.health,
        )

    async def log(self, source: str, incarnation: str, after: Position, limit: int = 1000) -> list[Message]:
        """See `Reader.log`."""
        state = self._state(source)
        if state.meta.get("incarnation") != incarnation:
            raise GapError(f"{source}: {incarnation} is not the store's incarnation any more")
        entries = [codec.decode_message(entry) for position, entry in state.log if position > after][:limit]
        check_continues(source, after, _head(state), entries)
        return entries

    def follow(self, sources: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
        """See `Reader.follow`."""
        return self._follow(frozenset(sources))

    @asynccontextmanager
    async def _follow(self, sources: frozenset[str]) -> AsyncIterator[AsyncIterator[Message]]:
        self._answer()
        follower = (sources, asyncio.Queue[bytes](FOLLOW_MESSAGES))
        self._followers.append(follower)
        try:
            yield self._messages(follower[1])
        finally:
            self._followers.remove(follower)

    async def _messages(self, queue: asyncio.Queue[bytes]) -> AsyncIterator[Message]:
        while True:
            if queue.full():
                raise StoreError("too many messages waited to be read from the channel: read the log instead")
            payload = await queue.get()
            try:
                message = codec.decode_message(payload)
            except (codec.UnknownCodecError, msgspec.DecodeError):
                self.undecodable += 1
                continue
            yield message

    async def ping(self) -> None:
        """See `Store.ping`."""
        self._answer()

    async def close(self) -> None:
        """See `Store.close`."""

    # --------------------------------------------------------------------------------------------------------- faults

    def erase(self) -> None:
        """Come back empty."""
        self._states.clear()

    def publish_raw(self, source: str, payload: bytes) -> None:
        """Publish what no writer of ours would."""
        self._publish(source, payload)

    def _answer(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _state(self, source: str) -> _State:
        self._answer()
        return self._states.setdefault(source, _State())


def _head(state: _State) -> Position:
    return Position.parse(state.meta.get("head", "0-0"))


def _write(state: _State, batch: Flush) -> None:
    state.tasks.update(batch.tasks)
    state.workers.update((worker.name, worker) for worker in batch.workers)
    state.queues.update((queue.name, queue) for queue in batch.queues)
    for id_ in batch.removed:
        state.tasks.pop(id_, None)
    for name in batch.removed_workers:
        state.workers.pop(name, None)
    for name in batch.removed_queues:
        state.queues.pop(name, None)
    if batch.health is not None:
        state.health = batch.health
    for bucket, cells in batch.cells.items():
        _write_cells(state.cells.setdefault(bucket, {}), cells)


def _write_cells(stored: dict[str, bytes], cells: Mapping[str, bytes | None]) -> None:
    for field, cell in cells.items():
        if cell is None:
            stored.pop(field, None)
        else:
            stored[field] = cell


class MemoryRequests:
    """`requests.Asker` and `requests.Answerer` in this process; the leases are those of `store`."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._asks: dict[str, dict[str, tuple[float, bytes]]] = {}
        self._asked = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self.late = 0

    async def ask(self, source: str, kind: str, arguments: msgspec.Struct, seconds: float) -> bytes:
        """See `requests.Asker`."""
        if len(self._waiting) >= OUTSTANDING:
            raise NoAnswerError(f"{OUTSTANDING} questions wait for their answers already: ask again later")
        ask = requests.ask_of(source, kind, arguments, seconds, "memory")
        future = self._waiting[ask.id] = asyncio.get_running_loop().create_future()
        asks = self._asks.setdefault(source, {})
        asks[ask.id] = (self._clock.monotonic(), requests.encode(ask))
        if len(asks) > ASKED_AT_MOST:
            del asks[next(iter(asks))]
        self._asked.set()
        try:
            async with asyncio.timeout(seconds):
                return requests.body_of(requests.decode_answer(await future))
        except TimeoutError:
            raise NoAnswerError(f"no collector answered within {seconds:g} s") from None
        finally:
            del self._waiting[ask.id]

    async def take(self, lease: Lease, wait_seconds: float) -> list[Taken]:
        """See `requests.Answerer`."""
        if not self._asks.get(lease.source):
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._asked.wait()
        asks = self._asks.get(lease.source, {})
        if not asks:
            return []
        if self._store.holder_of(lease.source) != lease.value:
            raise LeaseLostError(f"{lease.source}: questions are for the lease's holder")
        taken, now = list(asks.values()), self._clock.monotonic()
        asks.clear()
        aged = [(requests.decode_ask(data), now - at) for at, data in taken]
        self.late += sum(age >= ask.seconds for ask, age in aged)
        return [Taken(ask, ask.seconds - age) for ask, age in aged if age < ask.seconds]

    async def answer(self, ask: Ask, answer: Answer) -> None:
        """See `requests.Answerer`."""
        future = self._waiting.get(ask.id)
        if future is not None and not future.done():
            future.set_result(requests.encode(answer))

    async def close(self) -> None:
        """Nothing is open."""


class MemoryReplicas:
    """`replicas.Replicas` in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._announced: dict[str, tuple[str, float]] = {}
        self._secret = secrets.token_hex(SECRET_BYTES)

    async def announce(self, replica: str, url: str) -> str:
        """See `replicas.Replicas`."""
        self._announced[replica] = (url, self._clock.monotonic() + ANNOUNCED_SECONDS)
        return self._secret

    async def url_of(self, replica: str) -> str | None:
        """See `replicas.Replicas`."""
        url, until = self._announced.get(replica, (None, 0.0))
        return url if self._clock.monotonic() < until else None

    async def withdraw(self, replica: str) -> None:
        """See `replicas.Replicas`."""
        self._announced.pop(replica, None)

    async def close(self) -> None:
        """Nothing is open."""

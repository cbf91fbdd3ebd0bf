"""The least that a collector in Python costs here: `python least.py BROKER_PORT STORE_PORT`.

Subscribes, decodes, keeps one struct a task, and writes what changed each 100 ms to a hash, a stream and a channel. No redaction,
rollups, lease, order, late facts nor any other source of knowledge: what the collector costs more is the price of those. The bench
runs it beside the collector, since the speed of a machine that others share changes by a factor of two within minutes.
"""

import asyncio
import sys

import hiredis
import msgspec

FLUSH_SECONDS = 0.1
RETAINED = 100_000


class Envelope(msgspec.Struct, gc=False):
    """As kombu wraps a message."""

    body: bytes


class Event(msgspec.Struct, gc=False):
    """What is read of a task's event."""

    type: str
    uuid: str
    timestamp: float
    hostname: str = ""
    clock: int = 0
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    root_id: str | None = None
    queue: str | None = None
    result: str | None = None
    runtime: float | None = None
    exception: str | None = None
    traceback: str | None = None


class Task(msgspec.Struct, array_like=True, gc=False):
    """What is kept of a task."""

    id: str
    state: str = ""
    name: str | None = None
    queue: str | None = None
    worker: str | None = None
    sent_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    args: str | None = None
    kwargs: str | None = None
    root_id: str | None = None
    result: str | None = None
    runtime: float | None = None
    exception: str | None = None
    traceback: str | None = None
    clock: int = 0
    dirty: bool = False


class Least(asyncio.BufferedProtocol):
    """Reads the events."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.dirty: list[Task] = []
        self._room = bytearray(4 * 1024 * 1024)
        self._reader = hiredis.Reader()
        self._envelope = msgspec.json.Decoder(Envelope).decode
        self._one = msgspec.json.Decoder(Event).decode
        self._many = msgspec.json.Decoder(list[Event]).decode

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """Where to read to."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Decode at once what was read."""
        for at in range(0, nbytes, 16_384):
            self._reader.feed(self._room, at, min(16_384, nbytes - at))  # type: ignore[arg-type] # its stub: str or bytes
            while (message := self._reader.gets()) is not False:
                if isinstance(message, list) and len(message) == 4 and b"/task." in message[2]:
                    self._take(self._envelope(message[3]).body)

    def _take(self, body: bytes) -> None:
        for event in self._many(body) if body[:1] == b"[" else (self._one(body),):
            task = self.tasks.get(event.uuid)
            if task is None:
                task = self.tasks[event.uuid] = Task(event.uuid)
            _apply(event, task)
            if not task.dirty:
                task.dirty = True
                self.dirty.append(task)


def _apply(event: Event, task: Task) -> None:
    kind, task.clock = event.type, event.clock
    if kind == "task-started":
        task.state, task.started_at = "running", event.timestamp
    elif kind == "task-succeeded":
        task.state, task.finished_at, task.result, task.runtime = "succeeded", event.timestamp, event.result, event.runtime
    elif kind == "task-failed":
        task.state, task.finished_at, task.exception = "failed", event.timestamp, event.exception
        task.traceback = event.traceback
    else:
        task.name, task.args, task.kwargs, task.root_id = event.name, event.args, event.kwargs, event.root_id
        if kind == "task-sent":
            task.state, task.sent_at, task.queue = "queued", event.timestamp, event.queue
        else:
            task.state, task.received_at, task.worker = "reserved", event.timestamp, event.hostname


async def main(broker: int, store: int) -> None:
    """Run until killed."""
    loop = asyncio.get_running_loop()
    reading, least = await loop.create_connection(Least, "127.0.0.1", broker)
    writing, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", store)
    reading.write(hiredis.pack_command(("PSUBSCRIBE", "/0.celeryev/*")))  # type: ignore[arg-type] # its stub: one element
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        changed, least.dirty = least.dirty, []
        if changed:
            writing.writelines(_flush(changed))
        if len(least.tasks) > RETAINED:
            for id_ in list(least.tasks)[:-RETAINED]:
                del least.tasks[id_]


def _flush(changed: list[Task]) -> list[bytes]:
    fields: list[str | bytes] = []
    for task in changed:
        task.dirty = False
        fields += (task.id, msgspec.msgpack.encode(task))
    entry = msgspec.msgpack.encode(fields)
    commands = (
        ("HSET", "tasks", *fields),
        ("XADD", "log", "MAXLEN", "~", "1000", "*", "d", entry),
        ("PUBLISH", "tasks", entry),
    )
    return [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type] # as above


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))

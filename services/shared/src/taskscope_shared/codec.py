"""Bytes and the model, versioned.

What goes through Redis is msgpack: one `Entry` for each flush (in the log and on the channel, the same bytes), one `Head`
each second on the channel, and a `Task`, `Worker`, `Queue` or `Source` for each field of the state hashes.
"""

import msgspec

from taskscope_shared.model import Position, Queue, Source, Task, Worker

CODEC = 1
"""Version written. A reader takes this one and the one before (0: none yet)."""


class UnknownCodecError(Exception):
    """Written by a Taskscope too new or too old to be read by this one."""

    def __init__(self, version: int) -> None:
        super().__init__(f"codec version {version} cannot be read; this Taskscope reads {CODEC - 1} and {CODEC}")
        self.version = version


class Entry(msgspec.Struct, frozen=True, array_like=True, tag="entry"):
    """One flush. `previous` is the position before it in the log, of an older epoch for an epoch's first entry.

    `tasks` holds each changed task whole, encoded; `removed` the ids that left the retained ones.
    """

    codec: int
    source: str
    incarnation: str
    position: Position
    previous: Position
    at: float
    tasks: list[msgspec.Raw] = []
    removed: list[str] = []
    workers: list[Worker] = []
    removed_workers: list[str] = []
    queues: list[Queue] = []
    removed_queues: list[str] = []
    health: Source | None = None
    traceparent: str | None = None


class Head(msgspec.Struct, frozen=True, array_like=True, tag="head"):
    """The log's newest position, announced each second, so that a reader notices even that the last message was lost."""

    codec: int
    source: str
    incarnation: str
    position: Position
    at: float


Message = Entry | Head

_encoder = msgspec.msgpack.Encoder()
_message: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Entry | Head)
_task = msgspec.msgpack.Decoder(Task)
_worker = msgspec.msgpack.Decoder(Worker)
_queue = msgspec.msgpack.Decoder(Queue)
_source = msgspec.msgpack.Decoder(Source)

encode = _encoder.encode
encode_into = _encoder.encode_into
decode_task = _task.decode
decode_worker = _worker.decode
decode_queue = _queue.decode
decode_source = _source.decode


def decode_message(data: bytes) -> Message:
    """What was published or logged.

    Raises `UnknownCodecError` for a version that cannot be read, `msgspec.DecodeError` for anything else that is wrong.
    """
    try:
        message: Message = _message.decode(data)
    except msgspec.ValidationError:
        _refuse_unknown(data)
        raise
    if message.codec not in (CODEC, CODEC - 1):
        raise UnknownCodecError(message.codec)
    return message


def _refuse_unknown(data: bytes) -> None:
    fields = msgspec.msgpack.decode(data)
    if isinstance(fields, list) and len(fields) > 1 and isinstance(fields[1], int) and fields[1] > CODEC:
        raise UnknownCodecError(fields[1])

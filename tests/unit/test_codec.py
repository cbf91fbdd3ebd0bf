"""What goes through Redis: readable across versions, and refused with a reason where it is not."""

import msgspec
import pytest
from taskscope_collector.reducer.record import Draft
from taskscope_shared import codec
from taskscope_shared.codec import CODEC, Entry, Head, UnknownCodecError
from taskscope_shared.model import Attempt, Engine, Position, Progress, State, Task
from taskscope_shared.store import Flush, Lease

LEASE = Lease("s", "a", 7, "incarnation", Position(3, 9), complete=True)


def test_a_task_comes_back_as_it_was_written() -> None:
    task = Task("1", "s", Engine.RQ, State.RUNNING, 7, 1, progress=Progress(1, 2, 50.0), history=(Attempt(1, State.RETRYING),))
    assert codec.decode_task(codec.encode(task)) == task


def test_a_draft_is_encoded_as_a_task() -> None:
    assert Draft.__struct_fields__ == Task.__struct_fields__
    draft = Draft("1", "s", Engine.CELERY, State.QUEUED, args="()")
    assert codec.decode_task(codec.encode(draft)) == Task("1", "s", Engine.CELERY, State.QUEUED, 0, 0, args="()")


def test_a_task_with_fields_of_a_newer_version_is_read_without_them() -> None:
    fields = msgspec.msgpack.decode(codec.encode(Task("1", "s", Engine.RQ, State.QUEUED, 1, 1)))
    assert codec.decode_task(msgspec.msgpack.encode([*fields, "new"])).id == "1"


def test_a_task_of_an_older_version_gets_the_defaults() -> None:
    fields = msgspec.msgpack.decode(codec.encode(Task("1", "s", Engine.RQ, State.QUEUED, 1, 1)))
    assert codec.decode_task(msgspec.msgpack.encode(fields[:6])).kind == "other"


def test_an_entry_holds_the_bytes_of_its_tasks_and_what_came_before() -> None:
    data = codec.encode(Task("1", "s", Engine.RQ, State.QUEUED, 7, 1))
    first, second = (Flush(seq, 1.0, tasks={"1": data}).entry(LEASE) for seq in (1, 2))
    assert (first.previous, first.position, second.previous) == (Position(3, 9), Position(7, 1), Position(7, 1))
    read = codec.decode_message(codec.encode(first))
    assert isinstance(read, Entry)
    assert bytes(read.tasks[0]) == data


def test_a_message_of_an_unknown_version_is_refused_with_that_version() -> None:
    with pytest.raises(UnknownCodecError, match="99"):
        codec.decode_message(codec.encode(Head(99, "s", "i", Position(), 1.0)))
    with pytest.raises(UnknownCodecError, match="99"):
        codec.decode_message(msgspec.msgpack.encode(["entry", 99, {"quite": "different"}]))


def test_what_is_no_message_is_refused() -> None:
    for data in (b"", b"\xc1", msgspec.msgpack.encode(["entry", CODEC])):
        with pytest.raises(msgspec.DecodeError):
            codec.decode_message(data)


def test_a_position_is_read_as_it_is_written() -> None:
    assert Position.parse(str(Position(12, 3))) == Position(12, 3)
    with pytest.raises(ValueError, match="invalid literal"):
        Position.parse("x-1")

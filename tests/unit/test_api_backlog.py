from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from support.api import task
from taskscope_api.backlog import Backlog, Squeezed
from taskscope_shared import codec
from taskscope_shared.codec import CODEC, Entry, Head
from taskscope_shared.model import Position


def entry(seq: int, tasks: Sequence[str] = (), removed: Sequence[str] = ()) -> Entry:
    raws = [Raw(codec.encode(task(id_, seq=seq))) for id_ in tasks]
    return Entry(CODEC, "s", "inc", Position(1, seq), Position(1, seq - 1), 0.0, raws, list(removed))


IDS = st.lists(st.sampled_from("abcd"), max_size=4, unique=True)


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=20))
def test_squeezed_entries_leave_what_one_by_one_would(steps: list[tuple[list[str], list[str]]]) -> None:
    one_by_one: dict[str, int] = {}
    squeezed = Squeezed()
    for seq, (changed, left) in enumerate(steps, 1):
        gone = [id_ for id_ in left if id_ not in changed]
        squeezed.add(entry(seq, changed, gone))
        one_by_one.update(dict.fromkeys(changed, seq))
        for id_ in gone:
            one_by_one.pop(id_, None)
    at_once = {id_: codec.decode_task(raw).seq for id_, raw in squeezed.tasks.items()}
    assert at_once == one_by_one
    assert squeezed.position == Position(1, len(steps))


def test_each_task_of_a_backlog_is_kept_once() -> None:
    squeezed = Squeezed()
    for seq in range(1, 50):
        squeezed.add(entry(seq, ["a", "b"]))
    assert len(squeezed.tasks) == 2


def test_an_undecodable_task_is_counted_and_its_entry_goes_on() -> None:
    squeezed = Squeezed()
    broken = entry(1, ["a"])
    broken.tasks.append(Raw(b"\xc1"))
    squeezed.add(broken)
    assert (list(squeezed.tasks), squeezed.undecodable) == (["a"], 1)


def test_a_full_backlog_drops_the_oldest_and_counts_it() -> None:
    backlog = Backlog(limit_tasks=10)
    for seq in range(1, 6):
        backlog.put(entry(seq, ["a", "b", "c"]))
    assert backlog.dropped == 3
    assert [message.position.seq for message in backlog.take()] == [4, 5]
    assert not backlog


def test_announcements_from_before_a_snapshot_are_forgotten() -> None:
    backlog = Backlog()
    backlog.put(Head(CODEC, "s", "inc", Position(1, 1), 0.0))
    backlog.put(entry(2))
    backlog.forget_heads()
    assert [type(message) for message in backlog.take()] == [Entry]

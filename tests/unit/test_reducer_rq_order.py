"""Readings of an RQ job in any order, late and twice, give what the job's ledger says."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.permute import assert_same_state_in_any_order
from support.reducing import T0, job
from taskscope_collector.observations import JobAbandoned, JobGone, Observation
from taskscope_shared.model import Engine, Progress, State

ENDS = {"finished": State.SUCCEEDED, "failed": State.FAILED, "stopped": State.REVOKED}


@st.composite
def lives(draw: Any) -> tuple[int, str, bool]:
    """How often it is retried, how it ends, and whether each wait for a retry is read, too."""
    return draw(st.integers(0, 3)), draw(st.sampled_from(sorted(ENDS))), draw(st.booleans())


def times(number: int) -> dict[str, Any]:
    """When the run `number` (from 0) was put into its queue and started, and by whom."""
    begin = 10.0 * number
    return {
        "created_at": 0.5,
        "enqueued_at": begin + 1,
        "started_at": begin + 2,
        "heartbeat_at": begin + 2,
        "worker": f"w{number}",
        "execution_id": f"e{number}",
    }


def readings(retries: int, end: str, *, waits: bool) -> list[Observation]:
    seen: list[Observation] = [job("queued", 1.1, created_at=0.5, enqueued_at=1.0, retries_left=retries)]
    ended: dict[str, Any] = {}
    for number in range(retries + 1):
        left, run = retries - number, times(number)
        seen.append(job("started", 10 * number + 2.1, **run, retries_left=left))
        seen.append(job("started", 10 * number + 3.0, **run, retries_left=left, progress=Progress(number, 9)))
        ended = run | {"ended_at": 10 * number + 5.0}
        if number < retries and waits:
            seen.append(job("scheduled", 10 * number + 5.1, **ended, run_at=10 * number + 11.0, retries_left=left - 1))
    if end == "stopped":
        ended |= {"ended_at": None, "worker": None, "result_type": 2, "result_id": f"{int(T0) + 10 * retries + 5}000-0"}
    seen.append(job(end, 10 * retries + 5.1, **ended, retries_left=0))
    return seen


def history_is(retries: int, *, waits: bool) -> Any:
    def right(past: Any) -> bool:
        ends = [T0 + 10 * number + 5 if waits else None for number in range(retries)]
        said = [(one.number, one.state, one.worker, one.finished_at) for one in past]
        return said == [(number + 1, State.RETRYING, f"w{number}", ends[number]) for number in range(retries)]

    return right


@settings(max_examples=40, deadline=None)
@given(life=lives())
def test_any_order_of_a_job_s_readings_gives_what_its_ledger_says(life: tuple[int, str, bool]) -> None:
    retries, end, waits = life
    begin = T0 + 10 * retries
    expected = {
        "state": ENDS[end],
        "attempts": retries + 1,
        "retries": retries,
        "worker": f"w{retries}",
        "started_at": begin + 2,
        "finished_at": begin + 5,
        "wait_seconds": 1.0,
        "runtime_seconds": 3.0,
        "progress": Progress(retries, 9),
        "history": history_is(retries, waits=waits),
    }
    assert_same_state_in_any_order(readings(retries, end, waits=waits), expected, engine=Engine.RQ, orders=12)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), life=lives())
def test_whatever_is_not_read_of_it_all_orders_agree(data: Any, life: tuple[int, str, bool]) -> None:
    retries, end, waits = life
    seen = readings(retries, end, waits=waits)
    seen.append(JobGone("j", T0 + data.draw(st.floats(0, 50))))
    seen.append(JobAbandoned("j", T0 + data.draw(st.floats(0, 50)), "gone", certain=data.draw(st.booleans())))
    kept = data.draw(st.lists(st.sampled_from(seen), min_size=1, max_size=len(seen), unique_by=id))
    if all(isinstance(one, JobGone | JobAbandoned) for one in kept):
        kept.append(seen[0])
    assert_same_state_in_any_order(kept, {"id": "j"}, engine=Engine.RQ, orders=8)

"""Facts in any order, late and twice, give what the ledger of the task says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.permute import assert_same_state_in_any_order
from support.reducing import T0, W1, W2, event, held, result
from taskscope_collector.observations import Observation, TaskMissing, TaskQueued, TaskRedelivered
from taskscope_shared.model import Progress, State

ENDS: dict[str, tuple[State, str | None, dict[str, Any]]] = {
    "succeeded": (State.SUCCEEDED, "SUCCESS", {"result": "'done'", "runtime": 0.5}),
    "failed": (State.FAILED, "FAILURE", {"exception": "ValueError('no')", "traceback": "Traceback\nValueError: no"}),
    "terminated": (State.REVOKED, "REVOKED", {"terminated": True}),
    "rejected": (State.REJECTED, None, {"requeue": False}),
}


class Delivery:
    """One line of the ledger: who had the task when, and how it ended there."""

    def __init__(self, number: int, begin: float, retries: int, worker: str, end: str) -> None:
        self.number, self.retries, self.worker, self.end = number, retries, worker, end
        self.pid = 0
        self.received, self.started, self.ended = begin, begin + 0.2, begin + 1.0


@st.composite
def ledgers(draw: Any) -> tuple[list[Delivery], bool]:
    """Deliveries of one task: retried, requeued or lost ones, then one that ends for good; and whether sending is told."""
    ends = draw(st.lists(st.sampled_from(["retried", "requeued", "lost"]), max_size=3))
    ends.append(draw(st.sampled_from(sorted(ENDS))))
    deliveries, begin, retries, worker, pids = [], 1.0, 0, W1, {W1: 100, W2: 200}
    for number, end in enumerate(ends, 1):
        delivery = Delivery(number, begin, retries, worker, end)
        deliveries.append(delivery)
        delivery.pid = pids[worker]
        pids[worker] += end == "lost"  # a worker that died comes back as another process, under the same name or not
        # The next try may be received before the worker says that this one was to be retried.
        begin = delivery.ended + draw(st.sampled_from([-0.05, 0.3] if end == "retried" else [0.3]))
        retries += end == "retried"
        worker = draw(st.sampled_from([W1, W2]))
    return deliveries, draw(st.booleans())


def told(deliveries: list[Delivery], *, sent: bool, stored: bool) -> list[Observation]:
    observations: list[Observation] = []
    for delivery in deliveries:
        d = delivery
        names: dict[str, Any] = {"name": "app.vod", "args": "(1,)", "kwargs": "{}", "root_id": "t", "retries": d.retries}
        fresh = d.number == 1 or deliveries[d.number - 2].end == "retried"
        if sent and fresh:
            observations.append(event("sent", d.received - 0.01, worker="gen7@p", queue="media", **names))
        observations.append(event("received", d.received, worker=d.worker, pid=d.pid, **names))
        observations.append(event("started", d.started, worker=d.worker, pid=d.pid))
        observations += ending(d, stored=stored)
    return observations


def ending(d: Delivery, *, stored: bool) -> list[Observation]:
    if d.end == "lost":
        return []
    if d.end == "retried":
        events: list[Observation] = [event("retried", d.ended, worker=d.worker, pid=d.pid, exception="OSError('again')")]
        return [*events, result("RETRY", d.ended - 0.01, exception_type="OSError")] if stored else events
    if d.end == "requeued":
        return [event("rejected", d.ended, worker=d.worker, pid=d.pid, requeue=True)]
    _, status, fields = ENDS[d.end]
    kind = "revoked" if d.end == "terminated" else d.end
    events = [event(kind, d.ended, worker=d.worker, pid=d.pid, **fields)]
    return [*events, result(status, d.ended - 0.01, group_id="g")] if stored and status else events


def expected_of(deliveries: list[Delivery], *, sent: bool) -> dict[str, object]:
    last = deliveries[-1]
    states = {"retried": State.RETRYING, "requeued": State.RETRYING, "lost": State.LOST}
    return {
        "state": ENDS[last.end][0],
        "name": "app.vod",
        "kind": "vod",
        "args": "(1,)",
        "queue": "media" if sent else None,
        "worker": last.worker,
        "received_at": T0 + last.received,
        "started_at": T0 + last.started,
        "finished_at": T0 + last.ended,
        "runtime_seconds": 0.5 if last.end == "succeeded" else 0.8,
        "retries": sum(delivery.end == "retried" for delivery in deliveries),
        "attempts": len(deliveries),
        "parent_id": None,
        "history": lambda history: (
            [(attempt.number, attempt.state, attempt.worker) for attempt in history]
            == [(delivery.number, states[delivery.end], delivery.worker) for delivery in deliveries[:-1]]
        ),
    }


@settings(max_examples=120, deadline=None)
@given(ledger=ledgers(), stored=st.sampled_from(["stored", "not stored"]))
def test_any_order_of_a_task_s_facts_gives_what_its_ledger_says(ledger: tuple[list[Delivery], bool], stored: str) -> None:
    deliveries, sent = ledger
    observations = told(deliveries, sent=sent, stored=stored == "stored")
    assert_same_state_in_any_order(observations, expected_of(deliveries, sent=sent), orders=12)


@settings(max_examples=60, deadline=None)
@given(ledger=ledgers())
def test_inspect_replies_among_the_events_change_nothing(ledger: tuple[list[Delivery], bool]) -> None:
    deliveries, sent = ledger
    observations = told(deliveries, sent=sent, stored=False)
    for delivery in deliveries:
        where: dict[str, Any] = {"worker": delivery.worker, "retries": delivery.retries, "name": "app.vod"}
        observations.append(held("reserved", delivery.received + 0.1, **where))
        observations.append(held("active", delivery.started + 0.1, started_at=delivery.started, **where))
    assert_same_state_in_any_order(observations, expected_of(deliveries, sent=sent), orders=12)


def test_replies_that_tell_starts_close_to_each_other_give_the_one_told_first() -> None:
    told_first = held("active", 1.3, started_at=1.2, name="app.vod")
    told_next = held("active", 2.25, started_at=2.15, name="app.vod")
    assert_same_state_in_any_order([told_first, told_next], {"state": State.RUNNING, "started_at": T0 + 1.2, "attempts": 1})


def test_a_reply_that_does_not_tell_the_try_leaves_what_an_earlier_one_told() -> None:
    told, untold = held("reserved", 2.0, retries=1, name="app.vod"), held("reserved", 3.0, name="app.vod")
    assert_same_state_in_any_order([told, untold], {"state": State.RESERVED, "retries": 1})
    told_later = held("reserved", 4.0, retries=3, name="app.vod")
    assert_same_state_in_any_order([untold, told_later], {"state": State.RESERVED, "retries": 3, "attempts": 2})


@settings(max_examples=60, deadline=None)
@given(end=st.sampled_from(["succeeded", "failed"]), retries=st.integers(0, 2))
def test_results_and_inspect_alone_tell_state_worker_and_times(end: str, retries: int) -> None:
    status = ENDS[end][1]
    observations: list[Observation] = [
        held("active", 2.0, started_at=1.0, name="app.vod", retries=retries),
        held("active", 7.0, started_at=1.0, name="app.vod", retries=retries),
        result(status or "", 9.0, worker=W1, retries=retries, result="'x'" if end == "succeeded" else None),
    ]
    assert_same_state_in_any_order(
        observations,
        {"state": ENDS[end][0], "worker": W1, "started_at": T0 + 1, "finished_at": T0 + 9, "runtime_seconds": 8.0}
        | {"attempts": 1, "retries": retries},
    )


@pytest.mark.parametrize("lost", ["received", "started", "both"])
def test_events_that_never_came_leave_the_outcome_right(lost: str) -> None:
    events: list[Observation] = [
        event("sent", 0.0, worker="gen7@p", name="app.x", queue="q", retries=0),
        event("succeeded", 3.0, result="1", runtime=1.0),
    ]
    if lost != "received" and lost != "both":
        events.append(event("received", 1.0, name="app.x", retries=0))
    if lost != "started" and lost != "both":
        events.append(event("started", 2.0))
    assert_same_state_in_any_order(events, {"state": State.SUCCEEDED, "worker": W1, "attempts": 1, "runtime_seconds": 1.0})


@settings(max_examples=100, deadline=None)
@given(data=st.data(), ledger=ledgers())
def test_whatever_is_lost_of_it_all_orders_agree(data: Any, ledger: tuple[list[Delivery], bool]) -> None:
    deliveries, sent = ledger
    seen = told(deliveries, sent=sent, stored=data.draw(st.booleans()))
    for d in deliveries:
        where: dict[str, Any] = {"worker": d.worker, "name": "app.vod"}
        seen.append(held("reserved", d.received + 0.1, retries=data.draw(st.sampled_from([None, d.retries])), **where))
        seen.append(held("active", d.started + 0.1, started_at=d.started, **where))
        seen.append(result("PROGRESS", d.started + 0.2, progress=Progress(1, 2)))
        seen.append(TaskQueued("t", "media", T0 + d.received - 0.005, T0 + d.received, retries=d.retries))
    moment = T0 + data.draw(st.floats(0, 12))
    seen.append(TaskMissing("t", moment, "nowhere"))
    seen.append(TaskRedelivered("t", T0 + data.draw(st.floats(0, 12)), "unacknowledged"))
    kept = data.draw(st.lists(st.sampled_from(seen), min_size=1, max_size=len(seen), unique_by=id))
    if all(isinstance(one, TaskMissing | TaskRedelivered) for one in kept):
        kept.append(seen[0])
    assert_same_state_in_any_order(kept, {"id": "t"}, orders=8)

"""When a started RQ job is concluded to be abandoned, doubted, or left alone."""

import pytest
from taskscope_collector.sources.rq.ledger import Running
from taskscope_collector.sources.rq.liveness import EXPIRY_GRACE_SECONDS, SILENT_SECONDS, Liveness

T0 = 1_700_000_000.0
CONNECTED = T0 - 60


def job(**fields: object) -> Running:
    values: dict[str, object] = {
        "id": "j",
        "queue": "main",
        "worker": "w",
        "started_at": T0 - 10,
        "heartbeat_at": T0 - 10,
        "timeout_seconds": 180.0,
        "wip_expires_at": T0 + 80,
        **fields,
    }
    return Running(**values)  # type: ignore[arg-type]


def no_heartbeat(_: str) -> float | None:
    return None


def watch(liveness: Liveness, counts: list[int], at: float = T0, step: float = 2.0) -> float:
    now = at
    for count in counts:
        liveness.observe({"w": count}, now)
        now += step
    return now - step


def test_a_connected_worker_is_left_alone() -> None:
    liveness = Liveness(CONNECTED)
    now = watch(liveness, [1, 1, 1, 1, 1])
    assert liveness.judge([job()], no_heartbeat, now) == []


def test_a_channel_that_stays_empty_means_abandoned_and_is_said_once() -> None:
    liveness = Liveness(CONNECTED)
    now = watch(liveness, [1, 0, 0, 0])
    assert liveness.judge([job()], no_heartbeat, now) == []
    liveness.observe({"w": 0}, now + 2)
    (found,) = liveness.judge([job()], no_heartbeat, now + 2)
    assert (found.id, found.certain) == ("j", True)
    assert now + 2 - T0 < 15
    assert liveness.judge([job()], no_heartbeat, now + 4) == []


def test_a_worker_that_reconnects_is_not_mistaken_for_dead() -> None:
    liveness = Liveness(CONNECTED)
    now = watch(liveness, [0, 0, 1, 0, 0, 1])
    assert liveness.judge([job()], no_heartbeat, now) == []


def test_a_heartbeat_outweighs_an_empty_channel() -> None:
    liveness = Liveness(CONNECTED)
    now = watch(liveness, [0] * 5)
    assert liveness.judge([job(heartbeat_at=T0 + 3)], no_heartbeat, now) == []
    assert liveness.judge([job()], lambda _: T0 + 3, now) == []


def test_right_after_our_own_connection_everybody_may_be_reconnecting() -> None:
    liveness = Liveness(T0)
    now = watch(liveness, [0, 0, 0, 0])
    assert now - T0 == SILENT_SECONDS
    assert liveness.judge([job()], no_heartbeat, now) == []
    now = watch(liveness, [0] * 6, now + 2)
    assert liveness.judge([job()], no_heartbeat, now) != []


@pytest.mark.parametrize("worker", [None, "w"])
def test_an_expired_entry_decides_where_channels_cannot_be_seen(worker: str | None) -> None:
    liveness = Liveness(CONNECTED)
    liveness.observe({}, T0)
    running = job(worker=worker, wip_expires_at=T0)
    assert liveness.judge([running], no_heartbeat, T0 + EXPIRY_GRACE_SECONDS - 0.1) == []
    (found,) = liveness.judge([running], no_heartbeat, T0 + EXPIRY_GRACE_SECONDS)
    assert found.certain


def test_an_expired_entry_with_an_open_socket_is_doubt_until_the_time_limit() -> None:
    liveness = Liveness(CONNECTED)
    running = job(wip_expires_at=T0 + 80)
    liveness.observe({"w": 1}, T0 + 90)
    (doubt,) = liveness.judge([running], no_heartbeat, T0 + 90)
    assert not doubt.certain
    assert liveness.judge([running], no_heartbeat, T0 + 100) == []
    (lost,) = liveness.judge([running], no_heartbeat, T0 + 300)
    assert lost.certain


def test_doubt_does_not_end_without_a_time_limit() -> None:
    liveness = Liveness(CONNECTED)
    liveness.observe({"w": 1}, T0)
    found = liveness.judge([job(timeout_seconds=-1.0, wip_expires_at=T0 - 9000)], no_heartbeat, T0)
    assert [one.certain for one in found] == [False]


def test_a_scheduler_that_holds_the_socket_does_not_count_as_a_sign_of_life() -> None:
    liveness = Liveness(CONNECTED)
    running = job(wip_expires_at=T0)
    liveness.observe({"w": 1}, T0 + 5)
    assert liveness.unexplained([running], T0 + 5) == {"w": "main"}
    (found,) = liveness.judge([running], no_heartbeat, T0 + 5, frozenset({"w"}))
    assert found.certain


def test_an_entry_that_is_renewed_takes_the_conclusion_back_and_it_may_be_drawn_again() -> None:
    liveness = Liveness(CONNECTED)
    liveness.observe({}, T0)
    expired, renewed = job(wip_expires_at=T0 - 10), job(wip_expires_at=T0 + 90)
    assert len(liveness.judge([expired], no_heartbeat, T0)) == 1
    assert liveness.again(expired, T0 + 1) is not None
    assert liveness.judge([renewed], no_heartbeat, T0 + 2) == []
    assert liveness.again(renewed, T0 + 3) is None
    assert len(liveness.judge([expired], no_heartbeat, T0 + 4)) == 1


def test_another_run_of_the_same_job_is_judged_anew() -> None:
    liveness = Liveness(CONNECTED)
    liveness.observe({}, T0)
    assert len(liveness.judge([job(wip_expires_at=T0 - 10)], no_heartbeat, T0)) == 1
    rerun = job(wip_expires_at=T0 - 10, started_at=T0 - 5)
    assert liveness.again(rerun, T0) is None
    assert len(liveness.judge([rerun], no_heartbeat, T0 + 1)) == 1
